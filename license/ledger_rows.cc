#include "license/ledger_rows.h"

namespace triad::license {
namespace {

constexpr size_t kNumberBytes = 8;

void AppendNumber(uint64_t number, std::string& bytes) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(number >> shift & 0xff));
  }
}

uint64_t ReadNumber(absl::string_view bytes) {
  uint64_t number = 0;
  for (char byte : bytes.substr(0, kNumberBytes)) {
    number = number << 8 | static_cast<uint8_t>(byte);
  }
  return number;
}

bool NamesSession(RowKey::Kind kind) {
  return kind == RowKey::Kind::kSession || kind == RowKey::Kind::kResult;
}

bool NamesNumber(RowKey::Kind kind) {
  switch (kind) {
    case RowKey::Kind::kReservation:
    case RowKey::Kind::kResult:
    case RowKey::Kind::kCheckout:
    case RowKey::Kind::kViolation:
    case RowKey::Kind::kWaiting:
      return true;
    case RowKey::Kind::kHead:
    case RowKey::Kind::kLicenseSet:
    case RowKey::Kind::kMembers:
    case RowKey::Kind::kSession:
      return false;
  }
  return false;
}

}  // namespace

std::optional<SessionId> ToSessionId(absl::string_view bytes) {
  if (bytes.size() != kSessionIdBytes) return std::nullopt;
  return SessionId{ReadNumber(bytes), ReadNumber(bytes.substr(kNumberBytes))};
}

std::string ToBytes(const SessionId& id) {
  std::string bytes;
  AppendNumber(id.high, bytes);
  AppendNumber(id.low, bytes);
  return bytes;
}

std::string EncodeRowKey(const RowKey& row) {
  std::string key(1, static_cast<char>(row.kind));
  if (NamesSession(row.kind)) key += ToBytes(row.session);
  if (NamesNumber(row.kind)) AppendNumber(row.number, key);
  return key;
}

std::optional<RowKey> DecodeRowKey(absl::string_view key) {
  if (key.empty()) return std::nullopt;
  RowKey row;
  row.kind = static_cast<RowKey::Kind>(key[0]);
  switch (row.kind) {
    case RowKey::Kind::kHead:
    case RowKey::Kind::kLicenseSet:
    case RowKey::Kind::kMembers:
    case RowKey::Kind::kReservation:
    case RowKey::Kind::kSession:
    case RowKey::Kind::kResult:
    case RowKey::Kind::kCheckout:
    case RowKey::Kind::kViolation:
    case RowKey::Kind::kWaiting:
      break;
    default:
      return std::nullopt;
  }
  key.remove_prefix(1);
  if (NamesSession(row.kind)) {
    std::optional<SessionId> session = ToSessionId(key.substr(0, kSessionIdBytes));
    if (!session) return std::nullopt;
    row.session = *session;
    key.remove_prefix(kSessionIdBytes);
  }
  if (NamesNumber(row.kind)) {
    if (key.size() < kNumberBytes) return std::nullopt;
    row.number = ReadNumber(key);
    key.remove_prefix(kNumberBytes);
  }
  if (!key.empty()) return std::nullopt;
  return row;
}

void ChangedRows::Removed(const RowKey& row) {
  auto [entry, fresh] = stored_.try_emplace(row, true);
  if (!fresh && !entry->second) stored_.erase(entry);
}

void RowHash::Add(absl::string_view bytes) {
  for (uint64_t size = bytes.size(), i = 0; i < 8; ++i) AddByte(size >> (8 * i) & 0xff);
  for (char byte : bytes) AddByte(static_cast<uint8_t>(byte));
}

}  // namespace triad::license
