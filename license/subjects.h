// The names in one vendor's options file, numbered, and which of them stand for someone.
//
// Case counts, but for members of groups under GROUPCASEINSENSITIVE. A HOST is a host name, an
// address, or either with `*`; INTERNET is an address with `*`. Finding costs the same however many
// names there are; only host names with several `*` are looked at one by one.
//
// What it is not: it knows no options. That is policy.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/address.h"
#include "license/options_file.h"
#include "license/policy.h"

namespace triad::license {

// From addresses to the numbers of the patterns that they match.
class AddressIndex {
 public:
  void Add(const AddressPattern& pattern, uint32_t number);
  void Find(const AddressPattern& address, Subjects& out) const;

 private:
  using Parts = std::vector<uint32_t>;
  // Which parts are `*`, and the family -> the others -> numbers.
  std::map<std::pair<bool, uint32_t>, std::map<Parts, Subjects>> by_shape_;
};

// From hosts to the numbers of the patterns that they match.
class HostIndex {
 public:
  void Add(absl::string_view pattern, uint32_t number, bool lenient);
  void Find(absl::string_view host, absl::string_view address, bool lenient, Subjects& out) const;

 private:
  using ByName = std::map<std::string, Subjects, std::less<>>;
  void FindName(absl::string_view host, bool lenient, Subjects& out) const;

  ByName names_;
  ByName first_labels_;  // of names with a domain, for lenient matching
  AddressIndex addresses_;
  // Lengths of what is before and behind the one `*` -> both -> numbers.
  std::map<std::pair<size_t, size_t>, ByName> stars_;
  std::vector<std::pair<std::string, uint32_t>> globs_;  // with several `*`
};

class SubjectIndex {
 public:
  // Numbers the groups of `file` first, those without members too.
  explicit SubjectIndex(const OptionsFile& file);

  // The number of a name, the same for the same name. nullopt: a group that has no members or is
  // not defined.
  std::optional<uint32_t> Add(SubjectType type, absl::string_view name);
  // As Add, of names that are there.
  std::optional<uint32_t> Find(SubjectType type, absl::string_view name) const;

  Subjects Of(const Who& who) const;
  bool Names(SubjectType type, absl::string_view name, const Who& who) const;

  SubjectType type(uint32_t number) const { return subjects_[number].first; }
  const std::string& name(uint32_t number) const { return subjects_[number].second; }
  // Of a group; 0: it has none.
  size_t members(uint32_t number) const;

 private:
  using Key = std::pair<SubjectType, std::string>;
  using ByName = std::map<std::string, Subjects, std::less<>>;
  uint32_t Number(SubjectType type, absl::string_view name);

  bool fold_ = false;
  bool lenient_ = false;
  std::vector<Key> subjects_;
  std::map<Key, uint32_t> numbers_;
  std::map<uint32_t, size_t> members_;  // of groups
  ByName users_;
  ByName folded_users_;  // members of groups, in lower case
  ByName displays_;
  ByName projects_;
  HostIndex hosts_;
  HostIndex folded_hosts_;
  AddressIndex internet_;
};

}  // namespace triad::license
