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
#include "absl/time/time.h"
#include "client/limits.h"
#include "client/machine.h"

namespace triad::client {
namespace {

constexpr int kUsageCode = -42;

int NoteLevel() {
  for (const char* name : {"TRIAD_DIAGNOSTICS", "FLEXLM_DIAGNOSTICS"}) {
    const char* value = std::getenv(name);
    int level = 0;
    if (value != nullptr && absl::SimpleAtoi(value, &level)) return level;
  }
  return 0;
}

license::VendorKeys KeysOf(const ClientOptions& options) {
  license::VendorKeys keys;
  for (const VendorKey& key : options.vendor_keys) keys.emplace(key.vendor, key.public_key);
  return keys;
}

// The process that used the library first; 0: none has.
std::atomic<pid_t> first_user{0};
// License::id, of all clients of this process.
std::atomic<LicenseId> next_license{1};

LicenseId NextLicense() {
  return next_license++;
}

}  // namespace

Status UsageError(const std::string& feature, const std::string& message) {
  Status status;
  status.kind = ErrorKind::kUsage;
  status.code = kUsageCode;
  status.feature = feature;
  status.message = message;
  return status;
}

Status ClientClosed() {
  return UsageError("", "the client is closed");
}

Status Forked() {
  return UsageError(
      "", "this process is a child of the one that opened the client: fork first, or exec");
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
  LicenseView view = view_;
  const bool over = use_ != nullptr && WallMs() >= use_->record().license.until_ms;
  if (over) {
    view.state = LicenseState::kReturned;
    view.usable = false;
  }
  return view;
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

int64_t LicenseSlot::BorrowedUntilMs() const {
  absl::MutexLock lock(&mutex_);
  return use_ == nullptr ? 0 : use_->record().license.until_ms;
}

void LicenseSlot::EndUse() {
  absl::MutexLock lock(&mutex_);
  use_.reset();
  view_.state = LicenseState::kReturned;
  view_.usable = false;
}

// --- the machine ---

int64_t ClientState::SystemClock::NowMs() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

int64_t ClientState::SystemClock::WallMs() {
  return client::WallMs();
}

uint32_t ClientState::SystemRandom::Below(uint32_t bound) {
  // For jitter, often asked for: a slight bias is nothing, and nobody is to be surprised.
  thread_local std::minstd_rand engine{std::random_device{}()};
  return static_cast<uint32_t>(engine()) % bound;
}

std::string ClientState::SystemRandom::Bytes(size_t size) {
  std::random_device device;
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(device());
  return bytes;
}

// --- opening ---

ClientState::ClientState(const ClientOptions& options)
    : options_(options),
      note_level_(NoteLevel()),
      dispatcher_(std::make_shared<Dispatcher>(kEventsMax)),
      borrow_store_(options.borrow_directory, ThisBorrower(options), KeysOf(options)) {
}

ClientState::~ClientState() {
  Close();
}

bool ClientState::Insecure() const {
  const char* value = std::getenv("TRIAD_INSECURE");
  return options_.insecure || (value != nullptr && absl::string_view(value) == "1");
}

absl::StatusOr<Trust> ClientState::FindOwnTrust() const {
  const int64_t now_s = absl::ToUnixSeconds(absl::Now());
  return FindTrust({options_.tls_ca, options_.tls_cert, options_.tls_key}, Insecure(),
                   RealMachine(), now_s);
}

std::optional<Status> ClientState::RefusePlaintext(const Cluster& cluster,
                                                   const Trust& trust) const {
  for (const Address& address : cluster.servers) {
    if (trust.tls() || IsLoopback(address) || Insecure()) continue;
    Status status;
    status.kind = ErrorKind::kInsecure;
    status.message = absl::StrCat(FormatAddress(address),
                                  " is not this machine, and no authority's certificate is there "
                                  "to know it by: put ca.crt into /etc/triad/tls/, or say insecure "
                                  "(TRIAD_INSECURE=1) if plaintext is meant");
    return status;
  }
  return std::nullopt;
}

void ClientState::MakeSites(const std::vector<Cluster>& clusters, Status* refused) {
  const auto trust = FindOwnTrust();
  if (!trust.ok()) {
    refused->kind = ErrorKind::kInsecure;
    refused->message = std::string(trust.status().message());
    OnNote(1, refused->ToString());
    return;
  }
  GrpcTransport::TrustSource source;
  if (trust->tls()) {
    source = [this, found = std::make_shared<Trust>(*trust)] {
      auto now = FindOwnTrust();
      if (now.ok()) *found = *std::move(now);
      return *found;
    };
  }
  for (const Cluster& cluster : clusters) {
    if (const std::optional<Status> insecure = RefusePlaintext(cluster, *trust)) {
      OnNote(1, insecure->ToString());
      *refused = *insecure;
      continue;
    }
    Session::Config config;
    for (const Address& address : cluster.servers) config.servers.push_back(FormatAddress(address));
    config.identity = MakeIdentity(options_);
    config.vendor_keys = KeysOf(options_);
    config.unconfirmed = options_.unconfirmed;
    config.unconfirmed_grace_ms = options_.unconfirmed_grace_ms;
    config.next_license = NextLicense;
    sites_.push_back(
        std::make_unique<Site>(cluster, std::move(config), source, &clock_, &random_, this));
  }
}

// All at once: what does not serve costs no time of its own.
void ClientState::StartSites(int64_t deadline_ms) {
  {
    absl::MutexLock lock(&mutex_);
    openings_.resize(sites_.size());
  }
  Session::Patience patience;
  patience.timeout_ms = std::max<int64_t>(deadline_ms - clock_.NowMs(), 0);
  if (sites_.size() > 1) {
    patience.unreachable_ms = 0;
    patience.others = true;
  }
  for (size_t i = 0; i < sites_.size(); ++i) {
    OnNote(2,
           absl::StrCat("trying ", sites_[i]->Addresses(), " from ", sites_[i]->cluster().source));
    sites_[i]->Start(patience, [this, i](const Status& status) {
      if (!status.ok()) OnNote(1, status.ToString());
      absl::MutexLock lock(&mutex_);
      openings_[i].decided = true;
      openings_[i].status = status;
    });
  }
}

bool ClientState::OpenedEnough(bool patience_over) const {
  bool all_before_decided = true;
  bool all_decided = true;
  for (const Opening& opening : openings_) {
    const bool opened = opening.decided && opening.status.ok();
    if (opened && (all_before_decided || patience_over)) return true;
    all_before_decided = all_before_decided && opening.decided;
    all_decided = all_decided && opening.decided;
  }
  return all_decided;
}

Status ClientState::Open() {
  const Clusters found = FindClusters(options_.license_path, options_.vendor, RealMachine());
  for (const std::string& problem : found.problems) OnNote(1, problem);
  const bool borrowed = !Borrowed().empty();
  Status status;
  MakeSites(found.clusters, &status);
  if (sites_.empty()) {
    if (borrowed) return Status();
    if (!status.ok()) return status;
    status.kind = ErrorKind::kSearchPath;
    status.code = -1;
    status.message = absl::StrCat("no license server found: ", absl::StrJoin(found.problems, "; "));
    return status;
  }
  const int64_t start_ms = clock_.NowMs();
  StartSites(start_ms + options_.request_timeout_ms);
  std::vector<Opening> openings;
  {
    absl::MutexLock lock(&mutex_);
    auto at_once = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return OpenedEnough(false); };
    auto late = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return OpenedEnough(true); };
    const int64_t patience_ms = std::min<int64_t>(kNextClusterMs, options_.request_timeout_ms);
    const bool done =
        mutex_.AwaitWithTimeout(absl::Condition(&at_once), absl::Milliseconds(patience_ms));
    // With something in hand that needs no server, nobody waits for one.
    if (!done && !borrowed) mutex_.Await(absl::Condition(&late));
    openings = openings_;
  }
  status = JudgeOpening(openings);
  if (status.ok()) return status;
  if (borrowed) {
    OnNote(1, absl::StrCat("going on with what is borrowed: ", status.ToString()));
    return Status();
  }
  return status;
}

