#include "server/daemon.h"

#include <grpc/support/log.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger.h"
#include "server/disk_io.h"
#include "server/event_loop.h"
#include "server/limits.h"
#include "server/node.h"
#include "server/site.h"
#include "server/system.h"
#include "server/usage.h"
#include "server/wire.h"
#include "storage/identity.h"
#include "storage/ledger_db.h"
#include "storage/log.h"

namespace triad::server {
namespace {

// gRPC prints to stderr on its own; what a user should hear, the daemon says itself.
void SilenceGrpc() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

constexpr int64_t kStopTimeoutMs = 1'500;

// What a data directory holds, opened.
struct Opened {
  std::unique_ptr<storage::DirectoryLock> lock;
  storage::Identity identity;
  std::unique_ptr<storage::Log> log;
  quorum::Recovered recovered;
  std::unique_ptr<license::LedgerStore> store;
  std::unique_ptr<license::Ledger> ledger;
};

absl::Status NoIdentity(const std::string& dir) {
  return absl::FailedPreconditionError(absl::StrCat(
      dir,
      " holds no identity: run triadd init for a new node, or triadd rejoin for one that "
      "lost its disk"));
}

absl::Status OpenLog(const std::string& dir, Logger* logger, Opened* opened) {
  storage::Log::Found found;
  storage::LogOptions options;
  options.may_create = opened->identity.cluster_id.empty();
  auto log = storage::Log::Open(storage::PosixFileSystem(), dir, options, &found);
  if (!log.ok()) return log.status();
  if (found.damage) {
    return absl::DataLossError(absl::StrCat(
        "the log is damaged: ", *found.damage,
        "; this node must not vote with it: keep the directory and run triadd rejoin"));
  }
  if (found.note) logger->Log(LogLevel::kNotice, *found.note);
  opened->log = *std::move(log);
  opened->recovered.hard_state = found.hard_state;
  opened->recovered.snapshot_index = found.snapshot_index;
  opened->recovered.snapshot_term = found.snapshot_term;
  opened->recovered.entries = std::move(found.entries);
  return absl::OkStatus();
}

// Rows are written only for entries that are durable here. If the log has not got them, or has
// others in their place, it has lost something that this node has acknowledged.
bool IsAheadOf(const license::LogPosition& rows, const quorum::Recovered& log) {
  if (rows.index <= log.snapshot_index.value()) return false;
  const uint64_t offset = rows.index - log.snapshot_index.value() - 1;
  return offset >= log.entries.size() || log.entries[offset].term.value() != rows.term;
}

// A database that does not open or does not fit together is thrown away: the log makes it anew.
absl::Status OpenLedger(const std::string& dir, Logger* logger, Opened* opened) {
  const std::string path = absl::StrCat(dir, "/ledger");
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto store = storage::OpenLedgerDb(path);
    auto ledger = std::make_unique<license::Ledger>();
    absl::Status status = store.status();
    if (status.ok()) status = ledger->Restore(**store);
    if (status.ok() && IsAheadOf(ledger->applied(), opened->recovered)) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " holds what the log does not: the log in ", dir,
                       " has lost entries; this node must not vote with it: run triadd rejoin"));
    }
    if (status.ok()) {
      opened->store = *std::move(store);
      opened->ledger = std::move(ledger);
      opened->recovered.applied = quorum::Index(opened->ledger->applied().index);
      return status;
    }
    if (!absl::IsDataLoss(status) || attempt > 0) return status;
    logger->Log(LogLevel::kWarning, absl::StrCat(std::string(status.message()),
                                                 ": making the ledger anew from the log"));
    if (store.ok()) store->reset();
    status = storage::DestroyLedgerDb(path);
    if (!status.ok()) return status;
  }
  return absl::InternalError("unreachable");
}

absl::Status OpenData(const Flags& flags, Logger* logger, Opened* opened) {
  if (!IsDirectory(flags.data_dir)) return NoIdentity(flags.data_dir);
  auto lock = storage::DirectoryLock::Take(flags.data_dir);
  if (!lock.ok()) return lock.status();
  opened->lock = *std::move(lock);
  auto identity = storage::ReadIdentity(storage::PosixFileSystem(), flags.data_dir);
  if (!identity.ok()) return identity.status();
  if (!identity->has_value()) return NoIdentity(flags.data_dir);
  opened->identity = **std::move(identity);
  const absl::Status status = OpenLog(flags.data_dir, logger, opened);
  return status.ok() ? OpenLedger(flags.data_dir, logger, opened) : status;
}

class IdentityOnDisk final : public IdentityWriter {
 public:
  IdentityOnDisk(std::string dir, Logger* logger) : dir_(std::move(dir)), logger_(logger) {}
  void Store(const storage::Identity& identity) override {
    const absl::Status status = storage::WriteIdentity(storage::PosixFileSystem(), dir_, identity);
    if (status.ok()) return;
    logger_->Log(LogLevel::kError, absl::StrCat("cannot store the cluster's identity: ",
                                                std::string(status.message())));
    _exit(kExitDiskFailed);
  }

 private:
  const std::string dir_;
  Logger* const logger_;
};

