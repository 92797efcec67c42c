// Usage records that this node lacks because its ledger jumped to another node's snapshot: fetched
// in the background, the newest first, a chunk at a time.
//
// What comes is not believed: the last record of a chunk must have the hash that the record behind
// it names (or the ledger's own chain, at its end), and each one before must have that of the next.
// So a node that was tampered with spoils nobody. Interrupted, it begins again where records are
// still missing; the store knows.
//
// Pure; single-threaded; driven by the Node.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "quorum/types.h"
#include "server/environment.h"
#include "triad/v1/peer.pb.h"
#include "triad/v1/usage.pb.h"

namespace triad::server {

class UsageFetch {
 public:
  using MakeHello = std::function<v1::Hello(quorum::Slot to)>;

  UsageFetch(SnapshotTransport* transport, LedgerWriter* ledger_writer, MakeHello hello)
      : transport_(transport), ledger_writer_(ledger_writer), hello_(std::move(hello)) {}

  // Call with every timer. `from`: another node that can be asked; kNone: none.
  void Tick(quorum::Slot from, int64_t now_ms);
  // What the store lacks; to 0: nothing. `chain`: the ledger's.
  void OnGap(const UsageGap& gap, const v1::UsageChain& chain, int64_t now_ms);
  void OnChunk(quorum::Slot from, const v1::UsageChunk& chunk, int64_t now_ms);
  void OnFailed(quorum::Slot from, int64_t now_ms);
  void OnFilled(int64_t now_ms);
  // The ledger has jumped: what is under way is of the old store.
  void Forget() {
    state_ = State::kIdle;
    lacking_ = 0;
    not_before_ms_ = 0;
  }

  // Why the last try failed; "" if it did not. For the log.
  const std::string& complaint() const { return complaint_; }
  uint64_t fetched() const { return fetched_; }
  // Tries that failed: whom to ask goes on with each, and stays with who has answered.
  size_t failures() const { return failures_; }

 private:
  enum class State : uint8_t { kIdle, kLooking, kAsking, kFilling };

  void Fail(std::string complaint, int64_t now_ms);

  SnapshotTransport* const transport_;
  LedgerWriter* const ledger_writer_;
  const MakeHello hello_;
  State state_ = State::kIdle;
  quorum::Slot from_ = quorum::Slot::kNone;
  int64_t since_ms_ = 0;
  int64_t not_before_ms_ = 0;
  UsageGap gap_;
  std::string complaint_;
  uint64_t fetched_ = 0;
  size_t failures_ = 0;
  size_t lacking_ = 0;  // tries for gap_ in a row to which the other node said that it lacks it too
};

// The records of a chunk, if they are numbers [.., to) without gaps and the last one has the hash
// `anchor`; else why not.
absl::StatusOr<std::vector<license::UsageRow>> CheckUsageChunk(const v1::UsageChunk& chunk,
                                                               const license::UsageRange& range,
                                                               const std::string& anchor);

}  // namespace triad::server
