// The numbers of the log as types of their own, so that an index cannot be passed where a term is
// meant, and the entry that both the core and the storage speak of.
//
// Plain values: no invariants beyond the type, safe to copy between threads.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace triad::quorum {

// A 64-bit count with a meaning. Arithmetic only where it means something: an index plus a distance
// is an index, the difference of two is a distance.
template <typename Tag>
class Number {
 public:
  constexpr Number() = default;
  constexpr explicit Number(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }
  constexpr auto operator<=>(const Number&) const = default;
  constexpr Number operator+(uint64_t n) const { return Number(value_ + n); }
  constexpr Number operator-(uint64_t n) const { return Number(value_ - n); }
  constexpr uint64_t operator-(Number other) const { return value_ - other.value_; }
  constexpr Number& operator++() {
    ++value_;
    return *this;
  }

 private:
  uint64_t value_ = 0;
};

using Term = Number<struct TermTag>;    // 0: before the first election
using Index = Number<struct IndexTag>;  // 0: before the first entry; the first entry is 1
using Round =
    Number<struct RoundTag>;  // a leadership confirmation asked of the others; grows within a term

// One of the three SERVER lines, in file order: 1, 2, 3.
enum class Slot : uint8_t { kNone = 0, k1 = 1, k2 = 2, k3 = 3 };
inline constexpr int kSlotsMax = 3;
constexpr int ToInt(Slot slot) {
  return static_cast<int>(slot);
}

enum class EntryKind : uint8_t {
  kNoop = 0,     // the start of a term; no payload
  kCommand = 1,  // a LogRecord for the ledger
  kMembers = 2,  // a new incarnation takes over a slot
};

// Entries are immutable once made; the payload is shared between the log, the disk and the streams
// to the others.
struct Entry {
  Term term;
  Index index;
  EntryKind kind = EntryKind::kNoop;
  std::shared_ptr<const std::string> payload;  // never null; empty for a no-op

  size_t bytes() const { return payload->size(); }
};

// What must survive a crash beside the entries. Written before any message of `term` leaves.
struct HardState {
  Term term;
  Slot voted_for = Slot::kNone;
  bool operator==(const HardState&) const = default;
};

}  // namespace triad::quorum
