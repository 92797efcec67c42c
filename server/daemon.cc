#include "server/daemon.h"

#include <fcntl.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "license/ledger.h"
#include "license/set_change.h"
#include "server/data_directory.h"
#include "server/disk_io.h"
#include "server/event_loop.h"
#include "server/http.h"
#include "server/limits.h"
#include "server/metrics.h"
#include "server/node.h"
#include "server/program.h"
#include "server/service_notices.h"
#include "server/site.h"
#include "server/system.h"
#include "server/tls.h"
#include "server/usage.h"
#include "server/usage_logs.h"
#include "server/wire.h"
#include "storage/identity.h"
#include "storage/ledger_db.h"

namespace triad::server {
namespace {

// The process's, for what gRPC says; nullptr: nobody hears it.
std::atomic<Logger*> grpc_listener{nullptr};

// gRPC prints to stderr on its own; what a user should hear, the daemon says itself. Of a handshake
// that failed it hears only so. Scanners cause such lines, so they are few.
void ListenToGrpc(gpr_log_func_args* said) {
  static std::atomic<int64_t> next_s{0};
  Logger* const logger = grpc_listener;
  const absl::string_view message = said->message;
  if (logger == nullptr || !absl::StrContains(message, "Handshake failed")) return;
  const int64_t now_s = absl::ToUnixSeconds(absl::Now());
  int64_t due_s = next_s;
  if (now_s < due_s || !next_s.compare_exchange_strong(due_s, now_s + kTellStrangersSeconds))
    return;
  logger->Log(LogLevel::kInfo,
              absl::StrCat("a TLS handshake failed: ", message.substr(message.rfind(':') + 1)));
}

constexpr int64_t kStopTimeoutMs = 1'500;
constexpr size_t kIncarnationBytes = 16;
// /metrics is made anew no oftener, however many ask.
constexpr int64_t kPageMs = 500;
constexpr int64_t kScrapeTimeoutMs = 1'000;
// A loop that has stood still for so long is not expected back.
constexpr int64_t kLiveMs = 10'000;
// A program that renews certificates need not tell the daemon.
constexpr time_t kLookForCertificatesSeconds = 30;

class IdentityOnDisk final : public IdentityWriter {
 public:
  // `begin` is handed what BeginAnew has made.
  IdentityOnDisk(DataPlace place, Logger* logger, std::function<void(OpenedData)> begin)
      : place_(std::move(place)), logger_(logger), begin_(std::move(begin)) {}
  void Store(const storage::Identity& identity) override {
    Check(storage::WriteIdentity(place_.files, place_.dir, identity));
    SetServerSet(identity.server_set);
  }
  void Begin(const storage::Identity& identity) override {
    auto opened = BeginAnew(place_, identity, logger_);
    Check(opened.status());
    begin_(*std::move(opened));
  }
  // Of the license set in force, from any thread.
  std::string server_set() const {
    absl::MutexLock lock(&mutex_);
    return server_set_;
  }
  void SetServerSet(const std::string& server_set) {
    absl::MutexLock lock(&mutex_);
    server_set_ = server_set;
  }

 private:
  void Check(const absl::Status& status) {
    if (status.ok()) return;
    logger_->Log(LogLevel::kError, absl::StrCat("cannot store the cluster's identity: ",
                                                std::string(status.message())));
    _exit(kExitDiskFailed);
  }

  const DataPlace place_;
  Logger* const logger_;
  const std::function<void(OpenedData)> begin_;
  mutable absl::Mutex mutex_;
  std::string server_set_ ABSL_GUARDED_BY(mutex_);
};

// The daemon's parts; members are destroyed in the reverse order, the threads before what they use.
class Daemon {
 public:
  Daemon(const Flags& flags, Logger* logger)
      : flags_(flags), logger_(logger), disk_space_(flags.data_dir), loop_(&clock_) {}
  int Run();

 private:
  absl::Status Prepare();
  absl::Status Open();
  absl::Status ChooseServers(const Site& site);
  absl::Status OpenTls();
  void LookAfterTls();
  void ReloadTls();
  void ReloadAddresses();
  absl::Status OpenHttp();
  std::string MetricsPage();
  void AwaitSignals(const sigset_t& signals);
  void MakeUsageLogs();
  LedgerResults ResultsForLoop();
  Wire::Config MakeWireConfig();
  void MakeNode(Site site);
  void MakeNotices();
  bool AfterBatch();
  void Tell();
  void TellServiceManager(const v1::NodeStatus& status);
  void BeginStop();

