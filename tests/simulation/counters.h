// How often each rare branch was taken and each kind of fault happened: what a run has tested.
//
// Seen from outside: from states, messages and lines of the log. A branch that stays at zero over a
// whole run of many seeds is one that the run says nothing about, and the report says so.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace triad::simulation {

enum class Branch {
  // Faults
  kCrash,
  kPowerLoss,
  kCrashInWrite,
  kPauseNode,
  kPauseClient,
  kCut,
  kOneWayCut,
  kIsolated,
  kConnectionCut,
  kLinkReset,
  kMessageLost,
  kMessageTwice,
  kMessageLate,
  kDiskStuck,
  kDiskError,
  kDiskFull,
  kDiskShort,
  kClockStep,
  kClockDrift,
  kSlowNode,
  kStop,
  kTransfer,
  kClientKilled,
  kClientVanished,
  kClientClosed,
  kClientReset,
  // Branches: the log
  kElection,
  kSplitVote,
  kPreVoteRefused,
  kConflictTruncation,
  kLeadLost,
  kLeadLostToDisk,
  kStoodStill,
  kLeadHandedOver,
  kTornTailCut,
  kUnsyncedLost,
  kCommittedFromOldTerm,
  // Branches: the ledger and its clients
  kGranted,
  kDenied,
  kCheckedIn,
  kExpiredSilent,
  kExpiredReset,
  kExpiryIgnored,
  kDuplicateAnswered,
  kDuplicateRefused,
  kSessionOpenedTwice,
  kSessionMoved,
  kSessionTableFull,
  kQueued,
  kServedFromQueue,
  kDequeued,
  kResized,
  kUnconfirmed,
  kReconnected,
  kLost,
  kUncertain,
  kMovedAway,
  kRead,
  kReadFailed,
  kHistoryJudged,
  kHistoryUndecided,
  // Damage
  kBitFlipped,
  kSectorMisdirected,
  kLedgerDamaged,
  kWiped,
  kQuarantine,
  kLetIn,
  kPromoted,
  kPartialHealed,
  kTwoLost,
  kCommittedLost,
  kLicenseForgotten,
  kGrantAfterLoss,
  // Snapshots and the cluster's version
  kCompaction,
  kSnapshotChunk,
  kChunkSpoiled,
  kJump,
  kJumpWithClients,
  kLedgerFetched,
  kInstall,
  kInstallRefused,
  kUpgrade,
  kVersionRaised,
  kDiskLow,
  kDiskHungFatal,
  kCount,
};

struct BranchName {
  Branch branch;
  const char* name;
  bool is_fault;
};
const std::array<BranchName, static_cast<size_t>(Branch::kCount)>& BranchNames();

class Counters {
 public:
  void Count(Branch branch, uint64_t n = 1) { counts_[static_cast<size_t>(branch)] += n; }
  uint64_t of(Branch branch) const { return counts_[static_cast<size_t>(branch)]; }
  void Add(const Counters& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }

 private:
  std::array<uint64_t, static_cast<size_t>(Branch::kCount)> counts_{};
};

}  // namespace triad::simulation
