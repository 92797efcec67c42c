// What the deciding classes of the daemon are handed: their clock, chance, disk and wires. The
// daemon gives them threads and sockets (server/ *_io files), the simulator a world in one thread.
//
// All calls come from the one thread that runs the Node, and none may block for long or call back
// into it: results come later, as events (Node::On...).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/catalog.h"
#include "license/ledger_store.h"
#include "quorum/members.h"
#include "quorum/types.h"
#include "storage/identity.h"
#include "triad/v1/license.pb.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

// One client connection, numbered by the transport; never used again after it closed. 0: a unary
// call.
using ConnectionId = uint64_t;
// One incoming peer stream.
using LinkId = uint64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds of a clock that never steps and goes on during suspend (CLOCK_BOOTTIME).
  virtual int64_t NowMs() = 0;
  // Milliseconds since 1970 UTC, and the local offset from it; may step.
  virtual int64_t WallMs() = 0;
  virtual int32_t UtcOffsetSeconds() = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual uint32_t Below(uint32_t bound) = 0;
  // Unpredictable bytes, for tokens.
  virtual std::string Bytes(size_t size) = 0;
};

class PeerTransport {
 public:
  virtual ~PeerTransport() = default;
  // On the stream that this node dialled to `to`. May drop the message when the stream is down or
  // its queue is full.
  virtual void Send(quorum::Slot to, v1::PeerMessage message) = 0;
  // What was sent until now may gather no longer.
  virtual void FlushPeers() {}
  // On an incoming stream: answers to a Hello only.
  virtual void Answer(LinkId link, v1::PeerMessage message) = 0;
  virtual void CloseLink(LinkId link) = 0;
};

class ClientTransport {
 public:
  virtual ~ClientTransport() = default;
  virtual void Send(ConnectionId connection, v1::ServerMessage message) = 0;
};

// The log's disk: writes in the order given, one sync for all that gathered, then
// Node::OnLogDurable(last write_id). A failed write ends the process; it never reports one.
class LogWriter {
 public:
  virtual ~LogWriter() = default;
  // Term and vote, then where the log begins from now on (what lies before is dropped), then
  // entries. A crash leaves all of it, or what comes first.
  virtual void Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
                     std::optional<quorum::LogStart> start, std::vector<quorum::Entry> entries) = 0;
};

// Some rows of a view of the ledger's store, in key order.
struct SnapshotRows {
  uint64_t view = 0;  // to ask for more; 0: there is no such view (any more), begin anew
  license::LogPosition applied;
  std::vector<license::RowChange> rows;  // with values, all of them
  bool last = false;
};

// Which usage records are asked for.
struct UsageQuery {
  uint64_t after = 0;   // behind this number
  int64_t from_ms = 0;  // not before this date and time (of the record); 0: any
  size_t bytes_max = 0;
};

// Records that a store lacks, the newest range of them; to 0: none.
struct UsageGap {
  license::UsageRange range;
  std::string anchor;  // SHA-256 of record to - 1, as the record behind it says; "": there is none
};

// How long usage records are kept; 0: for ever.
struct UsageKeep {
  int64_t oldest_ms = 0;  // date and time
  uint64_t bytes_max = 0;
};

struct UsageRead {
  std::vector<license::UsageRow> rows;  // ascending; as many as fit, at least one if there is one
  bool last = false;                    // none follow these
  license::UsageHeld held;
};