  const Flags flags_;
  Logger* const logger_;
  SystemClock clock_;
  SystemRandom random_;
  SystemDiskSpace disk_space_;
  EventLoop loop_;
  std::unique_ptr<storage::DirectoryLock> lock_;
  std::unique_ptr<license::LedgerHome> ledger_home_;
  DataPlace place_;
  OpenedData opened_;
  std::vector<Node::Server> servers_;
  std::vector<std::string> warnings_;
  std::string host_id_;  // what this machine shows
  bool host_id_matches_ = true;
  std::unique_ptr<IdentityOnDisk> identity_writer_;
  std::unique_ptr<UsageLogs> usage_logs_;  // outlives the node
  std::optional<ServiceNotices> notices_;
  std::unique_ptr<DiskProbe> disk_probe_;  // the log's thread's
  Metrics metrics_{&clock_};
  std::unique_ptr<MeteredUsage> metered_usage_;
  std::unique_ptr<MeteredLog> metered_log_;
  std::unique_ptr<MeteredClients> metered_clients_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<Tls> tls_;  // nullptr: plaintext
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<LogThread> log_thread_;
  std::unique_ptr<LedgerThread> ledger_thread_;
  std::atomic<int64_t> turned_ms_{0};  // when the loop last came round
  quorum::Slot told_leader_ = quorum::Slot::kNone;
  int64_t tended_ms_ = 0;  // when it last did what need not be done each time
  std::atomic<bool> ready_{false};
  absl::Mutex page_mutex_;
  std::string page_ ABSL_GUARDED_BY(page_mutex_);
  int64_t page_ms_ ABSL_GUARDED_BY(page_mutex_) = INT64_MIN / 2;
  std::unique_ptr<HttpPort> http_;
  std::optional<int64_t> stop_since_ms_;
  std::string told_;
  bool refused_ = false;
};

// Whoever started it is told that it listens, and keeps nothing of it open.
void Detach(int ready_fd) {
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nowhere >= 0) {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nowhere, fd);
    close(nowhere);
  }
  (void)!write(ready_fd, "", 1);
  close(ready_fd);
}

// The license set that a node knows of: the installed one, or the newest that stands in its log and
// is not applied yet.
license::Catalog KnownSet(const OpenedData& opened) {
  const license::BuildHelp help = HelpOf(*opened.ledger);
  if (const auto* installed = opened.ledger->installed()) {
    return license::Catalog::Build(SourcesOf(*installed), help);
  }
  for (auto entry = opened.recovered.entries.rbegin(); entry != opened.recovered.entries.rend();
       ++entry) {
    v1::LogRecord record;
    if (!record.ParseFromString(*entry->payload) || !record.command().has_install()) continue;
    return license::Catalog::Build(SourcesOf(record.command().install()), help);
  }
  return {};
}

