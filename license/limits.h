// Every limit of the domain, with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triad::license {

// Genesys: one client may not check out more than 9999 licenses of a feature (all its checkouts
// together).
inline constexpr uint64_t kLicensesPerSessionMax = 9999;
// One application process; 100 times FlexNet's advised 10,000 connections would not fit a site.
// 200,000 sessions of about 600 bytes are 120 MB.
inline constexpr size_t kSessionsMax = 200'000;
// Requests of one session without an acknowledged answer; bounds the kept results.
inline constexpr uint64_t kPendingPerSessionMax = 1024;
inline constexpr size_t kItemsPerCheckoutMax = 64;
inline constexpr size_t kCheckoutsPerSessionMax = 10'000;
inline constexpr size_t kCheckoutsMax = 4'000'000;
// Checkouts in the queues: at a site that is short of licenses people wait by the hundred.
inline constexpr size_t kWaitingMax = 20'000;
inline constexpr size_t kWaitingPerSessionMax = 100;
// Licenses set aside at run time: each costs every decision about its pool.
inline constexpr size_t kReservationsMax = 1'000;
// Identity fields and names as clients state them; longer is refused, never cut.
inline constexpr size_t kNameBytesMax = 256;
inline constexpr size_t kHostIdsMax = 16;
// Files of a license set together; must fit one log entry (quorum/limits.h).
inline constexpr size_t kLicenseSetBytesMax = 3u << 20;
// Complaints kept of one set of files: a wrong file of 3 MB would otherwise yield more text than it
// has itself.
inline constexpr size_t kDiagnosticsMax = 1000;
// Words of one logical line; real lines have under 50. A line itself may have any length.
inline constexpr size_t kWordsPerLineMax = 4096;
// HOSTID="a b c": sites lock a line to a list of machines, seldom to more than 100.
inline constexpr size_t kHostIdsPerLineMax = 1000;
// Licenses of one line. Keeps sums over all lines of a set far from 2^64.
inline constexpr uint64_t kLicensesPerLineMax = 1'000'000'000;
// FlexNet's hours for a BORROW without a value, and ten years: beyond every loan.
inline constexpr uint32_t kBorrowHoursDefault = 168;
inline constexpr uint32_t kBorrowHoursMax = 87'660;
// Ten years; more is a mistyped number.
inline constexpr uint64_t kLingerSecondsMax = 315'576'000;
// Components of one PACKAGE: real suites have under 200.
inline constexpr size_t kComponentsPerPackageMax = 2000;
// Memory for all components of all packages times the lines that enable them, about: a file of 3 MB
// could otherwise stand for billions of lines.
inline constexpr size_t kComponentBytesMax = 64u << 20;
inline constexpr size_t kComponentOverhead = 512;
inline constexpr uint32_t kTtlMsMin = 1'000;
inline constexpr uint32_t kTtlMsMax = 24u * 3600 * 1000;
// What administrators did last, kept so that a command sent again is done once: far more than can
// be under way while leaders change.
inline constexpr int kAdminResultsMax = 32;
// Handles begin here: lmstat's readers expect small positive numbers, and 0 means none.
inline constexpr uint64_t kFirstHandle = 101;
// A node on other hardware than was licensed counts for so long (design 3): time to get a file for
// the new machine from the vendor.
inline constexpr int64_t kWaiverMs = 30LL * 24 * 3'600 * 1'000;
// After `triadd recover --accept-loss` so many handles are left out: more than the lost end of the
// log, or all that came after an old backup, can have given away.
inline constexpr uint64_t kHandlesLostMax = 1'000'000'000;

// Memory in which a message is made or read that is forgotten at once (scratch.h). A usage record
// with its 18 strings takes 1,300 bytes, an entry of the log less; a larger one takes more from the
// heap.
inline constexpr size_t kScratchBytes = 4u << 10;

}  // namespace triad::license
