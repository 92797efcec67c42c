// Borrowing: a license is taken from a cluster and written down; checkouts on this machine are then
// served from what is written, before any server is asked.
#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/client_state.h"
#include "client/limits.h"

namespace triad::client {
namespace {

Status FromStatus(const absl::Status& status, const std::string& feature) {
  return UsageError(feature, std::string(status.message()));
}

}  // namespace

// Several features together are one cluster's business.
std::optional<License> ClientState::UseBorrowed(const std::vector<CheckoutRequest>& requests) {
  if (requests.size() != 1) return std::nullopt;
  LicenseView view;
  std::unique_ptr<BorrowUse> use = borrow_store_.Use(requests[0], &view.count);
  if (use == nullptr) return std::nullopt;
  view.feature = requests[0].feature;
  view.version = requests[0].version;
  view.handle = use->record().license.handle;
  static std::atomic<LicenseId> next_borrowed{LicenseId{1} << 62};  // apart from the sessions'
  auto slot = std::make_shared<LicenseSlot>(next_borrowed++, std::move(use), view);
  {
    absl::MutexLock lock(&slots_mutex_);
    slots_[slot->id] = slot;
  }
  dispatcher_->SetTicker([this] { return EndBorrows(); });  // stopped before this object dies
  return License(shared_from_this(), slot);
}

// Ends the uses whose borrow is over, and tells so. Returns after how many milliseconds to look
// again; -1: nothing borrowed is in use.
int64_t ClientState::EndBorrows() {
  const int64_t now = WallMs();
  int64_t again_ms = -1;
  std::vector<std::shared_ptr<LicenseSlot>> over;
  {
    absl::MutexLock lock(&slots_mutex_);
    for (const auto& [id, slot] : slots_) {
      const int64_t until_ms = slot->BorrowedUntilMs();
      if (until_ms == 0) continue;
      if (until_ms <= now) {
        over.push_back(slot);
      } else {
        // Date and time may step, and the wait stands still during suspend.
        const int64_t left_ms = std::min(until_ms - now, kWakeMsMax);
        again_ms = again_ms < 0 ? left_ms : std::min(again_ms, left_ms);
      }
    }
    for (const auto& slot : over) slots_.erase(slot->id);
  }
  for (const auto& slot : over) {
    slot->EndUse();
    const LicenseView view = slot->Get();
    Event event;
    event.kind = Event::Kind::kEnded;
    event.feature = view.feature;
    event.handle = view.handle;
    event.id = slot->id;
    event.count = view.count;
    event.reason = "the borrow is over";
    OnNote(1, absl::StrCat(event.feature, ": ", EventName(event.kind), ": ", event.reason));
    OnEvent(nullptr, event);
  }
  return again_ms;
}

Result<BorrowedLicense> ClientState::Borrow(const CheckoutRequest& request, int64_t until_ms) {
  if (request.feature.empty() || request.count == 0 || request.mode != CountMode::kExact) {
    return UsageError(request.feature, "a borrow is of one feature and an exact count above 0");
  }
  if (until_ms <= WallMs()) return UsageError(request.feature, "the end of the borrow is over");
  Status worst;
  for (auto& site : sites_) {
    Session::BorrowGrant grant;
    const Status status = Await([&](const DoneCallback& done) {
      const bool posted = site->Post([&, done] {
        site->session().StartBorrow(
            request, until_ms, options_.request_timeout_ms,
            [&grant, done](const Status& result, const Session::BorrowGrant& granted) {
              grant = granted;
              done(result);
            });
      });
      if (!posted) done(ClientClosed());
    });
    if (status.ok()) return WriteDown(site.get(), request, until_ms, grant);
    if (worst.ok() || status.kind == ErrorKind::kDenied) worst = status;
    if (status.kind == ErrorKind::kUsage || !status.certain) break;
  }
  if (worst.ok()) worst = UsageError(request.feature, "no license server in the search path");
  return worst;
}

Result<BorrowedLicense> ClientState::WriteDown(Site* site, const CheckoutRequest& request,
                                               int64_t until_ms,
                                               const Session::BorrowGrant& grant) {
  BorrowRecord record;
  record.license.feature = request.feature;
  record.license.version = request.version;
  record.license.vendor = grant.pool.vendor();
  record.license.count = std::max<uint64_t>(grant.holding.count(), 1);
  record.license.handle = grant.holding.handle();
  const int64_t granted_until_ms = grant.holding.borrowed_until_wall_ms();
  record.license.until_ms = granted_until_ms > 0 ? granted_until_ms : until_ms;
  record.license.user = borrow_store_.here().user;
  record.license.host = borrow_store_.here().host;
  record.machine = borrow_store_.here().machine;
  record.servers = site->Addresses();
  record.borrowed_ms = WallMs();
  record.pool = grant.pool;
  const absl::StatusOr<std::string> path = borrow_store_.Write(record);
  if (path.ok()) {
    record.license.record = *path;
    return record.license;
  }
  // What cannot be written down cannot be used: back with it.
  site->Post([site, handle = record.license.handle] {
    site->session().StartReturnBorrowed(handle, 0, nullptr);
  });
  return FromStatus(path.status(), request.feature);
}

// The cluster that lent it is the one that knows the handle for this user and host.
Status ClientState::ReturnBorrowed(const BorrowedLicense& borrowed) {
  if (closed()) return ClientClosed();
  absl::StatusOr<std::unique_ptr<BorrowUse>> seized = borrow_store_.Seize(borrowed.record);
  if (!seized.ok()) return FromStatus(seized.status(), borrowed.feature);
  const uint64_t handle = (*seized)->record().license.handle;
  const std::string servers = (*seized)->record().servers;
  Status worst;
  for (auto& site : sites_) {
    if (sites_.size() > 1 && site->Addresses() != servers) continue;
    const Status status = Await([&](const DoneCallback& done) {
      const bool posted = site->Post([&, done] {
        site->session().StartReturnBorrowed(handle, options_.request_timeout_ms, done);
      });
      if (!posted) done(ClientClosed());
    });
    if (status.ok()) {
      borrow_store_.Remove(borrowed.record);
      return status;
    }
    if (worst.ok() || status.kind == ErrorKind::kDenied) worst = status;
  }
  if (worst.ok()) {
    worst = UsageError("", absl::StrCat(servers, ", which lent it, is not in the search path"));
  }
  worst.feature = borrowed.feature;
  return worst;
}

std::vector<BorrowedLicense> ClientState::Borrowed() const {
  std::vector<BorrowedLicense> licenses;
  for (const BorrowRecord& record : borrow_store_.List(nullptr)) licenses.push_back(record.license);
  return licenses;
}

}  // namespace triad::client