// Address lines come from the node's own file; where that is missing or unusable, from the
// installed set.
absl::Status Daemon::ChooseServers(const Site& site) {
  const license::Catalog installed = KnownSet(opened_);
  const bool has_installed = !installed.servers().empty();
  const license::Catalog* source = &site.catalog;
  auto servers = ServersOf(site.catalog);
  if (has_installed) {
    const bool other = servers.ok() && site.catalog.server_set() != installed.server_set();
    if (!servers.ok() || other) {
      const std::string why =
          other ? license::ServerDifference(site.catalog.servers(), installed.servers())
                : std::string(servers.status().message());
      const std::string told = absl::StrCat(
          "own license file unusable (", why, "): serving the installed license set",
          other ? "; copy its file here, or have the new one installed with triad reread" : "");
      // While the files differ, the node warns of it by itself.
      if (other) {
        logger_->Log(LogLevel::kWarning, told);
      } else {
        warnings_.push_back(told);
      }
      source = &installed;
      servers = ServersOf(installed);
    }
  } else if (servers.ok() && ServerSetOf(site.catalog) != opened_.identity.server_set) {
    return absl::FailedPreconditionError(absl::StrCat(
        flags_.data_dir, " was initialised for other SERVER lines than ", flags_.license,
        " has: use the file it was initialised with, or another --data-dir and triadd init"));
  }
  if (!servers.ok()) {
    return site.problems.empty() ? servers.status()
                                 : absl::FailedPreconditionError(site.problems.front());
  }
  const size_t slot = static_cast<size_t>(opened_.identity.slot);
  if (slot > servers->size()) {
    return absl::FailedPreconditionError(absl::StrCat(flags_.data_dir, " is node ", slot,
                                                      "'s, and there are ", servers->size(),
                                                      " SERVER lines"));
  }
  if (flags_.node != 0 && flags_.node != opened_.identity.slot) {
    return absl::FailedPreconditionError(absl::StrCat("--node=", flags_.node, ": ", flags_.data_dir,
                                                      " is node ", slot,
                                                      "'s; give that node's --data-dir"));
  }
  const license::ServerLine& line = source->servers()[slot - 1];
  const license::MachineIds machine = ReadMachineIds();
  const absl::Status host_id = CheckHostId(line, machine);
  host_id_matches_ = host_id.ok();
  host_id_ = host_id.ok() ? line.host_id.ToString() : ShownHostId(machine);
  if (!host_id.ok()) {
    // One that came back, or wants to, may do so on other hardware: the others record a waiver.
    if (opened_.damage) {
      return absl::FailedPreconditionError(absl::StrCat("the log is damaged: ", *opened_.damage,
                                                        "; and ", std::string(host_id.message()),
                                                        ": run triadd rejoin"));
    }
    if (!MayRunOnWaiver(NewestMembers(opened_), opened_.identity, machine)) {
      return absl::FailedPreconditionError(absl::StrCat(
          std::string(host_id.message()), servers->size() == 1
                                              ? "; or, with a recorded waiver, triadd recover"
                                              : "; or, with a recorded waiver, triadd rejoin"));
    }
    // Not among the warnings that stay until it stops: the vendor's new file ends a waiver.
    logger_->Log(LogLevel::kWarning, absl::StrCat(std::string(host_id.message()),
                                                  "; serving on a waiver, which is recorded"));
  }
  if (opened_.damage && servers->size() == 1) {
    return absl::DataLossError(absl::StrCat("the log is damaged: ", *opened_.damage,
                                            "; no other node has it: restore a backup"));
  }
  servers_ = *std::move(servers);
  return OpenTls();
}

absl::Status Daemon::OpenTls() {
  const auto files = ChooseTls(flags_, servers_);
  if (!files) return absl::OkStatus();
  auto tls = Tls::Load(*files, static_cast<quorum::Slot>(opened_.identity.slot), &clock_);
  if (tls.ok()) {
    tls_ = *std::move(tls);
    return absl::OkStatus();
  }
  const std::string why(tls.status().message());
  // Files that are there and no good say themselves what to do.
  return absl::FailedPreconditionError(
      flags_.tls_cert.empty() && absl::IsNotFound(tls.status())
          ? absl::StrCat("a SERVER host is not a loopback address, and there is no TLS: ", why,
                         "; triad certs makes certificates, --insecure serves in plaintext")
          : why);
}

// At a SIGHUP, and every now and then: certificates are replaced while the daemon runs.
void Daemon::LookAfterTls() {
  if (tls_ == nullptr) return;
  ReloadTls();
  const std::string expiry = tls_->TellExpiry();
  if (!expiry.empty()) logger_->Log(LogLevel::kWarning, expiry);
}

// Where the other nodes are dialled is each node's own to say, in its license file; licenses are
// not, and nothing else of the file is looked at. Its own address it takes at the next start.
void Daemon::ReloadAddresses() {
  const auto site = ReadSite(flags_);
  if (!site.ok()) return;
  const auto servers = ServersOf(site->catalog);
  if (!servers.ok() || ServerSetOf(site->catalog) != identity_writer_->server_set()) return;
  for (const Node::Server& server : wire_->UseAddresses(*servers)) {
    logger_->Log(LogLevel::kNotice, absl::StrCat("node ", static_cast<int>(server.slot),
                                                 " is looked for at ", server.Address(), " now"));
  }
}

