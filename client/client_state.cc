#include "client/client_state.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "client/limits.h"
#include "client/machine.h"
#include "license/limits.h"

namespace triad::client {
namespace {

constexpr int kUsageCode = -42;

Status Usage(const std::string& feature, const std::string& message) {
  Status status;
  status.kind = ErrorKind::kUsage;
  status.code = kUsageCode;
  status.feature = feature;
  status.message = message;
  return status;
}

Status Closed() {
  return Usage("", "the client is closed");
}

// What no server needs to be asked about. Counts and versions are the server's to judge.
Status CheckRequests(const std::vector<CheckoutRequest>& requests) {
  if (requests.empty()) return Usage("", "a checkout without a feature");
  if (requests.size() > license::kItemsPerCheckoutMax) {
    return Usage(requests[0].feature, absl::StrCat("more than ", license::kItemsPerCheckoutMax,
                                                   " features in one checkout"));
  }
  for (const CheckoutRequest& request : requests) {
    if (request.feature.empty()) return Usage("", "a checkout without a feature's name");
    if (request.feature.size() > license::kNameBytesMax ||
        request.version.size() > license::kNameBytesMax) {
      return Usage(request.feature.substr(0, 40),
                   absl::StrCat("a name longer than ", license::kNameBytesMax, " bytes"));
    }
    if (request.count == 0 && request.mode != CountMode::kAll) {
      return Usage(request.feature, "a count of 0: ask for at least 1");
    }
  }
  return Status();
}

int NoteLevel() {
  for (const char* name : {"TRIAD_DIAGNOSTICS", "FLEXLM_DIAGNOSTICS"}) {
    const char* value = std::getenv(name);
    int level = 0;
    if (value != nullptr && absl::SimpleAtoi(value, &level)) return level;
  }
  return 0;
}

std::string Addresses(const Cluster& cluster) {
  return absl::StrJoin(cluster.servers, ",", [](std::string* out, const Address& address) {
    absl::StrAppend(out, FormatAddress(address));
  });
}

// The process that used the library first; 0: none has.
std::atomic<pid_t> first_user{0};

}  // namespace

Status Forked() {
  return Usage("",
               "this process is a child of the one that opened the client: fork first, or exec");
}

bool ForkedSinceFirstUse() {
  pid_t expected = 0;
  const pid_t self = getpid();
  return !first_user.compare_exchange_strong(expected, self) && expected != self;
}

Status Await(const std::function<void(const DoneCallback&)>& start) {
  struct Waiter {
    absl::Notification done;
    Status status;
  };
  auto waiter = std::make_shared<Waiter>();
  start([waiter](const Status& status) {
    waiter->status = status;
    waiter->done.Notify();
  });
  waiter->done.WaitForNotification();
  return waiter->status;
}

// --- LicenseSlot ---

LicenseView LicenseSlot::Get() const {
  absl::MutexLock lock(&mutex_);
  return view_;
}

void LicenseSlot::Set(const LicenseView& view) {
  absl::MutexLock lock(&mutex_);
  view_ = view;
}

bool LicenseSlot::TakeReturn() {
  absl::MutexLock lock(&mutex_);
  if (return_taken_ || view_.state == LicenseState::kReturned) return false;
  return_taken_ = true;
  return true;
}

// --- the machine ---

int64_t ClientState::SystemClock::NowMs() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

uint32_t ClientState::SystemRandom::Below(uint32_t bound) {
  std::random_device device;
  return device() % bound;  // for jitter: a slight bias is nothing
}

std::string ClientState::SystemRandom::Bytes(size_t size) {
  std::random_device device;
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(device());
  return bytes;
}

// --- opening and closing ---

ClientState::ClientState(const ClientOptions& options)
    : options_(options),
      note_level_(NoteLevel()),
      dispatcher_(std::make_shared<Dispatcher>(kEventsMax)) {
}

ClientState::~ClientState() {
  Close();
}

bool ClientState::Insecure() const {
  const char* value = std::getenv("TRIAD_INSECURE");
  return options_.insecure || (value != nullptr && absl::string_view(value) == "1");
}

Status ClientState::Open() {
  const Clusters found = FindClusters(options_.license_path, options_.vendor, RealMachine());
  for (const std::string& problem : found.problems) OnNote(1, problem);
  Status status;
  if (found.clusters.empty()) {
    status.kind = ErrorKind::kSearchPath;
    status.code = -1;
    status.message = absl::StrCat("no license server found: ", absl::StrJoin(found.problems, "; "));
    return status;
  }
  const int64_t deadline_ms = clock_.NowMs() + options_.request_timeout_ms;
  std::vector<std::string> tried;
  for (size_t i = 0; i < found.clusters.size(); ++i) {
    const Cluster& cluster = found.clusters[i];
    Session::Patience patience;
    patience.timeout_ms = std::max<int64_t>(deadline_ms - clock_.NowMs(), 0);
    if (i + 1 < found.clusters.size()) {  // another may serve: do not wait long for this one
      patience.timeout_ms = std::min(patience.timeout_ms, kNextClusterMs);
      patience.no_quorum_ms = patience.unreachable_ms = 0;
    }
    OnNote(2, absl::StrCat("trying ", Addresses(cluster), " from ", cluster.source));
    Status tried_status = OpenCluster(cluster, patience);
    if (tried_status.ok()) return tried_status;
    tried.push_back(tried_status.message);
    OnNote(1, tried_status.ToString());
    // The one that answered, if there is one, has the most to say.
    if (status.ok() || status.kind == ErrorKind::kUnreachable) status = tried_status;
  }
  if (tried.size() > 1) {
    status.message =
        absl::StrCat("no license server in the search path serves: ", absl::StrJoin(tried, " | "));
  }
  return status;
}

Status ClientState::OpenCluster(const Cluster& cluster, const Session::Patience& patience) {
  for (const Address& address : cluster.servers) {
    if (IsLoopback(address) || Insecure()) continue;
    Status status;
    status.kind = ErrorKind::kInsecure;
    status.message = absl::StrCat(FormatAddress(address),
                                  " is not this machine, and the connection is not encrypted: say "
                                  "insecure (TRIAD_INSECURE=1) if that is meant");
    return status;
  }
  Session::Config config;
  for (const Address& address : cluster.servers) config.servers.push_back(FormatAddress(address));
  config.identity = MakeIdentity(options_);
  for (const VendorKey& key : options_.vendor_keys) {
    config.vendor_keys.emplace(key.vendor, key.public_key);
  }
  config.unconfirmed = options_.unconfirmed;
  config.unconfirmed_grace_ms = options_.unconfirmed_grace_ms;
  transport_ = std::make_unique<GrpcTransport>(cluster.servers, &clock_);
  session_ = std::make_unique<Session>(std::move(config),
                                       Environment{transport_.get(), &clock_, &random_, this});
  transport_->Start(session_.get());
  Status status;
  absl::Notification opened;
  transport_->Post([&] {
    session_->Start(patience, [&](const Status& result) {
      status = result;
      opened.Notify();
    });
  });
  opened.WaitForNotification();
  if (status.ok()) return status;
  transport_->Post([this] { session_->StartClose([](const Status&) {}); });
  transport_->Stop();
  transport_.reset();
  session_.reset();
  return status;
}

Status ClientState::Close() {
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return Closed();
    closed_ = true;
  }
  Status status;
  if (transport_ != nullptr) {
    absl::Notification closed;
    const bool posted = transport_->Post([&] {
      session_->StartClose([&](const Status& result) {
        status = result;
        closed.Notify();
      });
    });
    if (posted) closed.WaitForNotification();
    transport_->Stop();
  }
  dispatcher_->Stop();
  return status;
}