Status ClientState::JudgeOpening(const std::vector<Opening>& openings) {
  Status worst;
  std::vector<std::string> tried;
  bool any = false;
  for (size_t i = 0; i < openings.size(); ++i) {
    if (openings[i].decided && openings[i].status.ok()) {
      any = true;
      continue;
    }
    if (!openings[i].decided) {
      OnNote(1, absl::StrCat(sites_[i]->cluster().source, ": ", sites_[i]->Addresses(),
                             ": no license server of ours answers there (yet)"));
      continue;
    }
    tried.push_back(openings[i].status.message);
    // The one that answered, if there is one, has the most to say.
    if (worst.ok() || worst.kind == ErrorKind::kUnreachable) worst = openings[i].status;
  }
  if (any) return Status();
  if (worst.ok()) {
    worst.kind = ErrorKind::kUnreachable;
    worst.code = -96;
    worst.message = "license server is down or does not answer";
  }
  if (tried.size() > 1) {
    worst.message =
        absl::StrCat("no license server in the search path serves: ", absl::StrJoin(tried, " | "));
  }
  return worst;
}

// --- closing ---

bool ClientState::closed() const {
  absl::MutexLock lock(&mutex_);
  return closed_;
}

Status ClientState::Close() {
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return ClientClosed();
    closed_ = true;
  }
  struct Closing {
    absl::Mutex mutex;
    size_t left ABSL_GUARDED_BY(mutex) = 0;
    Status status ABSL_GUARDED_BY(mutex);
  };
  auto closing = std::make_shared<Closing>();
  {
    absl::MutexLock lock(&closing->mutex);
    closing->left = sites_.size();
  }
  for (auto& site : sites_) {
    site->Close([closing](const Status& status) {
      absl::MutexLock lock(&closing->mutex);
      --closing->left;
      if (!status.ok()) closing->status = status;
    });
  }
  Status status;
  {
    absl::MutexLock lock(&closing->mutex);
    auto all = [&closing]()
                   ABSL_EXCLUSIVE_LOCKS_REQUIRED(closing->mutex) { return closing->left == 0; };
    closing->mutex.Await(absl::Condition(&all));
    status = closing->status;
  }
  for (auto& site : sites_) site->Stop();
  std::map<LicenseId, std::shared_ptr<LicenseSlot>> borrowed;
  {
    absl::MutexLock lock(&slots_mutex_);
    borrowed.swap(slots_);  // the sites' own are returned already
  }
  for (auto& [id, slot] : borrowed) slot->EndUse();
  dispatcher_->Stop();
  return status;
}