void Daemon::ReloadTls() {
  const auto changed = tls_->Reload();
  if (!changed.ok()) {
    logger_->Log(LogLevel::kError,
                 absl::StrCat("new certificates are not taken, the old stay in use: ",
                              std::string(changed.status().message())));
    return;
  }
  if (!*changed) return;
  wire_->UseNewCertificates();
  logger_->Log(LogLevel::kNotice, absl::StrCat("new certificate, good until ",
                                               license::FormatTime(tls_->expires_s())));
}

absl::Status Daemon::Open() {
  const std::string& dir = flags_.data_dir;
  if (!IsDirectory(dir)) {
    return absl::NotFoundError(absl::StrCat(
        dir,
        " holds no identity: run triadd init for a new node, or triadd rejoin for one that "
        "lost its disk"));
  }
  auto lock = storage::DirectoryLock::Take(dir);
  if (!lock.ok()) return lock.status();
  lock_ = *std::move(lock);
  storage::LedgerDbOptions ledger;
  ledger.broken = [this](const absl::Status& status) { EndForDisk(logger_, status); };
  ledger_home_ = storage::NewRocksLedgerHome(absl::StrCat(dir, "/ledger"), std::move(ledger));
  place_.files = storage::PosixFileSystem();
  place_.home = ledger_home_.get();
  place_.dir = dir;
  auto opened = OpenData(place_, logger_);
  if (!opened.ok()) return opened.status();
  opened_ = *std::move(opened);
  if (!opened_.damage) return absl::OkStatus();
  logger_->Log(LogLevel::kError,
               absl::StrCat("the log is damaged: ", *opened_.damage,
                            "; this node does not vote with it, and leaves it as it is until the "
                            "others have let it in under a new incarnation"));
  return absl::OkStatus();
}

absl::Status Daemon::Prepare() {
  auto site = ReadSite(flags_);
  if (!site.ok()) return site.status();
  place_.limits.known = site->catalog.verified();
  absl::Status status = Open();
  if (!status.ok()) return status;
  warnings_ = site->problems;
  status = ChooseServers(*site);
  if (!status.ok()) return status;
  for (const std::string& warning : warnings_) logger_->Log(LogLevel::kWarning, warning);
  for (const auto& diagnostic : site->catalog.diagnostics()) {
    logger_->Log(LogLevel::kWarning, diagnostic.ToString());
  }
  MakeNode(*std::move(site));
  MakeNotices();
  status = wire_->Start(node_.get());
  return status.ok() ? OpenHttp() : status;
}

// What is read there comes from the loop, once for all who ask at the same time.
absl::Status Daemon::OpenHttp() {
  if (flags_.http.empty()) return absl::OkStatus();
  HttpPages pages;
  pages.metrics = [this] { return HttpAnswer{true, MetricsPage()}; };
  pages.live = [this] {
    const bool live = clock_.NowMs() - turned_ms_ < kLiveMs;
    return HttpAnswer{live, live ? "ok\n" : "this node's loop does not come round\n"};
  };
  pages.ready = [this] {
    return ready_ ? HttpAnswer{true, "ok\n"}
                  : HttpAnswer{false, "no licenses are granted here: see triad status\n"};
  };
  turned_ms_ = clock_.NowMs();
  auto http = HttpPort::Listen(flags_.http, std::move(pages));
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  return absl::OkStatus();
}

std::string Daemon::MetricsPage() {
  absl::MutexLock lock(&page_mutex_);
  if (clock_.NowMs() - page_ms_ < kPageMs) return page_;
  auto snapshot = std::make_shared<Snapshot>();
  const bool answered = loop_.Ask(
      [this, snapshot] {
        v1::GetUsageRequest request;
        request.set_no_checkouts(true);
        snapshot->status = node_->Status();
        snapshot->usage = BuildUsage(node_->ledger(), request);
      },
      kScrapeTimeoutMs);
  if (answered) {
    snapshot->free_bytes = disk_space_.FreeBytes();
    snapshot->certificate_s = tls_ == nullptr ? 0 : tls_->expires_s();
  }
  page_ = metrics_.Page(answered ? std::optional(*snapshot) : std::nullopt);
  page_ms_ = clock_.NowMs();
  return page_;
}

