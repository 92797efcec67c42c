// A borrowed license as it is written down on the machine that it was taken to, and whether a
// record may be used here and now.
//
// What a record proves: that a vendor signed license lines for that feature, version and count (the
// lines stand in it and are checked with the keys compiled into the application), and that it was
// written for this user on this machine. What it cannot prove: that the servers granted it, and
// until when. They have no key that applications know, so whoever owns a genuine record can write
// a later end into it, or compute the record of another machine; docs/borrowing.md says what that
// means. The checksum finds damage, not forgery.
//
// Pure. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "license/signature.h"
#include "triad/client.h"
#include "triad/v1/license.pb.h"

namespace triad::client {

// Who may use a record.
struct Borrower {
  std::string user;
  std::string host;
  std::string machine;  // a hash of what tells this machine from others
};

struct BorrowRecord {
  BorrowedLicense license;  // without `record`
  std::string machine;
  std::string servers;      // of the cluster that lent it: its handles mean nothing to another
  int64_t borrowed_ms = 0;  // since 1970 UTC, by this machine's clock
  v1::PoolDescription pool;
};

std::string FormatRecord(const BorrowRecord& record);
// INVALID_ARGUMENT: damaged, or not a record.
absl::StatusOr<BorrowRecord> ParseRecord(absl::string_view text);

// `now_ms` since 1970 UTC. With `keys`, a signed line must cover it. PERMISSION_DENIED: not here,
// not for this user, or not signed; OUT_OF_RANGE: it has ended, or the clock was set back.
absl::Status CheckRecord(const BorrowRecord& record, const Borrower& here, int64_t now_ms,
                         const license::VendorKeys& keys);

// Whether it serves a checkout of this feature in this version.
bool Serves(const BorrowRecord& record, const CheckoutRequest& request);

}  // namespace triad::client
