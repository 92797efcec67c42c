#include "server/daemon.h"

#include <fcntl.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger.h"
#include "server/data_directory.h"
#include "server/disk_io.h"
#include "server/event_loop.h"
#include "server/limits.h"
#include "server/node.h"
#include "server/service_notices.h"
#include "server/site.h"
#include "server/system.h"
#include "server/usage.h"
#include "server/usage_logs.h"
#include "server/wire.h"
#include "storage/identity.h"
#include "storage/ledger_db.h"

namespace triad::server {
namespace {

// gRPC prints to stderr on its own; what a user should hear, the daemon says itself.
void SilenceGrpc() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

constexpr int64_t kStopTimeoutMs = 1'500;
constexpr size_t kIncarnationBytes = 16;

class IdentityOnDisk final : public IdentityWriter {
 public:
  // `begin` is handed what BeginAnew has made.
  IdentityOnDisk(DataPlace place, Logger* logger, std::function<void(OpenedData)> begin)
      : place_(std::move(place)), logger_(logger), begin_(std::move(begin)) {}
  void Store(const storage::Identity& identity) override {
    Check(storage::WriteIdentity(place_.files, place_.dir, identity));
  }
  void Begin(const storage::Identity& identity) override {
    auto opened = BeginAnew(place_, identity, logger_);
    Check(opened.status());
    begin_(*std::move(opened));
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
  void MakeUsageLogs();
  LedgerResults ResultsForLoop();
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
  std::unique_ptr<Node> node_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<LogThread> log_thread_;
  std::unique_ptr<LedgerThread> ledger_thread_;
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

// Whether this incarnation is none of the cluster's birth.
bool HasComeBack(const storage::Identity& identity) {
  if (identity.rejoining) return true;
  for (const storage::Member& member : identity.members) {
    if (member.incarnation == identity.incarnation) return false;
  }
  return !identity.cluster_id.empty();
}

// The license set that a node knows of: the installed one, or the newest that stands in its log and
// is not applied yet.
license::Catalog KnownSet(const OpenedData& opened) {
  if (const auto* installed = opened.ledger->installed()) {
    return license::Catalog::Build(SourcesOf(*installed));
  }
  for (auto entry = opened.recovered.entries.rbegin(); entry != opened.recovered.entries.rend();
       ++entry) {
    v1::LogRecord record;
    if (!record.ParseFromString(*entry->payload) || !record.command().has_install()) continue;
    return license::Catalog::Build(SourcesOf(record.command().install()));
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
    const bool other = servers.ok() && ServerSetOf(site.catalog) != opened_.identity.server_set;
    if (!servers.ok() || other) {
      warnings_.push_back(absl::StrCat("own license file unusable (",
                                       other ? "its SERVER lines are of another license server"
                                             : std::string(servers.status().message()),
                                       "): serving the installed license set"));
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
    if (!HasComeBack(opened_.identity)) return host_id;
    warnings_.push_back(
        absl::StrCat(std::string(host_id.message()), "; serving on a waiver, which is recorded"));
  }
  if (opened_.damage && servers->size() == 1) {
    return absl::DataLossError(absl::StrCat("the log is damaged: ", *opened_.damage,
                                            "; no other node has it: restore a backup"));
  }
  servers_ = *std::move(servers);
  return CheckPlaintext(flags_, servers_);
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
  return wire_->Start(node_.get());
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

void Daemon::MakeNode(Site site) {
  const auto self = static_cast<quorum::Slot>(opened_.identity.slot);
  Wire::Config wire;
  wire.self = self;
  wire.servers = servers_;
  wire.admin_socket = flags_.admin_socket;
  wire.admin_over_tcp = !flags_.local_admin && (flags_.insecure || AllLoopback(servers_));
  wire.disabled = flags_.disabled;
  wire.reads_over_tcp = flags_.open_reading;
  wire.session_ttl_ms = static_cast<uint32_t>(flags_.session_ttl_ms);
  wire.read_files = [flags = flags_]() -> absl::StatusOr<Node::ReadFiles> {
    auto site = ReadSite(flags);
    if (!site.ok()) return site.status();
    return Node::ReadFiles{std::move(site->files), std::move(site->catalog),
                           std::move(site->problems)};
  };
  wire_ = std::make_unique<Wire>(std::move(wire), &loop_, logger_);
  log_thread_ = std::make_unique<LogThread>(std::move(opened_.log), logger_, [this](uint64_t id) {
    loop_.Post([this, id] { node_->OnLogDurable(id); });
  });
  ledger_thread_ = std::make_unique<LedgerThread>(
      LedgerDisk(ledger_home_.get(), std::move(opened_.store), place_.limits), logger_,
      ResultsForLoop());
  MakeUsageLogs();
  wire_->SetUsage(ledger_thread_.get(), usage_logs_.get());
  identity_writer_ = std::make_unique<IdentityOnDisk>(place_, logger_, [this](OpenedData opened) {
    log_thread_->Begin(std::move(opened.log));
    ledger_thread_->Begin(std::move(opened.store));
  });

  Membership::Config membership;
  membership.identity = opened_.identity;
  for (const auto& server : servers_) membership.slots.push_back(server.slot);
  membership.license_hash = site.catalog.license_hash();
  membership.server_set = opened_.identity.server_set;
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
  config.usage_keep_ms = flags_.usage_keep_days * 24 * 3'600'000;
  config.usage_keep_bytes = static_cast<uint64_t>(flags_.usage_keep_mb) << 20;
  if (flags_.log_keep_entries > 0) {
    config.log_keep_entries = static_cast<uint64_t>(flags_.log_keep_entries);
  }
  Environment env;
  env.clock = &clock_;
  env.random = &random_;
  env.peers = wire_.get();
  env.clients = wire_.get();
  env.log_writer = log_thread_.get();
  env.ledger_writer = ledger_thread_.get();
  env.identity_writer = identity_writer_.get();
  env.logger = logger_;
  env.disk_space = &disk_space_;
  env.snapshots = wire_.get();
  env.usage_sink = usage_logs_.get();
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
  const std::string told = absl::StrCat(
      "node ", status.slot(), ", ", status.role(),
      status.quorum() ? absl::StrCat(", leader is node ", status.leader(), ", can serve")
                      : absl::StrCat(", no quorum: ", status.waiting_for()));
  TellServiceManager(status);
  if (told == told_) return;
  told_ = told;
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
  node_->BeginStop();
}

bool Daemon::AfterBatch() {
  node_->OnTimer();
  node_->Flush();
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
  Tell();
  return true;
}

int Daemon::Run() {
  const absl::Status status = Prepare();
  if (!status.ok()) {
    logger_->Log(LogLevel::kError,
                 absl::StrCat("refusing to start: ", std::string(status.message())));
    if (wire_ != nullptr) wire_->Stop();
    return kExitRefused;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  std::thread waiter([this, signals] {
    for (;;) {
      int signal = 0;
      sigwait(&signals, &signal);
      if (signal != SIGHUP) break;
      usage_logs_->Reopen();
    }
    loop_.Post([this] { BeginStop(); });
  });
  const auto& own = servers_[static_cast<size_t>(opened_.identity.slot) - 1];
  logger_->Log(LogLevel::kNotice,
               absl::StrCat("node ", opened_.identity.slot, " of ", servers_.size(), " listens on ",
                            own.Address(), ", pid ", getpid()));
  if (flags_.ready_fd >= 0) Detach(flags_.ready_fd);
  loop_.Run([this] { return AfterBatch(); });
  wire_->Stop();
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
  SilenceGrpc();
  return Daemon(flags, logger).Run();
}

}  // namespace triad::server