void Daemon::MakeUsageLogs() {
  UsageLogs::Config config;
  config.debug_log = flags_.debug_log;
  config.datestamp = flags_.datestamp;
  config.place_dir = flags_.data_dir;
  const Node::Server& own = servers_[static_cast<size_t>(opened_.identity.slot) - 1];
  config.start.host = own.host;
  config.start.port = own.port;
  config.start.version = TRIAD_VERSION;
  config.start.pid = getpid();
  config.start.license_files = flags_.license;
  if (servers_.size() > 1) {
    for (const Node::Server& server : servers_) {
      absl::StrAppend(&config.start.servers, config.start.servers.empty() ? "" : ",",
                      server.Address());
    }
  }
  usage_logs_ = std::make_unique<UsageLogs>(std::move(config), &clock_, logger_);
}

// What the ledger's disk has done, as events of the loop.
LedgerResults Daemon::ResultsForLoop() {
  LedgerResults results;
  results.written = [this] { loop_.Post([this] { node_->OnLedgerWritten(); }); };
  results.synced = [this](license::LogPosition position) {
    loop_.Post([this, position] { node_->OnLedgerSynced(position); });
  };
  results.read = [this](SnapshotRows rows) {
    auto shared = std::make_shared<SnapshotRows>(std::move(rows));  // a posted function is copied
    loop_.Post([this, shared] { node_->OnSnapshotRead(std::move(*shared)); });
  };
  results.staged = [this](std::unique_ptr<license::Ledger> ledger) {
    auto shared = std::make_shared<std::unique_ptr<license::Ledger>>(std::move(ledger));
    loop_.Post([this, shared] { node_->OnStaged(std::move(*shared)); });
  };
  results.gap = [this](const UsageGap& gap) {
    loop_.Post([this, gap] { node_->OnUsageGap(gap); });
  };
  results.filled = [this] { loop_.Post([this] { node_->OnUsageFilled(); }); };
  results.prune = [this](const v1::PruneUsage& prune) {
    loop_.Post([this, prune] { node_->OnPrunePlan(prune); });
  };
  return results;
}

Wire::Config Daemon::MakeWireConfig() {
  Wire::Config wire;
  wire.self = static_cast<quorum::Slot>(opened_.identity.slot);
  wire.servers = servers_;
  wire.admin_socket = flags_.admin_socket;
  const bool plaintext = tls_ == nullptr;
  wire.admin_over_tcp = !flags_.local_admin && plaintext;
  wire.admin_by_certificate = !flags_.local_admin && !plaintext;
  wire.tls = tls_.get();
  wire.on_request = [this](ConnectionId connection, uint64_t message, int64_t begun_us) {
    metered_clients_->OnRequest(connection, message, begun_us);
  };
  wire.on_closed = [this](ConnectionId connection) { metered_clients_->OnClosed(connection); };
  wire.disabled = flags_.disabled;
  wire.reads_over_tcp = flags_.open_reading;
  wire.session_ttl_ms = static_cast<uint32_t>(flags_.session_ttl_ms);
  wire.read_files = [flags = flags_]() -> absl::StatusOr<Node::ReadFiles> {
    auto site = ReadSite(flags);
    if (!site.ok()) return site.status();
    return Node::ReadFiles{std::move(site->files), std::move(site->catalog),
                           std::move(site->problems)};
  };
  return wire;
}