// The ledger's disk. Everything is done in the order of the calls, on the ledger's own thread; each
// call is followed by its event. A failed write or sync ends the process; none is reported.
class LedgerWriter {
 public:
  virtual ~LedgerWriter() = default;
  // Rows, written behind and not synced; then Node::OnLedgerWritten. At most one is under way.
  virtual void Write(std::vector<license::RowChange> changes, license::LogPosition applied) = 0;
  // Usage records for the batch of the next Write. No event follows. Tests' disks may keep none.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): the daemon's takes it
  virtual void AddUsage(license::UsageChanges) {}
  // Then Node::OnUsageGap. FALSE: none follows, this disk keeps no records.
  virtual bool FindUsageGap() { return false; }
  // Puts missing records in; then Node::OnUsageFilled.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): the daemon's takes it
  virtual void FillUsage(std::vector<license::UsageRow>) {}
  // Which records are beyond these limits; if any, then Node::OnPrunePlan.
  virtual void PlanPrune(UsageKeep) {}
  // Then Node::OnLedgerSynced(position): what was written up to there survives a crash.
  virtual void Sync() = 0;
  // Rows behind key `after`, for a snapshot to another node; view 0 opens a new view (when there
  // are too many, the one that was not read for the longest time closes). Then
  // Node::OnSnapshotRead(rows).
  virtual void ReadSnapshot(uint64_t view, std::string after, size_t bytes_max) = 0;
  // No event follows.
  virtual void CloseSnapshot(uint64_t view) = 0;
  // A snapshot of another node, row by row into a store beside; `first` throws away what was there.
  // The last rows come with the position that they complete. Then Node::OnStaged(ledger): of the
  // complete one, durable and restored from its rows; null for parts, and when the rows do not fit
  // together (they are thrown away then).
  virtual void StageRows(bool first, std::vector<license::RowChange> rows,
                         std::optional<license::LogPosition> complete) = 0;
  // The staged store takes the place of the one in force; then Node::OnLedgerWritten. To be called
  // when the log's new start is durable and before rows of the new ledger are written.
  virtual void AdoptStaged() = 0;
};

// Asks a peer for one chunk of its ledger, in a call of its own; then Node::OnSnapshotChunk or
// Node::OnSnapshotFailed. One call is under way at a time.
class SnapshotTransport {
 public:
  virtual ~SnapshotTransport() = default;
  virtual void Fetch(quorum::Slot from, v1::SnapshotRequest request) = 0;
  // The same for usage records; then Node::OnUsageChunk or Node::OnUsageFailed.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): the daemon's takes it
  virtual void FetchUsage(quorum::Slot, v1::UsageRequest) {}
};

// Who this node is, on its disk. A failure ends the process.
class IdentityWriter {
 public:
  virtual ~IdentityWriter() = default;
  // Stores the identity at the birth of the cluster, durably before it returns.
  virtual void Store(const storage::Identity& identity) = 0;
  // The cluster has let this node in under a new incarnation: stores `identity`, puts away whatever
  // log and ledger there are, begins with empty ones. All of it durably before it returns.
  virtual void Begin(const storage::Identity& identity) = 0;
};

// Room on the disk of the data directory.
class DiskSpace {
 public:
  virtual ~DiskSpace() = default;
  // Bytes that this process may still write; negative: not known. Cheap enough for every second.
  virtual int64_t FreeBytes() = 0;
};

enum class LogLevel { kDebug, kInfo, kNotice, kWarning, kError };

class Logger {
 public:
  virtual ~Logger() = default;
  // One event, one line; never a key or a token.
  virtual void Log(LogLevel level, absl::string_view line) = 0;
};

// Where usage records go as they are made, beside the ledger's disk: the debug log and the report
// logs. Nothing here may wait: what there is no room for is counted, and the logs say so.
class UsageSink {
 public:
  virtual ~UsageSink() = default;
  // In order. Records are given again after a crash, and left out after a jump: their numbers tell.
  virtual void OnRecords(const std::vector<license::UsageRow>& rows) = 0;
  // Another license set is in force from the next record on.
  virtual void OnLicenses(const license::Catalog& catalog) = 0;
  // What this node saw of the others, as FlexNet's manager words it: "Connected to node lic2".
  virtual void OnQuorum(std::string line) = 0;
};

struct Environment {
  Clock* clock = nullptr;
  Random* random = nullptr;
  PeerTransport* peers = nullptr;
  ClientTransport* clients = nullptr;
  LogWriter* log_writer = nullptr;
  LedgerWriter* ledger_writer = nullptr;
  IdentityWriter* identity_writer = nullptr;
  Logger* logger = nullptr;
  DiskSpace* disk_space = nullptr;  // may stay null: not known
  SnapshotTransport* snapshots = nullptr;
  UsageSink* usage_sink = nullptr;  // may stay null
};

}  // namespace triad::server