// --- checkouts ---

void ClientState::StartCheckout(const std::vector<CheckoutRequest>& requests,
                                const LicensesCallback& done) {
  Status wrong = CheckRequests(requests);
  if (wrong.ok()) {
    const bool posted = transport_->Post([this, requests, done] {
      session_->StartCheckout(
          requests, options_.request_timeout_ms,
          [this, done](const Status& status, const std::vector<LicenseId>& ids) {
            done(MakeResult(status, ids));
          });
    });
    if (posted) return;
    wrong = Closed();
    wrong.feature = requests[0].feature;
  }
  done(wrong);
}

// On the transport's thread. The slots are there: OnLicense comes before the call's end.
Result<ClientState::Licenses> ClientState::MakeResult(const Status& status,
                                                      const std::vector<LicenseId>& ids) {
  if (!status.ok()) return status;
  Licenses licenses;
  std::shared_ptr<ClientState> self = weak_from_this().lock();
  for (LicenseId id : ids) {
    auto slot = slots_.find(id);
    // Without a slot it was returned in the same moment, by the end of the session.
    if (slot == slots_.end() || self == nullptr) return Closed();
    licenses.push_back(License(self, slot->second));
  }
  return licenses;
}

Result<ClientState::Licenses> ClientState::Checkout(const std::vector<CheckoutRequest>& requests,
                                                    const CheckoutOptions&) {
  struct Waiter {
    absl::Notification done;
    std::optional<Result<Licenses>> result;
  };
  auto waiter = std::make_shared<Waiter>();
  StartCheckout(requests, [waiter](Result<Licenses> result) {
    waiter->result.emplace(std::move(result));
    waiter->done.Notify();
  });
  waiter->done.WaitForNotification();
  return std::move(*waiter->result);
}