void Daemon::MakeNode(Site site) {
  const auto self = static_cast<quorum::Slot>(opened_.identity.slot);
  wire_ = std::make_unique<Wire>(MakeWireConfig(), &loop_, logger_);
  metered_clients_ = std::make_unique<MeteredClients>(wire_.get(), &metrics_);
  log_thread_ = std::make_unique<LogThread>(std::move(opened_.log), logger_, [this](uint64_t id) {
    metered_log_->OnDurable(id);
    loop_.Post([this, id] { node_->OnLogDurable(id); });
  });
  ledger_thread_ = std::make_unique<LedgerThread>(
      LedgerDisk(ledger_home_.get(), std::move(opened_.store), place_.limits), logger_,
      ResultsForLoop());
  metered_log_ = std::make_unique<MeteredLog>(log_thread_.get(), &metrics_);
  MakeUsageLogs();
  metered_usage_ = std::make_unique<MeteredUsage>(usage_logs_.get(), &metrics_);
  wire_->SetUsage(ledger_thread_.get(), usage_logs_.get());
  identity_writer_ = std::make_unique<IdentityOnDisk>(place_, logger_, [this](OpenedData opened) {
    log_thread_->Begin(std::move(opened.log));
    ledger_thread_->Begin(std::move(opened.store));
  });

  identity_writer_->SetServerSet(opened_.identity.server_set);

  const Program program = ThisProgram();
  Membership::Config membership;
  membership.protocol = program.peer_protocol;
  membership.identity = opened_.identity;
  for (const auto& server : servers_) membership.slots.push_back(server.slot);
  membership.license_hash = site.catalog.license_hash();
  membership.host_id = host_id_;
  membership.host_id_matches = host_id_matches_;
  if (opened_.damage) membership.quarantine_incarnation = random_.Bytes(kIncarnationBytes);

  Node::Config config;
  config.self = self;
  config.servers = servers_;
  config.heartbeat_ms = flags_.heartbeat_ms;
  config.election_timeout_ms = flags_.election_timeout_ms;
  config.desk.slot = static_cast<uint32_t>(self);
  config.desk.session_ttl_ms = static_cast<uint32_t>(flags_.session_ttl_ms);
  config.desk.reset_grace_ms = static_cast<uint32_t>(flags_.reset_grace_ms);
  config.own_files = std::move(site.files);
  config.own_license_hash = site.catalog.license_hash();
  config.own_files.set_from_node(static_cast<uint32_t>(self));
  config.warnings = warnings_;
  config.version = program.commands;
  config.finalise_after_ms = program.finalise_after_ms;
  config.desk.protocol = program.client_protocol;
  config.usage_keep_ms = flags_.usage_keep_days * 24 * 3'600'000;
  config.usage_keep_bytes = static_cast<uint64_t>(flags_.usage_keep_mb) << 20;
  if (flags_.log_keep_entries > 0) {
    config.log_keep_entries = static_cast<uint64_t>(flags_.log_keep_entries);
  }
  Environment env;
  env.clock = &clock_;
  env.random = &random_;
  env.peers = wire_.get();
  env.clients = metered_clients_.get();
  env.log_writer = metered_log_.get();
  env.ledger_writer = ledger_thread_.get();
  env.identity_writer = identity_writer_.get();
  env.logger = logger_;
  env.disk_space = &disk_space_;
  env.snapshots = wire_.get();
  env.usage_sink = metered_usage_.get();
  node_ = std::make_unique<Node>(std::move(config), env, Membership(std::move(membership)),
                                 std::move(opened_.recovered), std::move(opened_.ledger));
}

void Daemon::MakeNotices() {
  uint64_t watchdog_us = 0;
  if (sd_watchdog_enabled(0, &watchdog_us) <= 0) watchdog_us = 0;
  notices_.emplace(static_cast<int64_t>(watchdog_us / 1'000), clock_.NowMs());
  disk_probe_ = std::make_unique<DiskProbe>(absl::StrCat(flags_.data_dir, "/alive"));
}

// What systemd and the health service are told.
void Daemon::Tell() {
  const v1::NodeStatus status = node_->Status();
  metrics_.OnLeader(status.leader(), status.term());
  const std::string told = absl::StrCat(
      "node ", status.slot(), ", ", status.role(),
      status.quorum() ? absl::StrCat(", leader is node ", status.leader(), ", can serve")
                      : absl::StrCat(", no quorum: ", status.waiting_for()));
  TellServiceManager(status);
  if (told == told_) return;
  told_ = told;
  ready_ = status.quorum();
  wire_->SetServing(/*alive=*/true, /*licenses=*/status.quorum());
}

void Daemon::TellServiceManager(const v1::NodeStatus& status) {
  const int64_t now_ms = clock_.NowMs();
  if (notices_->WantsProbes(now_ms)) {
    log_thread_->Probe([this] {
      disk_probe_->Touch();
      loop_.Post([this] { notices_->OnProbeDone(ServiceNotices::Worker::kLog); });
    });
    ledger_thread_->Probe(
        [this] { loop_.Post([this] { notices_->OnProbeDone(ServiceNotices::Worker::kLedger); }); });
  }
  uint64_t in_use = 0;
  for (const auto& [id, use] : node_->ledger().uses()) in_use += use.used;
  const std::string lines = notices_->Tell(status, in_use, now_ms);
  if (!lines.empty()) sd_notify(0, lines.c_str());
}

void Daemon::BeginStop() {
  if (stop_since_ms_) return;
  stop_since_ms_ = clock_.NowMs();
  sd_notify(0, "STOPPING=1");
  logger_->Log(LogLevel::kNotice,
               "stopping: handing over the lead and sending clients to other nodes");
  wire_->SetServing(/*alive=*/true, /*licenses=*/false);
  ready_ = false;
  node_->BeginStop();
}

bool Daemon::AfterBatch() {
  turned_ms_ = clock_.NowMs();
  node_->OnTimer();
  node_->Flush();
  wire_->Flush();
  if (node_->fatal()) {
    logger_->Log(LogLevel::kError, *node_->fatal());
    if (node_->disk_failed()) _exit(kExitDiskFailed);  // its thread will not come back
    refused_ = true;
    return false;
  }
  if (node_->wants_to_stop()) BeginStop();
  if (stop_since_ms_) {
    return !node_->MayStop() && clock_.NowMs() - *stop_since_ms_ < kStopTimeoutMs;
  }
  // At once when there is another leader: clients and monitors look for it.
  if (turned_ms_ - tended_ms_ >= kTellMs || node_->leader() != told_leader_) {
    tended_ms_ = turned_ms_;
    told_leader_ = node_->leader();
    wire_->OnTick(turned_ms_);
    Tell();
  }
  return true;
}

// Ends with the signal to stop.
void Daemon::AwaitSignals(const sigset_t& signals) {
  const timespec again = {kLookForCertificatesSeconds, 0};
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &again);
    if (signal == SIGTERM || signal == SIGINT) break;
    if (signal == SIGHUP) {
      usage_logs_->Reopen();
      ReloadAddresses();
    }
    LookAfterTls();
  }
  loop_.Post([this] { BeginStop(); });
}

