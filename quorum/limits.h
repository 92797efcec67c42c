// Every limit of the log, with the arithmetic that chose it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triad::quorum {

// A command is a few hundred bytes; an install carries a whole license set. Above this Propose
// refuses.
inline constexpr size_t kEntryBytesMax = 4u << 20;
// One append message: big enough that a batch of 256 checkouts (about 50 KB) is never split, small
// enough that a heartbeat behind it waits well under a heartbeat interval on a 100 Mbit/s line (80
// ms per MB).
inline constexpr size_t kAppendBytesMax = 512u << 10;
inline constexpr size_t kAppendEntriesMax = 4096;
// In flight to one follower. At 30 ms round trip, 64 messages of 512 KB are 1 GB/s: never the limit
// on a LAN, and a bound on what a stuck follower costs.
inline constexpr size_t kInflightMessagesMax = 64;
inline constexpr size_t kInflightBytesMax = 8u << 20;
// Appended but not committed; when a majority is slow, proposals are refused above this.
inline constexpr size_t kUncommittedBytesMax = 32u << 20;
// What an entry costs beside its payload (term, index, kind, framing): a limit in bytes must also
// bound a flood of empty payloads.
inline constexpr size_t kEntryOverheadBytes = 48;
// Committed entries handed out by one TakeReady: after a restart a whole log may be waiting, and
// the caller must get back to its clock in between. At 1.5 us each (design: RocksDB, behind) 25 ms.
inline constexpr size_t kCommittedEntriesMax = 16384;
// Terms, indexes and rounds above this are malformed: at a million a second it takes 146,000
// years, and sums below it cannot overflow.
inline constexpr uint64_t kNumberMax = uint64_t{1} << 62;
// Reads waiting for one confirmation round.
inline constexpr size_t kReadsPendingMax = 65536;

static_assert(kAppendBytesMax <= kInflightBytesMax);
static_assert(kEntryBytesMax + kEntryOverheadBytes <= kInflightBytesMax,
              "a single large entry must fit into the window");
static_assert(kInflightBytesMax <= kUncommittedBytesMax);

}  // namespace triad::quorum
