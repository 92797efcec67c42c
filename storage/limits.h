// Every limit of the storage, with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triad::storage {

// Three pages of header and one of records; smaller settings (the simulator's) are raised to this.
inline constexpr uint64_t kSegmentBytesMin = 16u << 10;
// quorum allows entries of 4 MB; a length above this in a record header is damage, not a length.
inline constexpr size_t kPayloadBytesMax = 64u << 20;
// How much of the next segment one Idle(), or one Append() when no pause did it, zero-fills and
// syncs: 2 ms on a disk of 500 MB/s, 20 ms on one of 50 MB/s, where a whole segment of 16 MB would
// take longer than an election timeout (300 ms).
inline constexpr uint64_t kSpareStepBytes = 1u << 20;
// A batch buffer that grew above this is given back after use.
inline constexpr size_t kBufferKeepBytes = 4u << 20;
// An identity has eight lines of at most 80 characters.
inline constexpr size_t kIdentityBytesMax = 4096;
// RocksDB: the ledger is tens of MB and is in memory as well; 16 MB of writes between two flushes.
inline constexpr size_t kLedgerWriteBufferBytes = 16u << 20;
inline constexpr size_t kLedgerBlockCacheBytes = 8u << 20;
inline constexpr int kLedgerBackgroundJobs = 2;
inline constexpr int kLedgerOpenFilesMax = 256;
inline constexpr size_t kLedgerInfoLogsMax = 2;
inline constexpr size_t kLedgerInfoLogBytesMax = 1u << 20;

// Ranges of usage records that a store lacks: each jump to a snapshot makes one, and it is filled
// soon.
inline constexpr size_t kUsageGapsMax = 64;

}  // namespace triad::storage
