// Who may use which pool, and how much of it: the vendors' options files, worked out per pool
// (flexnet-facts 2).
//
// Pure and deterministic: a function of the files and the pools. Made once per license set, so that
// an answer costs the same however many option lines and features there are.
//
// What it is not: it counts nothing. What is held, and who waits, the ledger knows.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/denial.h"
#include "license/diagnostic.h"
#include "license/license_file.h"
#include "license/options_file.h"

namespace triad::license {

struct Pool;
struct NamedBytes;

// TIMEOUT below this is raised to it (the field's vendors ask for 900 s to 4 h): a shorter one
// would take licenses from people who think.
inline constexpr uint64_t kTimeoutSecondsMin = 900;

// Whom a decision is about: who the application says it is, and the address that its node sees.
struct Who {
  absl::string_view user;
  absl::string_view host;
  absl::string_view display;
  absl::string_view address;
  absl::string_view project;
};

// The names in a vendor's options file that stand for someone, as numbers; ascending. They hold for
// the policy that gave them.
using Subjects = std::vector<uint32_t>;

// One MAX that holds for someone. Licenses of a feature count together where `rule` and `subject`
// are equal: those of one user, of a whole group, ...; whichever of the feature's pools they are
// of.
struct MaxLimit {
  struct Key {
    uint32_t rule = 0;
    std::string subject;
    auto operator<=>(const Key&) const = default;
  };
  Key key;
  uint64_t limit = 0;
  std::string text;  // "MAX 2 for USER ann"
};

// Licenses of a pool that are set aside.
struct Reservation {
  uint32_t line = 0;  // in order of the file; several of one line are in several pools
  uint64_t count = 0;
  SubjectType type = SubjectType::kUser;
  std::string name;
  uint32_t subject = 0;  // whom it is for are those in whose Subjects it is
};

class Policy {
 public:
  // What the options allow in the way of borrowing.
  struct Borrowing {
    uint64_t lowwater = 0;              // so many licenses may not be borrowed
    std::optional<uint64_t> hours_max;  // lowers the line's BORROW
  };

  Policy();
  ~Policy();
  Policy(Policy&&) noexcept;
  Policy& operator=(Policy&&) noexcept;

  // Reads the options files; what is wrong with them, or without effect, goes to `diagnostics`.
  // `pools` are in grant order, and stay where they are as long as the policy is used.
  static Policy Build(const std::vector<NamedBytes>& option_files, const std::vector<Pool>& pools,
                      Diagnostics& diagnostics);

  // The rest is asked with these: the names of the options file of the pool's vendor.
  Subjects SubjectsOf(const Pool& pool, const Who& who) const;
  // Whether a name of the given type stands for `who`, groups as in the vendor's options file: for
  // reservations at run time.
  bool Names(absl::string_view vendor, SubjectType type, absl::string_view name,
             const Who& who) const;
  // Whether the vendor's options file has such a GROUP or HOST_GROUP.
  bool HasGroup(absl::string_view vendor, SubjectType type, absl::string_view name) const;

  // -38 on an EXCLUDE list, -39 not on the INCLUDE list, -84 a USER_BASED or HOST_BASED pool
  // without its names (then for everyone); nullopt: they may.
  std::optional<DenialCode> Bars(const Pool& pool, const Subjects& subjects) const;
  // Why the pool is closed to everyone, for messages; "": it is not.
  absl::string_view ClosedBecause(const Pool& pool) const;
  // As Bars, of INCLUDE_BORROW and EXCLUDE_BORROW alone.
  std::optional<DenialCode> BarsBorrowing(const Pool& pool, const Subjects& subjects) const;
  // No two with the same key.
  std::vector<MaxLimit> LimitsOf(const Pool& pool, const Who& who, const Subjects& subjects) const;
  bool HasLimits(const Pool& pool) const;

  // All reservations as they stand on one day, by pool: in file order, each out of the feature's
  // pools in grant order, as many as there are licenses. Made anew when the day changes.
  std::map<uint64_t, std::vector<Reservation>> ReservationsOn(Day day) const;

  // LINGER, in seconds: so long a license stays out after its check-in, or as the line's own LINGER
  // says, whichever is longer. 0: the options say nothing.
  uint64_t LingerSeconds(const Pool& pool) const;
  // Idle for so long, a license is reclaimed; 0: never.
  uint64_t TimeoutSeconds(const Pool& pool) const;
  // Licenses beyond those of the lines: the lines' OVERDRAFT, lowered to this; nullopt: as it is.
  std::optional<uint64_t> OverdraftMax(const Pool& pool) const;
  Borrowing BorrowingOf(const Pool& pool) const;

  // Of the vendors that have an options file.
  const std::map<std::string, OptionSettings, std::less<>>& settings() const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace triad::license
