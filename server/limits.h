// Every limit of the daemon, with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

#include "license/limits.h"
#include "quorum/limits.h"

namespace triad::server {

// Of `lmdown -all`: the node that was asked stops so much later, when its word to the others has
// left it.
inline constexpr int64_t kStopAfterOthersMs = 300;
// A drained node looks so often whether clients, or the lead, have come back.
inline constexpr int64_t kDrainAgainMs = 5'000;

// The unit of the core's time. Failover wants tens of milliseconds; 100 wake-ups a second cost
// nothing.
inline constexpr int64_t kTickMs = 10;
// After a pause the core gets at most this many ticks at once: enough for any timeout to run out,
// no more.
inline constexpr int64_t kCatchUpTicksMax = 100;

// Commands of this node's clients that wait for their outcome. 65,536 of about 300 bytes are 20 MB.
// New checkouts are refused above the first; everything that gives back or keeps alive goes through
// up to the second.
inline constexpr size_t kPendingCheckoutsMax = 49'152;
inline constexpr size_t kPendingCommandsMax = 65'536;
static_assert(kPendingCheckoutsMax < kPendingCommandsMax, "headroom for check-ins and heartbeats");

// One client message: a checkout of 64 items with 256-byte names is 34 KB.
inline constexpr size_t kClientMessageBytesMax = 64u << 10;
// One gRPC message, either way: must carry an append of one largest entry and its frame.
inline constexpr int kWireMessageBytesMax = 8 << 20;
static_assert(kWireMessageBytesMax > static_cast<int>(quorum::kEntryBytesMax + (64u << 10)));
static_assert(license::kLicenseSetBytesMax + (64u << 10) < quorum::kEntryBytesMax);

// One batch on a stream: small enough that one largest message more still fits the wire's limit,
// and that a heartbeat behind it does not wait.
inline constexpr size_t kBatchBytesMax = 1u << 20;
static_assert(kBatchBytesMax + quorum::kEntryBytesMax + quorum::kAppendBytesMax + (64u << 10) <
              static_cast<size_t>(kWireMessageBytesMax));
// Messages of a client in one batch; libtriad sends at most 256.
inline constexpr int kClientBatchMessagesMax = 4'096;

// Queued to one client connection; a reader slower than this is cut off (it resumes its sessions
// elsewhere).
inline constexpr size_t kClientQueueMessagesMax = 65'536;
// Queued to one peer; above it messages are dropped, which the core and the relay survive.
inline constexpr size_t kPeerQueueBytesMax = 32u << 20;
inline constexpr size_t kSessionsPerConnectionMax = 10'000;
inline constexpr size_t kConnectionsMax = 20'000;
// Remembered for the attaches that were under way on them when they were ended; each is over within
// seconds. A forgotten one costs its session the short grace: it ends by silence.
inline constexpr size_t kHungUpConnectionsMax = 20'000;

// A request waits this long for a leader before it is refused: longer than any election, and with
// the way back still under the two seconds in which a user must hear that there is no quorum.
inline constexpr int64_t kNoQuorumHoldMs = 1'200;
// The same while a majority is there and heard, and only has not elected anybody yet, on a machine
// that is busy: below what a client waits for any answer (5 s).
inline constexpr int64_t kElectionHoldMs = 3'000;
// Heard: nodes without a leader ask one another for their votes in every election timeout.
inline constexpr int64_t kHeardMs = 1'000;
// A request that was sent on its way but has no outcome: the client retries elsewhere long before.
inline constexpr int64_t kRequestTimeoutMs = 4'500;
// A relayed batch without an answer is sent again, perhaps to another leader; Apply does it once.
// Longer than a leader may hold it while slow disks finish their rounds; a broken link or another
// leader is noticed otherwise.
inline constexpr int64_t kRelayTimeoutMs = 1'500;
// After a refusal by the leader (it hands over, or is not ready yet) a follower waits this long.
inline constexpr int64_t kRelayPauseMs = 20;
// Relayed and not answered: bounds what one round trip carries.
inline constexpr size_t kRelayBatchesMax = 8;
// A leader holds so many of them until the next round begins; the rest it refuses.
inline constexpr size_t kRelaysHeldMax = 64;
// Operations of the network that the loop takes before it acts on them.
inline constexpr int kQueueEventsAtOnce = 256;
// Calls of tools, and of the other nodes, that are answered at a time, and that wait for it.
inline constexpr size_t kCallThreadsMax = 8;
inline constexpr size_t kCallsWaitingMax = 256;
// Health and reflection streams that are open at a time: monitors, and who looks around.
inline constexpr size_t kStandardCallsMax = 1'024;
inline constexpr int64_t kReadTimeoutMs = 1'900;
// Until a connection has to have said what it is: TLS and HTTP/2, over the slowest of networks. The
// default, 2 min, is for whoever wants to hold descriptors.
inline constexpr int kHandshakeTimeoutMs = 10'000;
// A connection without a call: tools come again, libtriad and the nodes always have a stream.
inline constexpr int kIdleConnectionMs = 300'000;
// Calls at a time of one connection: libtriad has one or two, a tool one, a node a link and its
// fetches. A program that shares one connection among its sessions has them all on one stream.
inline constexpr int kStreamsPerConnectionMax = 1'024;
// Connections that are not taken are told of this often.
inline constexpr int64_t kTellRefusedMs = 10'000;
// Strangers at the nodes' own service are told of this often; a scanner must not fill the log.
inline constexpr int64_t kTellStrangersSeconds = 10;
// Another node's license and options files: read from its disk and sent, 3 MB at most.
inline constexpr int64_t kFilesTimeoutMs = 4'000;
// Reads of tools and of the other nodes; heartbeat reports have room beyond it.
inline constexpr size_t kReadsMax = 2'048;
inline constexpr size_t kReadsAndReportsMax = 4'096;
inline constexpr size_t kRelayCommandsMax = 4'096;
inline constexpr size_t kRelayBytesMax = 1u << 20;

// Nodes report heartbeats to the leader this often: a client's beat is acknowledged within it.
inline constexpr int64_t kReportIntervalMs = 200;
inline constexpr size_t kReportSessionsMax = 20'000;
inline constexpr size_t kReportsPendingMax = 256;
// Expiries proposed at one time; the rest follow with the next tick.
inline constexpr size_t kExpiriesAtOnceMax = 1'000;

// A node that is not let in yet says hello again this often.
inline constexpr int64_t kHelloAgainMs = 500;
// One that asks to come back and has said nothing for some of these does not ask any more.
inline constexpr int64_t kNewcomerAsksMs = 4 * kHelloAgainMs;
// A stream that an old incarnation has left behind, silent for this long, is no sign of life: its
// host may have lost power. Longer than any election, shorter than an operator's patience.
inline constexpr int64_t kOldIncarnationSilentMs = 3'000;

// Ledger rows are written behind Apply this often, net: a license that was taken and given back in
// between leaves none. Longer would be fewer rows in all, but more at a time, and the loop makes
// them; and what is not written yet is applied again after a crash.
inline constexpr int64_t kLedgerWriteIntervalMs = 250;

// Holders that the loop tells a tool of at one time: about a millisecond. A site of this size is
// seen as it was at one moment.
inline constexpr size_t kUsageUsesAtOnceMax = 2'048;
// Usage records that wait for the ledger's disk: some ten thousand a second for ten seconds.
inline constexpr size_t kUsagePendingBytesMax = 32u << 20;
// From here on applying waits for that disk, but no longer than this at a time: it may hang.
inline constexpr size_t kUsageHoldBytes = kUsagePendingBytesMax / 2;
inline constexpr int64_t kUsageHoldMs = 2'000;
// Committed entries, and usage records that they make, in one turn of the loop: at some 7 us each a
// tenth of an election timeout. The next turn comes within kTickMs.
inline constexpr size_t kApplyAtOnceMax = 4'096;
// A leader that has so many times as many entries to apply appends no others.
inline constexpr size_t kApplyBehindMax = 4;
// One message of usage records to a tool or another node.
inline constexpr size_t kUsagePageBytes = 256u << 10;

// Lines and records that wait for the log files' disk.
inline constexpr size_t kLogQueueBytesMax = 16u << 20;
// FlexNet's processes state the date this often.
inline constexpr int64_t kTimestampIntervalMs = 6 * 3'600'000;

// Usage records that are missing are looked for, and a failed try repeated, this often.
inline constexpr int64_t kUsageFetchIntervalMs = 1'000;
// Twice as long with each failure, until this: what no node has will not be found.
inline constexpr int64_t kUsageFetchIntervalMsMax = 600'000;
inline constexpr int64_t kUsageFetchTimeoutMs = 10'000;

// Of some 200 bytes each; the largest ones, of 3 KB, still fit a message.
inline constexpr uint64_t kUsageChunkRecordsMax = 1'024;

// Old usage records are looked for this often: days are kept, so minutes do not matter.
inline constexpr int64_t kUsagePruneIntervalMs = 600'000;

// A snapshot's chunk: rows up to about this many bytes (one row may be a license set of 3 MB).
inline constexpr size_t kSnapshotChunkBytes = 256u << 10;
// As fast as is harmless: a fraction of what a disk and a link of 1 Gbit/s do, so that the log's
// writes and messages beside it are not late. A ledger of 1 GB takes a minute and a half.
inline constexpr uint64_t kSnapshotBytesPerSecond = 12u << 20;
// A chunk that has not come by then is asked for again; after some tries it begins anew.
inline constexpr int64_t kSnapshotAnswerMs = 2'000;
inline constexpr int64_t kSnapshotRetryMs = 100;
inline constexpr int kSnapshotTriesMax = 5;
// Chunks asked of this node and not read yet: each of the two others has one under way, and one
// more that it has given up; a backup has one.
inline constexpr size_t kSnapshotRequestsMax = 5;
// A view that nobody has read from for so long is closed; far above the retries.
inline constexpr int64_t kSnapshotViewIdleMs = 30'000;
// Entries kept in the log behind what is applied, for followers that were away: half an hour of a
// busy site. At twice as much the log is compacted.
inline constexpr uint64_t kLogKeepEntries = 100'000;
// The same in bytes: it is held in memory too.
inline constexpr uint64_t kLogKeepBytes = 64u << 20;
// Below this much free space a node says so, and two such nodes stop new checkouts: room for some
// compactions of the ledger, two segments of the log, and all that gives back.
inline constexpr int64_t kDiskFloorBytes = 256 << 20;
// A node that is short of space says so with every report; it counts for a few of them.
inline constexpr int64_t kLowSpaceHoldsMs = 5 * kReportIntervalMs;
// A disk that has not answered for so long is not waited for any more.
inline constexpr int64_t kDiskHangFatalMs = 10'000;
// Signs of life to the service manager in the time after which it would end the daemon: more than
// two, so that one that is late does no harm, and few, because each costs a sync.
inline constexpr int64_t kWatchdogRounds = 4;
// How often the service manager hears of counts; what changes the role it hears at once.
inline constexpr int64_t kServiceStatusMs = 1'000;
// Whether it serves is told so soon: it takes a look at all features.
inline constexpr int64_t kTellMs = 100;
// A node that has met no quorum for so long after its start counts as started all the same: well
// above an election, well below the unit's TimeoutStartSec.
inline constexpr int64_t kReadyWithoutQuorumMs = 15'000;
// With so many voters connected one may be lost.
inline constexpr int kVotersToLoseOne = 3;
// Administrators' commands that this node has proposed and that are not carried out yet.
inline constexpr size_t kAskedMax = 64;
// Nodes tell the leader what time they have this often; a reading counts for a few of them.
inline constexpr int64_t kClockReportMs = 1'000;
inline constexpr int64_t kClockHoldsMs = 5 * kClockReportMs;
// Further from the leader's clock than this is warned about (design 4): NTP keeps hosts within
// milliseconds.
inline constexpr int64_t kClockWarnMs = 5'000;
// A leader whose clock is this far off the two others hands over, if they agree to so much.
inline constexpr int64_t kClockMinutesOffMs = 2 * 60'000;
inline constexpr int64_t kClocksAgreeMs = 30'000;
// Not offered again before: a transfer takes an election at most.
inline constexpr int64_t kHandOverAgainMs = 10'000;
// Who holds licenses of one pool, as reread tells it: a site of thousands is not listed whole.
inline constexpr int kAffectedMax = 1'000;
// A node that asks to be let in says so twice a second; one not heard of for so long does not any
// more.
inline constexpr int64_t kRejoinForgottenMs = 2'000;
// Views of the ledger that are read: one for each of the two other nodes, one for whoever began
// anew while its old one is still open, and a backup's. Each keeps old rows from being cleaned up.
inline constexpr size_t kSnapshotViewsMax = 4;

// Of a single server whose SERVER line names none: the first of those that clients try with @host,
// and that lmgrd would take (flexnet-facts 1.2).
inline constexpr int kDefaultPort = 27'000;
// Threads that verify the lines of license files, and how many lines are worth one: 0.1 ms each.
inline constexpr size_t kReadersMax = 4;
inline constexpr size_t kPerReaderMin = 64;

// After an upgrade the way back to the program before stays open for so long, counted from when all
// three nodes have run the new one: time to see that it works.
inline constexpr int64_t kFinaliseAfterMs = 600'000;

inline constexpr uint32_t kRetryAfterMs = 200;
inline constexpr uint32_t kPeerProtocol = 1;

}  // namespace triad::server
