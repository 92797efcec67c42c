// Every limit of the tools, with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triad::cli {

// A node that runs answers in a millisecond; one that hangs must not make `triad status` hang.
inline constexpr int64_t kStatusTimeoutMs = 1'000;
// A node refuses a read without a quorum after 1.9 s; its reason is worth waiting for.
inline constexpr int64_t kUsageTimeoutMs = 3'000;
// 10,000 sessions with ten checkouts each, some 200 bytes apiece, are 20 MB.
inline constexpr int kAnswerBytesMax = 256 << 20;
// An election is over in well under a second; a lead that is asked for takes one round.
inline constexpr int64_t kTransferTimeoutMs = 5'000;
inline constexpr int64_t kTransferPollMs = 50;
// A change: the node reads files of up to 3 MB, asks another for its own, reads, proposes.
inline constexpr int64_t kChangeTimeoutMs = 15'000;

// License files as the server takes them (license/limits.h), with room to say that they are larger.
inline constexpr size_t kFileBytesMax = 16u << 20;
inline constexpr size_t kKeyFilesMax = 1'024;

}  // namespace triad::cli
