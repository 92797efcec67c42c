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
    case DenialCode::kAllReserved:
      return "all licenses are reserved for others";
    case DenialCode::kTooManyConnections:
      return "license server is out of network connections";
  }
  return "unknown reason";
}

}  // namespace triad::license
