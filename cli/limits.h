// Every limit of the tools, with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triad::cli {

// A node that runs answers in a millisecond; one that hangs must not make `triad status` hang.
inline constexpr int64_t kStatusTimeoutMs = 1'000;
// Nobody waits longer for a monitor's line, whatever FLEXLM_TIMEOUT says.
inline constexpr int64_t kStatusTimeoutMsMax = 60'000;
// The same for tools that are to change something: to give up on a machine that is only busy would
// be worse than to wait.
inline constexpr int64_t kActAskMs = 3'000;
// What listens where no node answered: ours would have shown itself in a round trip.
inline constexpr int64_t kForeignTimeoutMs = 500;
// A node refuses a read without a quorum after 1.9 s; its reason is worth waiting for.
inline constexpr int64_t kUsageTimeoutMs = 3'000;
// 10,000 sessions with ten checkouts each, some 200 bytes apiece, are 20 MB.
inline constexpr int kAnswerBytesMax = 256 << 20;
// An election is over in well under a second; a lead that is asked for takes one round.
inline constexpr int64_t kTransferTimeoutMs = 5'000;
inline constexpr int64_t kTransferPollMs = 50;
// A change: the node reads files of up to 3 MB, asks another for its own, reads, proposes.
inline constexpr int64_t kChangeTimeoutMs = 15'000;

// While leaders change, so long passes before it is asked again.
inline constexpr int64_t kActAgainMs = 200;
// And so often: a node that has no answer itself waits for one for seconds.
inline constexpr int kActTriesMax = 6;
// Of an administrator's command; a node takes no other length.
inline constexpr size_t kAdminIdBytes = 16;
// A node that was told to stop hands over the lead first, and ends within 2 s.
inline constexpr int64_t kStopWaitMs = 10'000;

// --watch: as often as top(1) does, nearly; what is looked at costs the leader a read.
inline constexpr int64_t kWatchMs = 2'000;
inline constexpr int64_t kWatchMsMin = 100;
// `triad denials` without --from: since yesterday, at this hour; and no more than a person reads.
inline constexpr int64_t kDenialsMs = 24LL * 3'600 * 1'000;
inline constexpr size_t kDenialsMax = 10'000;

// License files as the server takes them (license/limits.h), with room to say that they are larger.
inline constexpr size_t kFileBytesMax = 16u << 20;
inline constexpr size_t kKeyFilesMax = 1'024;

}  // namespace triad::cli