void ClientState::CheckoutAsync(const std::vector<CheckoutRequest>& requests,
                                const CheckoutOptions&, Client::CheckoutsCallback done) {
  // The callback runs, and dies, on the dispatcher's thread: it is the application's code. What
  // other threads let go of after that is empty.
  auto callback = std::make_shared<Client::CheckoutsCallback>(std::move(done));
  StartCheckout(requests, [dispatcher = dispatcher_, callback](Result<Licenses> licenses) {
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

DoneCallback ClientState::OnDispatcher(DoneCallback done) {
  auto callback = std::make_shared<DoneCallback>(std::move(done));
  return [dispatcher = dispatcher_, callback](const Status& status) {
    auto run = [status, callback] {
      const DoneCallback once = std::exchange(*callback, nullptr);
      if (once != nullptr) once(status);
    };
    if (!dispatcher->PostCall(run)) run();
  };
}

void ClientState::CheckIn(const LicenseSlot& slot, const DoneCallback& done) {
  const bool posted = transport_->Post([this, done, id = slot.id] {
    session_->StartCheckin(id, options_.request_timeout_ms, done);
  });
  if (!posted && done) done(Closed());
}

void ClientState::Resize(const LicenseSlot& slot, uint64_t, CountMode, const DoneCallback& done) {
  done(Usage(slot.Get().feature, "not carried out yet"));
}

Status ClientState::SetIdle(const LicenseSlot& slot, bool) {
  return Usage(slot.Get().feature, "not carried out yet");
}

Status ClientState::SetIdleAll(bool) {
  return Usage("", "not carried out yet");
}

Status ClientState::CancelWaits() {
  return Status();
}

Result<BorrowedLicense> ClientState::Borrow(const CheckoutRequest& request, int64_t) {
  return Usage(request.feature, "not carried out yet");
}

Status ClientState::ReturnBorrowed(const BorrowedLicense& borrowed) {
  return Usage(borrowed.feature, "not carried out yet");
}

std::vector<BorrowedLicense> ClientState::Borrowed() {
  return {};
}

ClientStatus ClientState::GetStatus() {
  ClientStatus status;
  absl::Notification done;
  const bool posted = transport_->Post([&] {
    static_cast<ClusterStatus&>(status) = session_->status();
    done.Notify();
  });
  if (posted) done.WaitForNotification();
  return status;
}

// --- what the session tells ---

void ClientState::OnEvent(const Event& event) {
  if (!options_.on_event) return;
  // By reference to the options: the dispatcher may outlive this object, the callback must not.
  dispatcher_->PostEvent([callback = options_.on_event, event] { callback(event); });
}

void ClientState::OnLicense(LicenseId id, const LicenseView& view) {
  std::shared_ptr<LicenseSlot>& slot = slots_[id];
  if (slot == nullptr) slot = std::make_shared<LicenseSlot>(id);
  slot->Set(view);
  if (view.state == LicenseState::kReturned) slots_.erase(id);
}

void ClientState::OnNote(int level, const std::string& line) {
  if (level <= note_level_) std::fprintf(stderr, "triad: %s\n", line.c_str());
  absl::MutexLock lock(&mutex_);
  if (level > std::max(note_level_, 2)) return;
  if (notes_.size() == kDiagnosticLinesMax) notes_.pop_front();
  notes_.push_back(line);
}

std::vector<std::string> ClientState::Diagnostics() const {
  absl::MutexLock lock(&mutex_);
  return {notes_.begin(), notes_.end()};
}

}  // namespace triad::client