int Daemon::Run() {
  const absl::Status status = Prepare();
  if (!status.ok()) {
    logger_->Log(LogLevel::kError,
                 absl::StrCat("refusing to start: ", std::string(status.message())));
    http_.reset();
    if (wire_ != nullptr) wire_->Stop();
    return kExitRefused;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  std::thread waiter([this, signals] { AwaitSignals(signals); });
  const auto& own = servers_[static_cast<size_t>(opened_.identity.slot) - 1];
  logger_->Log(LogLevel::kNotice,
               absl::StrCat("node ", opened_.identity.slot, " of ", servers_.size(), " listens on ",
                            own.Address(), ", pid ", getpid()));
  if (flags_.ready_fd >= 0) Detach(flags_.ready_fd);
  loop_.Run([this] { return AfterBatch(); });
  // At once: whoever is connected goes elsewhere when that ends, and not before.
  wire_->Stop();
  http_.reset();
  log_thread_.reset();
  ledger_thread_.reset();
  logger_->Log(LogLevel::kNotice, "stopped");
  kill(getpid(), SIGTERM);  // the waiter, if no signal has ended it yet
  waiter.join();
  usage_logs_.reset();
  return refused_ ? kExitRefused : kExitStopped;
}

int Validate(const Flags& flags, Logger* logger) {
  auto site = ReadSite(flags);
  if (!site.ok()) {
    logger->Log(LogLevel::kError, std::string(site.status().message()));
    return kExitRefused;
  }
  bool good = site->problems.empty();
  for (const std::string& problem : site->problems) logger->Log(LogLevel::kError, problem);
  const auto servers = ServersOf(site->catalog);
  if (!servers.ok()) {
    logger->Log(LogLevel::kError, std::string(servers.status().message()));
    good = false;
  }
  for (const auto& diagnostic : site->catalog.diagnostics()) {
    logger->Log(LogLevel::kWarning, diagnostic.ToString());
    if (diagnostic.severity == license::Severity::kError) good = false;
  }
  if (good) logger->Log(LogLevel::kNotice, "flags and files are good");
  return good ? kExitStopped : kExitRefused;
}

}  // namespace

int RunDaemon(const Flags& flags, Logger* logger) {
  if (flags.validate) return Validate(flags, logger);
  grpc_listener = logger;
  gpr_set_log_function(ListenToGrpc);
  // Debian's Abseil looks for deadlocks at every lock, as in a debug build.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const int status = Daemon(flags, logger).Run();
  grpc_listener = nullptr;
  return status;
}

}  // namespace triad::server
