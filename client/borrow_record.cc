#include "client/borrow_record.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/grant_check.h"
#include "client/limits.h"
#include "license/digest.h"
#include "license/license_file.h"

namespace triad::client {
namespace {

constexpr absl::string_view kTitle = "triad borrowed license 1";
constexpr absl::string_view kChecksum = "checksum ";

// Names are C-escaped: a line is a line whatever stands in them.
void Add(std::string* text, absl::string_view name, absl::string_view value) {
  absl::StrAppend(text, name, " ", absl::CEscape(value), "\n");
}

bool Number(const std::map<std::string, std::string>& fields, const std::string& name,
            int64_t* value) {
  auto it = fields.find(name);
  return it != fields.end() && absl::SimpleAtoi(it->second, value) && *value >= 0;
}

v1::Holding AsHolding(const BorrowRecord& record) {
  v1::Holding holding;
  holding.set_feature(record.license.feature);
  holding.set_version(record.license.version);
  holding.set_count(record.license.count);
  holding.set_pool(record.pool.pool());
  return holding;
}

}  // namespace

std::string FormatRecord(const BorrowRecord& record) {
  std::string text = absl::StrCat(kTitle, "\n");
  Add(&text, "feature", record.license.feature);
  Add(&text, "version", record.license.version);
  Add(&text, "vendor", record.license.vendor);
  Add(&text, "count", absl::StrCat(record.license.count));
  Add(&text, "handle", absl::StrCat(record.license.handle));
  Add(&text, "until_ms", absl::StrCat(record.license.until_ms));
  Add(&text, "borrowed_ms", absl::StrCat(record.borrowed_ms));
  Add(&text, "user", record.license.user);
  Add(&text, "host", record.license.host);
  Add(&text, "machine", record.machine);
  Add(&text, "servers", record.servers);
  Add(&text, "pool", absl::BytesToHexString(record.pool.SerializeAsString()));
  return absl::StrCat(text, kChecksum, license::Sha256Hex(text), "\n");
}

absl::StatusOr<BorrowRecord> ParseRecord(absl::string_view text) {
  const size_t end = text.rfind(kChecksum);
  if (!absl::StartsWith(text, kTitle) || end == absl::string_view::npos) {
    return absl::InvalidArgumentError("not a borrowed license");
  }
  const absl::string_view body = text.substr(0, end);
  if (text.substr(end) != absl::StrCat(kChecksum, license::Sha256Hex(body), "\n")) {
    return absl::InvalidArgumentError("damaged: its checksum is wrong");
  }
  std::map<std::string, std::string> fields;
  for (absl::string_view line : absl::StrSplit(body, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    std::string value;
    if (!absl::CUnescape(field.second, &value)) {
      return absl::InvalidArgumentError("damaged: an unreadable line");
    }
    fields[std::string(field.first)] = std::move(value);
  }
  BorrowRecord record;
  int64_t count = 0;
  int64_t handle = 0;
  if (!Number(fields, "count", &count) || !Number(fields, "handle", &handle) ||
      !Number(fields, "until_ms", &record.license.until_ms) ||
      !Number(fields, "borrowed_ms", &record.borrowed_ms) || count == 0 ||
      !record.pool.ParseFromString(absl::HexStringToBytes(fields["pool"]))) {
    return absl::InvalidArgumentError("damaged: a number or the signed lines are missing");
  }
  record.license.feature = fields["feature"];
  record.license.version = fields["version"];
  record.license.vendor = fields["vendor"];
  record.license.count = static_cast<uint64_t>(count);
  record.license.handle = static_cast<uint64_t>(handle);
  record.license.user = fields["user"];
  record.license.host = fields["host"];
  record.machine = fields["machine"];
  record.servers = fields["servers"];
  return record;
}

absl::Status CheckRecord(const BorrowRecord& record, const Borrower& here, int64_t now_ms,
                         const license::VendorKeys& keys) {
  if (record.license.user != here.user) {
    return absl::PermissionDeniedError(absl::StrCat("borrowed by user ", record.license.user));
  }
  if (record.license.host != here.host || record.machine != here.machine) {
    return absl::PermissionDeniedError(
        absl::StrCat("borrowed to another machine, ", record.license.host));
  }
  if (now_ms >= record.license.until_ms) return absl::OutOfRangeError("the borrow has ended");
  if (now_ms < record.borrowed_ms - kBorrowClockBackMsMax) {
    return absl::OutOfRangeError("the clock was set back to before it was borrowed");
  }
  if (keys.empty()) return absl::OkStatus();
  const absl::StatusOr<PoolProof> proof = ProvePool(record.pool, keys);
  if (!proof.ok()) return proof.status();
  return CheckGrant(AsHolding(record), *proof);
}

bool Serves(const BorrowRecord& record, const CheckoutRequest& request) {
  if (record.license.feature != request.feature) return false;
  if (!license::IsVersion(request.version)) return true;
  return std::any_of(record.pool.lines().begin(), record.pool.lines().end(), [&](const auto& wire) {
    const std::optional<SignedLine> line = ParseCanonical(wire.canonical());
    return line.has_value() && license::CompareVersions(request.version, line->version) <= 0;
  });
}

}  // namespace triad::client
