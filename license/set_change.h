// What another license set would change, were it to take the place of the one in force.
//
// A pure function of both: nothing is installed. For `triad reread`, which shows it before it acts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "license/catalog.h"
#include "license/ledger.h"
#include "triad/v1/command.pb.h"

namespace triad::license {

// One pool that grows, shrinks, comes, vanishes or has other dates.
struct PoolChange {
  const Pool* before = nullptr;  // in the ledger's catalog; nullptr: it comes
  const Pool* after = nullptr;   // in the new catalog; nullptr: it vanishes
  uint64_t seats_before = 0;     // on the ledger's day, with overdraft
  uint64_t seats_after = 0;
  uint64_t used = 0;

  const Pool& pool() const { return after != nullptr ? *after : *before; }
  // More is in use than would be left: its holders would be told of a violation.
  bool TooMany(Day today) const;
};

struct SetChange {
  std::vector<PoolChange> pools;     // those of the new set in their order, then those that vanish
  std::string options;               // what differs in the options files, in one line; "": nothing
  std::string refusal;               // why it must not be installed, in one line; "": it may
  bool unchanged = false;            // byte for byte what is in force
  std::vector<std::string> waivers;  // those that it ends, a line each
};

// `catalog` is made of `next`.
SetChange CompareSets(const Ledger& ledger, const v1::InstallLicenses& next,
                      const Catalog& catalog);

// Where the SERVER lines of two sets name different machines, in one line: "SERVER line 2 has host
// id A, and B in the set in force". "": nowhere.
std::string ServerDifference(const std::vector<ServerLine>& lines,
                             const std::vector<ServerLine>& in_force);

// The first line in which two texts differ, from 1; 0: they are equal.
int FirstDifferentLine(absl::string_view a, absl::string_view b);

}  // namespace triad::license
