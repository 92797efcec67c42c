// Every limit of the client library, with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triad::client {

// Servers of one cluster: one, or three (design 4).
inline constexpr size_t kServersMax = 3;
// Clusters in a search path. FlexNet's users have a handful; each costs three sockets.
inline constexpr size_t kClustersMax = 16;
// License files larger than this are not read; a large site's file is some 100 kB.
inline constexpr size_t kLicenseFileBytesMax = 3u << 20;
// *.lic files of one directory.
inline constexpr size_t kFilesPerDirectoryMax = 256;
// `@host` in the search path: FlexNet's range of ports.
inline constexpr int kFirstDefaultPort = 27000;
inline constexpr int kLastDefaultPort = 27009;

// Requests without an answer; as the ledger's kPendingPerSessionMax, half of it kept for check-ins.
inline constexpr size_t kRequestsMax = 512;
// How far seq may run ahead of acked: below the ledger's kPendingPerSessionMax, with a reserve.
inline constexpr uint64_t kSeqWindow = 1000;
// Events that wait for the application's callback; the oldest are dropped, the state stays right.
inline constexpr size_t kEventsMax = 4096;
// Lines that Client::Diagnostics keeps.
inline constexpr size_t kDiagnosticLinesMax = 256;
// The longest time for which a SeatPool's seat is taken: far beyond any agent's, and no sum
// overflows.
inline constexpr int64_t kSeatTimeMsMax = int64_t{10} * 366 * 24 * 3'600'000;
// Messages that wait for a stream; beyond it the stream is broken off and everything is sent anew.
inline constexpr size_t kSendQueueMax = 8192;
// Messages in one batch on the stream.
inline constexpr int kBatchMessagesMax = 256;
// A batch from a server; its answers to kRequestsMax requests fit.
inline constexpr int kReceiveBytesMax = 4 << 20;
// Pools whose signed lines were checked; more than a license set of 3 MB can hold lines.
inline constexpr size_t kPoolsMax = 65536;

// A request unanswered for this long goes to another node too (design 4, Failover).
inline constexpr int64_t kRetryMs = 250;
// The interval of further attempts doubles up to this.
inline constexpr int64_t kRetryMsMax = 2000;
// If all nodes that can be reached have no quorum, the caller hears of it after this long: longer
// than an election (300-600 ms, a split vote, a second round), shorter than the promised 2 s.
inline constexpr int64_t kNoQuorumMs = 1500;
// Pause before a request that was refused for want of a quorum goes to the same node again.
inline constexpr int64_t kNoQuorumRetryMs = 200;
// A node to which something was sent and that has not said anything for this long is left out of
// account; its connection is not given up before keepalive says so.
inline constexpr int64_t kSilentMs = 1000;
// Every connection that stands has been silent for this long: they may be dead without a sign, as
// behind a firewall that was restarted, and one of them is made anew after as long again at most
// (jittered; then doubling, up to the maximum), one at a time, and not where the session is.
// Servers that are slow for seconds so get one connection more from each application, not three,
// and spread.
inline constexpr int64_t kAllSilentMs = 2000;
inline constexpr int64_t kAllSilentMsMax = 16'000;
// A node that asked its clients to go elsewhere is the last choice for this long.
inline constexpr int64_t kAvoidMs = 10'000;
// The same for a failed server's connection: jittered, doubling.
inline constexpr int64_t kReconnectMsMin = 50;
inline constexpr int64_t kReconnectMsMax = 1000;
// The same while a connection and a spare one stand: a third is not urgent, and the hosts that are
// left have better things to do than to see thousands of applications try the dead one every
// second.
inline constexpr int kConnectionsEnough = 2;
inline constexpr int64_t kSpareReconnectMsMax = 8'000;
// The same for an entry of the search path that never was a license server of ours, while others
// are.
inline constexpr int64_t kStrangerReconnectMsMax = 30'000;
// A cluster that has not opened a session after this long is passed over if the search path names
// another; dead hosts in a search path cost no more (issue 5).
inline constexpr int64_t kNextClusterMs = 1000;
// Graceful end: how long Close waits for its answer.
inline constexpr int64_t kCloseMs = 1000;
// Asking again for lost licenses: jittered, doubling. Short at first, for a restarted cluster.
inline constexpr int64_t kRegrantMsMin = 200;
inline constexpr int64_t kRegrantMsMax = 10'000;
// What was taken from a session alone (lmremove) is asked for again after this: others, and those
// in the queue, come first.
inline constexpr int64_t kTakenMs = 10'000;
// A clock that stands this far before the moment of the borrow was set back: as FlexNet's -88, a
// day for time zones and batteries.
inline constexpr int64_t kBorrowClockBackMsMax = 24 * 3'600'000;
// Borrowed licenses that one user has on one machine; a directory with more is somebody's mistake.
inline constexpr size_t kBorrowRecordsMax = 256;
// Heartbeats are this far apart at least; ttl/6 otherwise.
inline constexpr int64_t kHeartbeatMsMin = 1000;
// Heartbeats without an acknowledgement that are remembered: half a time to live holds three.
inline constexpr size_t kHeartbeatsMax = 64;
// The safety distance between our count of the time to live and the server's: ttl/10, at least
// this (but never more than a quarter of a very short one).
inline constexpr int64_t kMarginMsMin = 500;

// gRPC's channels (quorum-notes E.4). A connection that is cut silently is noticed after the sum of
// the first two; requests go elsewhere long before, and so do heartbeats; if all are cut, see
// kAllSilentMs. Not shorter: a machine
// that is busy for some seconds would lose good connections, and be busier with new ones.
inline constexpr int kKeepaliveMs = 30'000;
inline constexpr int kKeepaliveTimeoutMs = 15'000;
inline constexpr int kChannelBackoffMs = 100;
inline constexpr int kChannelConnectMs = 1'000;
// Not the same as kChannelConnectMs: gRPC bug 33593.
inline constexpr int kChannelBackoffMsMax = 1'200;
// After a failed connection, whether certificates are others by now: no oftener than this.
inline constexpr int64_t kLookForTrustMs = 5'000;
// The loop's clock stands still during suspend, the time to live does not: it looks this often.
inline constexpr int64_t kWakeMsMax = 5'000;

}  // namespace triad::client
