#include "license/denial.h"

namespace triad::license {

absl::string_view DenialText(DenialCode code) {
  switch (code) {
    case DenialCode::kAllInUse:
      return "all licenses in use";
    case DenialCode::kNoSuchFeature:
      return "no such feature exists";
    case DenialCode::kBadSignature:
      return "bad signature";
    case DenialCode::kHostIdMismatch:
      return "license is locked to another host";
    case DenialCode::kExpired:
      return "license has expired";
    case DenialCode::kNoServerLines:
      return "no SERVER lines in the license file";
    case DenialCode::kCannotConnect:
      return "cannot connect to the license server";
    case DenialCode::kVersionTooHigh:
      return "version not supported by the server";
    case DenialCode::kMoreThanExist:
      return "asked for more licenses than exist";
    case DenialCode::kStartInFuture:
      return "license's start date is in the future";
    case DenialCode::kExcluded:
      return "user or host is on the EXCLUDE list";
    case DenialCode::kNotIncluded:
      return "user or host is not on the INCLUDE list";
    case DenialCode::kUsersQueued:
      return "users are queued for this feature";
    case DenialCode::kClockSkew:
      return "clock differs too much from the license server's";
    case DenialCode::kNoneToBorrow:
      return "no licenses to borrow";
    case DenialCode::kNoBorrowing:
      return "borrowing is not enabled for this feature";
    case DenialCode::kClockSetBack:
      return "clock was set back";
    case DenialCode::kPlatform:
      return "platform is not licensed";
    case DenialCode::kOtherPool:
      return "licenses are available in a different license pool";
    case DenialCode::kMayNotRemove:
      return "a lingering or borrowed license cannot be removed";
    case DenialCode::kTerminalServer:
      return "license does not permit terminal server clients";
    case DenialCode::kBorrowTooLong:
      return "licenses may not be borrowed that long";
    case DenialCode::kBorrowFailed:
      return "borrowing failed";
    case DenialCode::kBorrowOver:
      return "borrowing is over";
    case DenialCode::kBadParameter:
      return "bad parameter";
    case DenialCode::kBadVersion:
      return "bad version number";
    case DenialCode::kNoNamedUsers:
      return "feature is for named users or hosts, and the options file names none";
    case DenialCode::kMaxExceeded:
      return "exceeds the maximum";
    case DenialCode::kServerDown:
      return "license server is down or not responding";
    case DenialCode::kNotAdministrator:
      return "you are not a license administrator";
    case DenialCode::kVendorDown:
      return "the desired vendor daemon is down";
    case DenialCode::kBorrowedOut:
      return "licenses are borrowed";
    case DenialCode::kAllReserved:
      return "all licenses are reserved for others";
    case DenialCode::kTooManyConnections:
      return "license server is out of network connections";
  }
  return "unknown reason";
}

}  // namespace triad::license
