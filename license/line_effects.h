// What signed lines do to one another: SUPERSEDE, UPGRADE and PACKAGE (flexnet-facts 1.7, 1.8), and
// the order in which the result is granted from (1.6).
//
// What it is not: it verifies nothing and makes no pools. Pure and deterministic.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "license/catalog.h"

namespace triad::license {

// A line that verified.
struct GoodLine {
  FeatureLine line;
  std::string canonical;
  ParsedSign sign;
  size_t file = 0;      // order of the files
  size_t original = 0;  // order in all files
  // Its last day, because a line that starts later supersedes it; unset: none does.
  std::optional<Day> until;
};

// What a line gives, and to which feature: its own, or a component of the package that it enables.
struct Entry {
  const GoodLine* source = nullptr;
  std::string feature;
  std::string version;
  uint64_t licenses = 0;  // meaningless if uncounted
  uint64_t left = 0;      // of them, not taken by an UPGRADE
  uint64_t overdraft = 0;
  std::optional<Day> start;  // as the line's, cut by what it depends on
  std::optional<Day> expiry;
  std::vector<Pool::Taken> taken;
  std::shared_ptr<const Pool::Package> package;  // set: a component of it
  // Set: a component of a suite, which `enabling` stands for.
  bool suite = false;
  bool suite_reserved = false;
};

// Tells of something about `line`.
using ComplainOf =
    std::function<void(const GoodLine& line, Severity severity, std::string message)>;

// Takes out the lines that a line issued later supersedes, or sets until when they count.
void DropSuperseded(std::vector<GoodLine>& lines, std::vector<GoodLine>& packages,
                    const ComplainOf& complain);

// `lines` are FEATURE, INCREMENT and UPGRADE lines, `packages` PACKAGE lines, all in file order.
// The entries point into `lines` and are in grant order.
std::vector<Entry> EntriesOf(const std::vector<GoodLine>& lines,
                             const std::vector<GoodLine>& packages, const ComplainOf& complain);

}  // namespace triad::license