// --- licenses ---

void ClientState::CheckIn(LicenseSlot& slot, const DoneCallback& done) {
  if (slot.site == nullptr) {
    slot.EndUse();
    {
      absl::MutexLock lock(&slots_mutex_);
      slots_.erase(slot.id);
    }
    if (done) done(Status());
    return;
  }
  const bool posted = slot.site->Post([this, done, site = slot.site, id = slot.id] {
    site->session().StartCheckin(id, options_.request_timeout_ms, done);
  });
  if (!posted && done) done(ClientClosed());
}

void ClientState::Resize(const LicenseSlot& slot, uint64_t count, CountMode mode,
                         const DoneCallback& done) {
  const LicenseView view = slot.Get();
  if (count == 0 && mode != CountMode::kAll) {
    return done(UsageError(view.feature, "a count of 0: check the license in"));
  }
  if (slot.site == nullptr) {
    return done(UsageError(view.feature, "a borrowed license cannot be resized"));
  }
  const bool posted = slot.site->Post([this, done, count, mode, site = slot.site, id = slot.id] {
    site->session().StartResize(id, std::max<uint64_t>(count, 1), mode, options_.request_timeout_ms,
                                done);
  });
  if (!posted) done(ClientClosed());
}

Status ClientState::SetIdle(const LicenseSlot& slot, bool idle) {
  const LicenseView view = slot.Get();
  if (view.state == LicenseState::kReturned) {
    return UsageError(view.feature, "this license was returned before");
  }
  if (slot.site == nullptr) return Status();  // nobody reclaims it
  const bool posted = slot.site->Post(
      [site = slot.site, id = slot.id, idle] { (void)site->session().SetIdle(id, idle); });
  return posted ? Status() : ClientClosed();
}

Status ClientState::SetIdleAll(bool idle) {
  if (closed()) return ClientClosed();
  for (auto& site : sites_) {
    site->Post([site = site.get(), idle] { site->session().SetIdleAll(idle); });
  }
  return Status();
}

Status ClientState::CancelWaits() {
  if (closed()) return ClientClosed();
  for (auto& site : sites_) {
    site->Post([site = site.get()] { site->session().CancelWaits(); });
  }
  return Status();
}

ClientStatus ClientState::GetStatus() {
  ClientStatus status;
  for (auto& site : sites_) {
    ClusterStatus one;
    absl::Notification done;
    const bool posted = site->Post([&] {
      one = site->session().status();
      done.Notify();
    });
    if (!posted) return ClientStatus();
    done.WaitForNotification();
    one.source = site->cluster().source;
    status.clusters.push_back(std::move(one));
  }
  uint64_t licenses = 0;
  const ClusterStatus* first = nullptr;
  for (const ClusterStatus& one : status.clusters) {
    licenses += one.licenses;
    if (first == nullptr || (first->session.empty() && !one.session.empty())) first = &one;
  }
  if (first != nullptr) static_cast<ClusterStatus&>(status) = *first;
  absl::MutexLock lock(&slots_mutex_);
  for (const auto& [id, slot] : slots_) status.borrowed += slot->site == nullptr ? 1 : 0;
  status.licenses = licenses + status.borrowed;
  return status;
}

// --- what the sessions tell ---

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

void ClientState::OnEvent(Site*, const Event& event) {
  if (!options_.on_event) return;
  // By reference to the options: the dispatcher may outlive this object, the callback must not.
  dispatcher_->PostEvent([callback = options_.on_event, event] { callback(event); });
}

void ClientState::OnLicense(Site* site, LicenseId id, const LicenseView& view) {
  absl::MutexLock lock(&slots_mutex_);
  std::shared_ptr<LicenseSlot>& slot = slots_[id];
  if (slot == nullptr) slot = std::make_shared<LicenseSlot>(id, site);
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
