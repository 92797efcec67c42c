// Options files -> rules per pool, and every reason why a line has no effect.
//
// One half of policy.h, and for it alone: what the rules mean for someone, Policy says.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "license/catalog.h"
#include "license/options_file.h"
#include "license/policy.h"
#include "license/subjects.h"

namespace triad::license {

// One MAX line, as it holds for one feature: of a package each component counts by itself.
struct MaxRule {
  uint32_t number = 0;  // in file order, so that the lower one stands first
  uint64_t limit = 0;
  std::string text;
};

// The MAX lines with one feature spec. Each of these specs counts by itself.
struct MaxRules {
  std::map<uint32_t, MaxRule> named;  // by subject; of several the first
  std::optional<MaxRule> all_users;
  std::optional<MaxRule> all_groups;
};

// What holds for all pools of one vendor.
struct VendorRules {
  explicit VendorRules(OptionsFile read) : file(std::move(read)), index(file) {}
  OptionsFile file;
  SubjectIndex index;
  Subjects excluded_all;
  Subjects included_all;
  uint64_t timeout_all_s = 0;
};

struct PoolRules {
  const VendorRules* vendor = nullptr;  // nullptr: it has no options file
  std::string closed;                   // why, to everyone; "": it is not
  Subjects excluded;
  Subjects included;
  Subjects borrow_excluded;
  Subjects borrow_included;
  std::map<std::string, MaxRules> max;  // by feature spec, as text
  uint64_t linger_s = 0;
  std::optional<uint64_t> timeout_s;
  std::optional<uint64_t> overdraft_max;
  Policy::Borrowing borrowing;
};

struct ReserveRule {
  Reservation reservation;
  std::vector<const Pool*> pools;  // that it may be taken from, in grant order
};

struct PolicyRules {
  std::map<std::string, std::unique_ptr<VendorRules>, std::less<>> vendors;
  absl::btree_map<uint64_t, PoolRules> pools;  // by id; those that a rule is about
  std::vector<ReserveRule> reserves;           // in file order
  std::map<std::string, OptionSettings, std::less<>> settings;
};

PolicyRules MakeRules(const std::vector<NamedBytes>& option_files, const std::vector<Pool>& pools,
                      Diagnostics& diagnostics);

}  // namespace triad::license
