// FlexNet's error numbers and the words that go with them (flexnet-facts 5). Minor numbers are not
// used.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace triad::license {

enum class DenialCode : int32_t {
  kAllInUse = -4,
  kNoSuchFeature = -5,
  kBadSignature = -8,
  kHostIdMismatch = -9,
  kExpired = -10,
  kNoServerLines = -13,
  kCannotConnect = -15,
  kUsersQueued = -24,
  kVersionTooHigh = -25,  // the server does not support this version
  kMoreThanExist = -26,
  kStartInFuture = -31,
  kClockSkew = -34,
  kExcluded = -38,
  kNotIncluded = -39,
  kBadParameter = -42,
  kNoneToBorrow = -67,
  kNoBorrowing = -68,
  kBadVersion = -77,
  kNoNamedUsers = -84,  // USER_BASED or HOST_BASED, and the options file names none
  kNotAdministrator = -63,
  kMaxExceeded = -87,
  kClockSetBack = -88,
  kPlatform = -89,
  kOtherPool = -93,
  kServerDown = -96,
  kVendorDown = -97,
  kMayNotRemove = -100,
  kAllReserved = -101,  // for others
  kTerminalServer = -103,
  kBorrowTooLong = -104,
  kTooManyConnections = -106,
  kBorrowFailed = -117,
  kBorrowOver = -118,
  kBorrowedOut = -120,  // lmdown while licenses are borrowed
};

constexpr int32_t ToNumber(DenialCode code) {
  return static_cast<int32_t>(code);
}

// "all licenses in use", "no such feature exists", ...
absl::string_view DenialText(DenialCode code);

}  // namespace triad::license
