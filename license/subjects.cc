#include "license/subjects.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace triad::license {
namespace {

using ByName = std::map<std::string, Subjects, std::less<>>;

void Append(const ByName& map, absl::string_view key, Subjects& out) {
  const auto it = map.find(key);
  if (it != map.end()) out.insert(out.end(), it->second.begin(), it->second.end());
}

absl::string_view FirstLabel(absl::string_view host) {
  return host.substr(0, host.find('.'));
}

// Whether `text` is `pattern`, in which `*` is any characters, or none. Time: their product at
// most.
bool GlobMatches(absl::string_view pattern, absl::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = absl::string_view::npos;  // the last one met, and where what it took ends
  size_t taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// A name cannot hold a NUL, so this tells the two apart.
std::string Ends(absl::string_view head, absl::string_view tail) {
  return absl::StrCat(head, absl::string_view("\0", 1), tail);
}

void SortOnce(Subjects& subjects) {
  std::sort(subjects.begin(), subjects.end());
  subjects.erase(std::unique(subjects.begin(), subjects.end()), subjects.end());
}

}  // namespace

void AddressIndex::Add(const AddressPattern& pattern, uint32_t number) {
  uint32_t any = 0;
  Parts parts;
  for (size_t i = 0; i < pattern.parts.size(); ++i) {
    if (!pattern.parts[i]) any |= 1u << i;
    parts.push_back(pattern.parts[i].value_or(0));
  }
  by_shape_[{pattern.v6, any}][parts].push_back(number);
}

void AddressIndex::Find(const AddressPattern& address, Subjects& out) const {
  Parts parts;
  for (const auto& [shape, by_parts] : by_shape_) {
    if (shape.first != address.v6) continue;
    parts.clear();
    for (size_t i = 0; i < address.parts.size(); ++i) {
      const bool any = (shape.second >> i & 1) != 0;
      parts.push_back(any ? 0 : address.parts[i].value_or(0));
    }
    const auto it = by_parts.find(parts);
    if (it != by_parts.end()) out.insert(out.end(), it->second.begin(), it->second.end());
  }
}

void HostIndex::Add(absl::string_view pattern, uint32_t number, bool lenient) {
  if (std::optional<AddressPattern> address = ParseAddress(pattern)) {
    addresses_.Add(*address, number);
    return;
  }
  const size_t star = pattern.find('*');
  if (star == absl::string_view::npos) {
    names_[std::string(pattern)].push_back(number);
    if (lenient && absl::StrContains(pattern, ".")) {
      first_labels_[std::string(FirstLabel(pattern))].push_back(number);
    }
    return;
  }
  absl::string_view head = pattern.substr(0, star);
  absl::string_view tail = pattern.substr(star + 1);
  if (absl::StrContains(tail, "*")) {
    globs_.emplace_back(std::string(pattern), number);
  } else {
    stars_[{head.size(), tail.size()}][Ends(head, tail)].push_back(number);
  }
}

void HostIndex::FindName(absl::string_view host, bool lenient, Subjects& out) const {
  Append(names_, host, out);
  if (lenient) {
    if (absl::StrContains(host, ".")) {
      Append(names_, FirstLabel(host), out);
    } else {
      Append(first_labels_, host, out);
    }
  }
  for (const auto& [lengths, by_ends] : stars_) {
    if (host.size() < lengths.first + lengths.second) continue;
    Append(by_ends, Ends(host.substr(0, lengths.first), host.substr(host.size() - lengths.second)),
           out);
  }
  for (const auto& [pattern, number] : globs_) {
    if (GlobMatches(pattern, host)) out.push_back(number);
  }
}

void HostIndex::Find(absl::string_view host, absl::string_view address, bool lenient,
                     Subjects& out) const {
  if (!host.empty()) FindName(host, lenient, out);
  const std::optional<AddressPattern> seen = ParseAddress(address);
  if (seen) addresses_.Find(*seen, out);
  // An application may say its address for its host.
  const std::optional<AddressPattern> said = ParseAddress(host);
  if (said && !(seen && seen->parts == said->parts)) addresses_.Find(*said, out);
}

SubjectIndex::SubjectIndex(const OptionsFile& file)
    : fold_(file.settings.group_case_insensitive), lenient_(file.settings.fqdn_lenient) {
  for (const OptionGroup& group : file.groups) {
    const uint32_t number =
        Number(group.hosts ? SubjectType::kHostGroup : SubjectType::kGroup, group.name);
    members_[number] = group.members.size();
    for (const std::string& member : group.members) {
      const std::string name = fold_ ? absl::AsciiStrToLower(member) : member;
      if (group.hosts) {
        (fold_ ? folded_hosts_ : hosts_).Add(name, number, lenient_);
      } else {
        (fold_ ? folded_users_ : users_)[name].push_back(number);
      }
    }
  }
}

uint32_t SubjectIndex::Number(SubjectType type, absl::string_view name) {
  const auto [place, added] =
      numbers_.try_emplace(Key(type, std::string(name)), static_cast<uint32_t>(subjects_.size()));
  if (added) subjects_.push_back(place->first);
  return place->second;
}

std::optional<uint32_t> SubjectIndex::Find(SubjectType type, absl::string_view name) const {
  const auto it = numbers_.find(Key(type, std::string(name)));
  if (it == numbers_.end()) return std::nullopt;
  const bool group = type == SubjectType::kGroup || type == SubjectType::kHostGroup;
  if (group && members(it->second) == 0) return std::nullopt;
  return it->second;
}

size_t SubjectIndex::members(uint32_t number) const {
  const auto it = members_.find(number);
  return it == members_.end() ? 0 : it->second;
}

std::optional<uint32_t> SubjectIndex::Add(SubjectType type, absl::string_view name) {
  const bool group = type == SubjectType::kGroup || type == SubjectType::kHostGroup;
  std::optional<uint32_t> found = Find(type, name);
  if (found || group) return found;
  const uint32_t number = Number(type, name);
  switch (type) {
    case SubjectType::kUser:
      users_[std::string(name)].push_back(number);
      break;
    case SubjectType::kDisplay:
      displays_[std::string(name)].push_back(number);
      break;
    case SubjectType::kProject:
      projects_[std::string(name)].push_back(number);
      break;
    case SubjectType::kHost:
      hosts_.Add(name, number, lenient_);
      break;
    case SubjectType::kInternet:
      if (std::optional<AddressPattern> address = ParseAddress(name)) {
        internet_.Add(*address, number);
      }
      break;
    case SubjectType::kGroup:
    case SubjectType::kHostGroup:
      break;
  }
  return number;
}

Subjects SubjectIndex::Of(const Who& who) const {
  Subjects out;
  Append(users_, who.user, out);
  Append(displays_, who.display, out);
  if (!who.project.empty()) Append(projects_, who.project, out);
  hosts_.Find(who.host, who.address, lenient_, out);
  if (const auto address = ParseAddress(who.address)) internet_.Find(*address, out);
  if (fold_) {
    Append(folded_users_, absl::AsciiStrToLower(who.user), out);
    folded_hosts_.Find(absl::AsciiStrToLower(who.host), who.address, lenient_, out);
  }
  SortOnce(out);
  return out;
}

bool SubjectIndex::Names(SubjectType type, absl::string_view name, const Who& who) const {
  switch (type) {
    case SubjectType::kUser:
      return who.user == name;
    case SubjectType::kDisplay:
      return who.display == name;
    case SubjectType::kProject:
      return who.project == name && !name.empty();
    case SubjectType::kHost: {
      HostIndex one;
      Subjects found;
      one.Add(name, 0, lenient_);
      one.Find(who.host, who.address, lenient_, found);
      return !found.empty();
    }
    case SubjectType::kInternet: {
      AddressIndex one;
      Subjects found;
      const std::optional<AddressPattern> pattern = ParseAddress(name);
      const std::optional<AddressPattern> address = ParseAddress(who.address);
      if (!pattern || !address) return false;
      one.Add(*pattern, 0);
      one.Find(*address, found);
      return !found.empty();
    }
    case SubjectType::kGroup:
    case SubjectType::kHostGroup: {
      const std::optional<uint32_t> number = Find(type, name);
      if (!number) return false;
      const Subjects all = Of(who);
      return std::binary_search(all.begin(), all.end(), *number);
    }
  }
  return false;
}

}  // namespace triad::license
