// Checkouts through all clusters of the search path, in its order: the first that grants serves it.
//
// An errand goes from site to site; each step runs on the transport's thread of the site that was
// asked last, so that an errand has one thread at a time and needs no lock.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/client_state.h"
#include "client/limits.h"
#include "license/limits.h"

namespace triad::client {
namespace {

// What no server needs to be asked about. Counts and versions are the server's to judge.
Status CheckRequests(const std::vector<CheckoutRequest>& requests, const CheckoutOptions& terms) {
  if (requests.empty()) return UsageError("", "a checkout without a feature");
  if (requests.size() > license::kItemsPerCheckoutMax) {
    return UsageError(requests[0].feature, absl::StrCat("more than ", license::kItemsPerCheckoutMax,
                                                        " features in one checkout"));
  }
  for (const CheckoutRequest& request : requests) {
    if (request.feature.empty()) return UsageError("", "a checkout without a feature's name");
    for (const std::string* name : {&request.feature, &request.version, &request.checkout_data,
                                    &request.dup_group, &terms.user}) {
      if (name->size() <= license::kNameBytesMax) continue;
      return UsageError(request.feature.substr(0, 40),
                        absl::StrCat("a name longer than ", license::kNameBytesMax, " bytes"));
    }
    if (request.count == 0 && request.mode != CountMode::kAll) {
      return UsageError(request.feature, "a count of 0: ask for at least 1");
    }
  }
  if (terms.wait_limit_ms < 0 || terms.time_limit_ms < 0) {
    return UsageError(requests[0].feature, "a time below 0");
  }
  return Status();
}

// For these a place in the queue is worth having.
bool MayWait(const Status& status) {
  constexpr int kAllInUse = -4;
  constexpr int kUsersQueued = -24;
  constexpr int kOtherPool = -93;
  constexpr int kAllReserved = -101;
  return status.kind == ErrorKind::kDenied &&
         (status.code == kAllInUse || status.code == kUsersQueued || status.code == kOtherPool ||
          status.code == kAllReserved);
}

// Of several refusals the one with the highest number is told: it says the most about why this
// application has no license. `ours`: a license server of ours said it.
int Telling(const Status& status, bool ours) {
  constexpr int kNoServerForFeature = -3;
  constexpr int kNoSuchFeature = -5;
  constexpr int kNotSupported = -18;
  if (!ours) return 0;
  switch (status.kind) {
    case ErrorKind::kDenied:
      if (status.code == kNoSuchFeature || status.code == kNotSupported ||
          status.code == kNoServerForFeature) {
        return 1;
      }
      return MayWait(status) ? 6 : 5;
    case ErrorKind::kUnverified:
      return 4;
    case ErrorKind::kUsage:
      return 3;
    default:  // had it answered, it might have granted
      return 2;
  }
}

}  // namespace

struct ClientState::Errand {
  std::vector<CheckoutRequest> requests;
  CheckoutOptions options;
  LicensesCallback done;
  int64_t deadline_ms = 0;
  size_t next = 0;        // the site to ask
  bool queueing = false;  // the second round: waits at one site
  Status worst;           // what is told if nobody grants
  int telling = -1;       // of `worst`
  bool certain = true;
  std::optional<size_t> queue_site;
  bool asked_ours = false;  // the site asked last has opened a session
};

void ClientState::StartCheckout(const std::vector<CheckoutRequest>& requests,
                                const CheckoutOptions& terms, const LicensesCallback& done) {
  Status wrong = CheckRequests(requests, terms);
  if (wrong.ok() && closed()) {
    wrong = ClientClosed();
    wrong.feature = requests[0].feature;
  }
  if (!wrong.ok()) return done(wrong);
  if (std::optional<License> borrowed = UseBorrowed(requests)) {
    Licenses licenses;
    licenses.push_back(*std::move(borrowed));
    return done(std::move(licenses));
  }
  auto errand = std::make_shared<Errand>();
  errand->requests = requests;
  errand->options = terms;
  errand->done = done;
  errand->deadline_ms = clock_.NowMs() + options_.request_timeout_ms;
  Advance(errand);
}

// Asks the next site, or ends the errand.
void ClientState::Advance(const std::shared_ptr<Errand>& errand) {
  if (errand->next >= sites_.size()) return Finish(errand);
  Site* site = sites_[errand->next].get();
  if (AskAt(site, errand)) return;
  errand->worst = ClientClosed();
  errand->worst.feature = errand->requests[0].feature;
  errand->done(errand->worst);
}

bool ClientState::AskAt(Site* site, const std::shared_ptr<Errand>& errand) {
  return site->Post([this, site, errand] {
    const bool last = errand->queueing || errand->next + 1 == sites_.size();
    const bool only = sites_.size() == 1;
    Terms terms;
    static_cast<CheckoutOptions&>(terms) = errand->options;
    terms.wait = errand->options.wait && (only || errand->queueing);
    terms.hurry = !only;
    errand->asked_ours = site->session().ever_opened();
    int64_t timeout_ms = std::max<int64_t>(errand->deadline_ms - clock_.NowMs(), 0);
    if (!last) timeout_ms /= 2;
    if (!only && !errand->asked_ours) {
      // Not a server of ours, or not there: its second is over, or nearly.
      const int64_t left_ms = site->started_ms() + kNextClusterMs - clock_.NowMs();
      timeout_ms = std::clamp<int64_t>(left_ms, 0, timeout_ms);
    }
    site->session().StartCheckout(
        errand->requests, timeout_ms,
        [this, errand](const Status& status, const std::vector<LicenseId>& ids) {
          OnTried(errand, status, ids);
        },
        terms);
  });
}

void ClientState::OnTried(const std::shared_ptr<Errand>& errand, const Status& status,
                          const std::vector<LicenseId>& ids) {
  if (status.ok()) return errand->done(MakeResult(status, ids));
  errand->certain = errand->certain && status.certain;
  const bool ours = errand->asked_ours || sites_[errand->next]->session().ever_opened();
  const int telling = Telling(status, ours);
  if (telling > errand->telling || errand->queueing) {
    errand->telling = telling;
    errand->worst = status;
  }
  if (MayWait(status) && !errand->queue_site.has_value()) errand->queue_site = errand->next;
  if (errand->queueing || status.kind == ErrorKind::kCancelled) return Finish(errand);
  ++errand->next;
  Advance(errand);
}

void ClientState::Finish(const std::shared_ptr<Errand>& errand) {
  const bool waits = errand->options.wait && errand->queue_site.has_value() && sites_.size() > 1;
  if (waits && !errand->queueing) {
    errand->queueing = true;
    errand->next = *errand->queue_site;
    errand->deadline_ms = clock_.NowMs() + options_.request_timeout_ms;
    return Advance(errand);
  }
  if (errand->worst.ok()) {  // no site at all: only what is borrowed
    errand->worst.kind = ErrorKind::kUnreachable;
    errand->worst.code = -15;
    errand->worst.message = "no license server in the search path, and it is not borrowed";
    errand->worst.feature = errand->requests[0].feature;
  }
  errand->worst.certain = errand->certain;
  errand->done(errand->worst);
}

// On a transport's thread. The slots are there: OnLicense comes before the call's end.
Result<ClientState::Licenses> ClientState::MakeResult(const Status& status,
                                                      const std::vector<LicenseId>& ids) {
  if (!status.ok()) return status;
  Licenses licenses;
  std::shared_ptr<ClientState> self = weak_from_this().lock();
  absl::MutexLock lock(&slots_mutex_);
  for (LicenseId id : ids) {
    auto slot = slots_.find(id);
    // Without a slot it was returned in the same moment, by the end of the session.
    if (slot == slots_.end() || self == nullptr) return ClientClosed();
    licenses.push_back(License(self, slot->second));
  }
  return licenses;
}

Result<ClientState::Licenses> ClientState::Checkout(const std::vector<CheckoutRequest>& requests,
                                                    const CheckoutOptions& terms) {
  struct Waiter {
    absl::Notification done;
    std::optional<Result<Licenses>> result;
  };
  auto waiter = std::make_shared<Waiter>();
  StartCheckout(requests, terms, [waiter](Result<Licenses> result) {
    waiter->result.emplace(std::move(result));
    waiter->done.Notify();
  });
  waiter->done.WaitForNotification();
  return std::move(*waiter->result);
}

void ClientState::CheckoutAsync(const std::vector<CheckoutRequest>& requests,
                                const CheckoutOptions& terms, Client::CheckoutsCallback done) {
  // The callback runs, and dies, on the dispatcher's thread: it is the application's code. What
  // other threads let go of after that is empty.
  auto callback = std::make_shared<Client::CheckoutsCallback>(std::move(done));
  StartCheckout(requests, terms, [dispatcher = dispatcher_, callback](Result<Licenses> licenses) {
    auto result = std::make_shared<Result<Licenses>>(std::move(licenses));
    auto run = [result, callback] {
      const Client::CheckoutsCallback once = std::exchange(*callback, nullptr);
      Result<Licenses> taken = std::move(*result);
      if (once != nullptr) once(std::move(taken));
    };
    // Only after Close is there no dispatcher; then this is the caller's own thread.
    if (!dispatcher->PostCall(run)) run();
  });
}

}  // namespace triad::client
