// Names of the ledger's rows, and which of them have changed.
//
//   H                    LedgerHead
//   L                    InstallLicenses: the license set in force
//   M                    Members: the cluster's nodes, once they are others than at its birth
//   R <id>               ReservationRow: licenses set aside at run time
//   S <session>          SessionRow
//   T <session> <seq>    ResultRow: what a request was answered
//   U <handle>           CheckoutRow
//   V <pool>             ViolationRow: more is out than is licensed
//   W <ticket>           WaitingRow: a checkout in the queue
//
// One letter, then the session's 16 bytes and 8 bytes big-endian. The letters stand in the order in
// which rows are loaded: what a row refers to comes before it. Part of the disk format.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"

namespace triad::license {

inline constexpr size_t kSessionIdBytes = 16;
// A session's id as two numbers, big-endian: compares fast, and in the order of the bytes.
struct SessionId {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const SessionId&) const = default;
};

// nullopt: not 16 bytes.
std::optional<SessionId> ToSessionId(absl::string_view bytes);
std::string ToBytes(const SessionId& id);

struct RowKey {
  enum class Kind : uint8_t {
    kHead = 'H',
    kLicenseSet = 'L',
    kMembers = 'M',
    kReservation = 'R',
    kSession = 'S',
    kResult = 'T',
    kCheckout = 'U',
    kViolation = 'V',
    kWaiting = 'W',
  };
  Kind kind = Kind::kHead;
  SessionId session = {};
  uint64_t number = 0;  // seq, handle, id, pool or ticket
  // The order of the encoded keys.
  auto operator<=>(const RowKey&) const = default;
};

std::string EncodeRowKey(const RowKey& row);
// nullopt: no row of ours is named so.
std::optional<RowKey> DecodeRowKey(absl::string_view key);

// The rows that differ from the store's, net: a row that came and went leaves no trace.
class ChangedRows {
 public:
  // A row that was not there is there now.
  void Added(const RowKey& row) { stored_.try_emplace(row, false); }
  // A row that was there has another value.
  void Edited(const RowKey& row) { stored_.try_emplace(row, true); }
  // A row that was there is gone.
  void Removed(const RowKey& row);
  // The changed rows in key order.
  const absl::btree_map<RowKey, bool>& rows() const { return stored_; }
  void Clear() { stored_.clear(); }

 private:
  absl::btree_map<RowKey, bool> stored_;  // row -> whether the store has it, with an old value
};

// FNV-1a, 64 bits, over length-prefixed strings. For comparing nodes, not against an adversary.
class RowHash {
 public:
  void Add(absl::string_view bytes);
  uint64_t value() const { return value_; }

 private:
  void AddByte(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace triad::license