// The daemon's parts; members are destroyed in the reverse order, the threads before what they use.
class Daemon {
 public:
  Daemon(const Flags& flags, Logger* logger) : flags_(flags), logger_(logger), loop_(&clock_) {}
  int Run();

 private:
  absl::Status Prepare();
  absl::Status ChooseServers(const Site& site);
  void MakeNode(Site site);
  bool AfterBatch();
  void Tell();
  void BeginStop();

  const Flags flags_;
  Logger* const logger_;
  SystemClock clock_;
  SystemRandom random_;
  EventLoop loop_;
  Opened opened_;
  std::vector<Node::Server> servers_;
  std::vector<std::string> warnings_;
  std::unique_ptr<IdentityOnDisk> identity_writer_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<LogThread> log_thread_;
  std::unique_ptr<LedgerThread> ledger_thread_;
  std::optional<int64_t> stop_since_ms_;
  std::string told_;
  bool refused_ = false;
};

// The license set that a node knows of: the installed one, or the newest that stands in its log and
// is not applied yet.
license::Catalog KnownSet(const Opened& opened) {
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
  const absl::Status host_id = CheckHostId(source->servers()[slot - 1], ReadMachineIds());
  if (!host_id.ok()) return host_id;
  servers_ = *std::move(servers);
  return CheckPlaintext(flags_, servers_);
}

absl::Status Daemon::Prepare() {
  auto site = ReadSite(flags_);
  if (!site.ok()) return site.status();
  absl::Status status = OpenData(flags_, logger_, &opened_);
  if (!status.ok()) return status;
  warnings_ = site->problems;
  status = ChooseServers(*site);
  if (!status.ok()) return status;
  for (const std::string& warning : warnings_) logger_->Log(LogLevel::kWarning, warning);
  for (const auto& diagnostic : site->catalog.diagnostics()) {
    logger_->Log(LogLevel::kWarning, diagnostic.ToString());
  }
  MakeNode(*std::move(site));
  return wire_->Start(node_.get());
}

void Daemon::MakeNode(Site site) {
  const auto self = static_cast<quorum::Slot>(opened_.identity.slot);
  Wire::Config wire;
  wire.self = self;
  wire.servers = servers_;
  wire.admin_socket = flags_.admin_socket;
  wire.admin_over_tcp = flags_.insecure || AllLoopback(servers_);
  wire.session_ttl_ms = static_cast<uint32_t>(flags_.session_ttl_ms);
  wire_ = std::make_unique<Wire>(std::move(wire), &loop_, logger_);
  log_thread_ = std::make_unique<LogThread>(std::move(opened_.log), logger_, [this](uint64_t id) {
    loop_.Post([this, id] { node_->OnLogDurable(id); });
  });
  ledger_thread_ = std::make_unique<LedgerThread>(std::move(opened_.store), logger_, [this] {
    loop_.Post([this] { node_->OnLedgerWritten(); });
  });
  identity_writer_ = std::make_unique<IdentityOnDisk>(flags_.data_dir, logger_);

  Membership::Config membership;
  membership.identity = opened_.identity;
  for (const auto& server : servers_) membership.slots.push_back(server.slot);
  membership.license_hash = site.catalog.license_hash();
  membership.server_set = opened_.identity.server_set;

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
  Environment env;
  env.clock = &clock_;
  env.random = &random_;
  env.peers = wire_.get();
  env.clients = wire_.get();
  env.log_writer = log_thread_.get();
  env.ledger_writer = ledger_thread_.get();
  env.identity_writer = identity_writer_.get();
  env.logger = logger_;
  node_ = std::make_unique<Node>(std::move(config), env, Membership(std::move(membership)),
                                 std::move(opened_.recovered), std::move(opened_.ledger));
}

// What systemd and the health service are told, when it changes.
void Daemon::Tell() {
  const v1::NodeStatus status = node_->Status();
  const std::string told = absl::StrCat(
      "node ", status.slot(), ", ", status.role(),
      status.quorum() ? absl::StrCat(", leader is node ", status.leader(), ", can serve")
                      : absl::StrCat(", no quorum: ", status.waiting_for()));
  if (told == told_) return;
  told_ = told;
  sd_notify(0, absl::StrCat("STATUS=", told).c_str());
  wire_->SetServing(/*alive=*/true, /*licenses=*/status.quorum());
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
    refused_ = true;
    return false;
  }
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
  std::thread waiter([this, signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    loop_.Post([this] { BeginStop(); });
  });
  const auto& own = servers_[static_cast<size_t>(opened_.identity.slot) - 1];
  logger_->Log(LogLevel::kNotice,
               absl::StrCat("node ", opened_.identity.slot, " of ", servers_.size(), " listens on ",
                            own.Address(), ", pid ", getpid()));
  sd_notify(0, "READY=1");
  loop_.Run([this] { return AfterBatch(); });
  wire_->Stop();
  log_thread_.reset();
  ledger_thread_.reset();
  logger_->Log(LogLevel::kNotice, "stopped");
  kill(getpid(), SIGTERM);  // the waiter, if no signal has ended it yet
  waiter.join();
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
