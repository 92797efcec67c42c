#include "client/error_text.h"

#include <algorithm>
#include <iterator>

#include "triad/triad.h"

namespace triad::client {
namespace {

struct Row {
  int number;
  const char* text;
};

// Falling numbers.
constexpr Row kRows[] = {
    {0, "no error"},
    {-1, "license file not found"},
    {-2, "syntax error in the license file"},
    {-3, "no license server for this feature"},
    {-4, "all licenses in use"},
    {-5, "no such feature exists"},
    {-6, "no port in the license file"},
    {-7, "no socket to the license server"},
    {-8, "bad signature"},
    {-9, "license is locked to another host"},
    {-10, "license has expired"},
    {-11, "bad date"},
    {-12, "bad reply from the license server"},
    {-13, "no SERVER lines in the license file"},
    {-14, "host of the license server not found"},
    {-15, "cannot connect to the license server"},
    {-16, "cannot read from the license server"},
    {-17, "cannot write to the license server"},
    {-18, "license server does not support this feature"},
    {-19, "waiting for the license server failed"},
    {-21, "version not supported by the license file"},
    {-22, "feature check failed at the license server"},
    {-23, "license server is busy"},
    {-24, "users are queued for this feature"},
    {-25, "version not supported by the server"},
    {-26, "asked for more licenses than exist"},
    {-29, "no network card found"},
    {-30, "cannot read the license file"},
    {-31, "license's start date is in the future"},
    {-32, "no such attribute"},
    {-33, "bad handshake with the license server"},
    {-34, "clock differs too much from the license server's"},
    {-35, "in the queue"},
    {-36, "feature database is damaged"},
    {-37, "duplicate grouping differs"},
    {-38, "user or host is on the EXCLUDE list"},
    {-39, "user or host is not on the INCLUDE list"},
    {-40, "out of memory"},
    {-41, "license was never checked out"},
    {-42, "wrong use: bad parameter or handle"},
    {-47, "clock cannot be checked"},
    {-52, "vendor daemon did not answer in time"},
    {-53, "refused by the vendor's filter"},
    {-57, "no socket"},
    {-59, "bad checksum of a message to the client"},
    {-60, "bad checksum of a message to the server"},
    {-61, "cannot read license data from the server"},
    {-62, "no TCP/IP"},
    {-63, "not a license administrator"},
    {-64, "removed too soon after the checkout"},
    {-67, "no licenses to borrow"},
    {-68, "borrowing is not enabled for this feature"},
    {-71, "bad time zone"},
    {-73, "refused by the local filter"},
    {-77, "bad version number"},
    {-82, "bad PACKAGE line"},
    {-83, "client is newer than the license server"},
    {-84, "feature is for named users or hosts, and the options file names none"},
    {-85, "request is not supported by the license server"},
    {-87, "more than the limit (MAX, or 9999 of one client)"},
    {-88, "clock was set back"},
    {-89, "platform is not licensed"},
    {-90, "unknown word or later format in the license file"},
    {-92, "license server's host id is wrong, or the feature was removed"},
    {-93, "licenses are available in a different license pool"},
    {-95, "this_host is not this host"},
    {-96, "license server is down or does not answer"},
    {-97, "vendor daemon is down"},
    {-100, "a lingering or borrowed license cannot be removed"},
    {-101, "all licenses are reserved for others"},
    {-103, "license does not permit terminal server clients"},
    {-104, "licenses may not be borrowed that long"},
    {-106, "license server is out of connections"},
    {-114, "SIGN is missing"},
    {-115, "vendor's public key is wrong"},
    {-117, "borrowing failed"},
    {-118, "borrowing is over"},
    {-119, "tool must run on the license server's host"},
    {-120, "licenses are borrowed"},
    {-122, "early return of a borrowed license failed"},
    {TRIAD_E_INSECURE, "connection beyond this machine is not encrypted"},
    {TRIAD_E_NO_QUORUM, "license servers have no quorum"},
    {TRIAD_E_OVERLOADED, "license servers are overloaded: try again later"},
    {TRIAD_E_TIMED_OUT, "no answer in time"},
    {TRIAD_E_LOST, "license was freed by the license server"},
};

}  // namespace

const char* ErrorText(int number) {
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows),
                                [number](const Row& each) { return each.number == number; });
  return row == std::end(kRows) ? "unknown error" : row->text;
}

int ErrorNumber(const Status& status) {
  if (status.ok()) return 0;
  if (status.code != 0 && status.kind != ErrorKind::kLost) return status.code;
  switch (status.kind) {
    case ErrorKind::kInsecure:
      return TRIAD_E_INSECURE;
    case ErrorKind::kNoQuorum:
      return TRIAD_E_NO_QUORUM;
    case ErrorKind::kOverloaded:
      return TRIAD_E_OVERLOADED;
    case ErrorKind::kTimedOut:
      return TRIAD_E_TIMED_OUT;
    case ErrorKind::kLost:
      return TRIAD_E_LOST;
    default:
      return TRIAD_E_USAGE;
  }
}

}  // namespace triad::client
