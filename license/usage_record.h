// What happened to licenses, as records that form a chain: each holds the SHA-256 of the one
// before, so whoever changes, adds or takes out one cannot hide it from those who know a later
// hash.
//
// Made out of what Apply did (LedgerEvent), in the order of the log, by a pure function: all nodes
// make the same bytes. How many there are and the last hash stand in the ledger's head, which every
// snapshot carries. What it is not: it stores nothing. The caller of Ledger takes the records with
// TakeUsage and hands them to the LedgerStore with the rows of the same entries.
//
// Not thread-safe. Format and meaning of the fields: docs/usage-records.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "license/ledger_store.h"
#include "triad/v1/command.pb.h"
#include "triad/v1/usage.pb.h"

namespace triad::license {

class LedgerState;
struct LedgerEvent;

// Commands of this version and above are recorded: from then on every node's program does it.
inline constexpr uint32_t kUsageVersion = 3;

// Appends the records of one entry to `rows`, and moves the chain in `state`'s head on. `events`
// are those of `record` alone; what they point to is still there.
void RecordUsage(LedgerState& state, const v1::LogRecord& record, const v1::Outcome& outcome,
                 absl::Span<const LedgerEvent> events, std::vector<UsageRow>& rows);

// Carries PruneUsage out: the chain begins at `prune.before` from now on. FALSE: it has no effect.
bool PruneUsage(LedgerState& state, const v1::PruneUsage& prune);

// SHA-256 of a record's bytes: what the next one's `previous` is.
std::string UsageHash(absl::string_view record_bytes);

// "" when none stands there. A name that stays the same for the same user, and tells nothing else.
std::string HashedName(absl::string_view names_key, absl::string_view name);

// Goes along a chain, record by record, and finds where it was tampered with.
class UsageVerifier {
 public:
  // DATA_LOSS: this record does not follow the one before; one line that names its number. The next
  // call goes on from this record.
  absl::Status Add(absl::string_view record_bytes);
  // After the last one, when it should be the end of `chain`.
  absl::Status End(const v1::UsageChain& chain) const;
  // Records begin anew at any number: what lies between is not here.
  void Skip() { hash_.clear(); }

  uint64_t count() const { return count_; }
  uint64_t first() const { return first_; }
  uint64_t last() const { return last_; }
  // SHA-256 of the last one added.
  const std::string& hash() const { return hash_; }

 private:
  uint64_t count_ = 0;
  uint64_t first_ = 0;
  uint64_t last_ = 0;
  std::string hash_;  // "": nothing to compare with yet
};

}  // namespace triad::license
