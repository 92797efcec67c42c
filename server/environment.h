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
#include "license/ledger_store.h"
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
  virtual void Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
                     std::vector<quorum::Entry> entries) = 0;
};

// The ledger's rows, written behind. Node::OnLedgerWritten follows; at most one write is under way.
class LedgerWriter {
 public:
  virtual ~LedgerWriter() = default;
  virtual void Write(std::vector<license::RowChange> changes, license::LogPosition applied) = 0;
};

// Stores the identity once, at the birth of the cluster, durably before it returns. A failure ends
// the process.
class IdentityWriter {
 public:
  virtual ~IdentityWriter() = default;
  virtual void Store(const storage::Identity& identity) = 0;
};

enum class LogLevel { kDebug, kInfo, kNotice, kWarning, kError };

class Logger {
 public:
  virtual ~Logger() = default;
  // One event, one line; never a key or a token.
  virtual void Log(LogLevel level, absl::string_view line) = 0;
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
};

}  // namespace triad::server
