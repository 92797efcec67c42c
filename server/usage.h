// What administrators see of the ledger: features, pools and who holds them; and how a node's own
// files differ from the installed license set. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "license/ledger.h"
#include "triad/v1/admin.pb.h"

namespace triad::server {

// The answer to GetUsage, built in steps, so that whoever runs the ledger gets to other things in
// between. The first step takes all counts, queues and reservations, as they are at usage().index;
// the lists of who holds what follow, pool by pool. What fits into one step is of one moment. In a
// longer list, who gave back meanwhile is missing, and who came meanwhile is there.
class UsageBuilder {
 public:
  explicit UsageBuilder(v1::GetUsageRequest request) : request_(std::move(request)) {}

  // Adds at most `uses_max` holders. TRUE: it is whole.
  bool Step(const license::Ledger& ledger, size_t uses_max);
  v1::Usage& usage() { return usage_; }

 private:
  // A pool's list in usage_.
  struct List {
    int feature = 0;
    int pool = 0;
  };

  void AddCounts(const license::Ledger& ledger);
  void AddPool(const license::Ledger& ledger, const license::Pool& pool, int at);
  void AddGone(const license::Ledger& ledger);
  size_t AddUses(const license::Ledger& ledger, size_t uses_max);

  const v1::GetUsageRequest request_;
  v1::Usage usage_;
  bool counted_ = false;
  std::vector<List> lists_;
  size_t list_ = 0;      // the one that is being made
  uint64_t handle_ = 0;  // from here on
  // Place of a feature -> ticket -> the first pool in whose queue it stands.
  std::map<int, std::map<uint64_t, uint64_t>> waiting_;
};

// All of it at once.
v1::Usage BuildUsage(const license::Ledger& ledger, const v1::GetUsageRequest& request);

// One line per difference between `own` and what is installed, the first differing line named;
// empty: the same licenses.
std::vector<std::string> DifferencesFromInstalled(const v1::InstallLicenses& own,
                                                  const license::Ledger& ledger);

// The same for the options files alone, one line for each that differs.
std::vector<std::string> OptionDifferences(const v1::InstallLicenses& own,
                                           const license::Ledger& ledger);

// What installing `next` would change; `catalog` is made of it.
v1::RereadResponse DescribeSetChange(const license::Ledger& ledger, const v1::InstallLicenses& next,
                                     const license::Catalog& catalog);

// One line for each installed license line that is over on the ledger's day.
std::vector<std::string> ExpiredLines(const license::Ledger& ledger);

// The catalog's sources out of a set as the log carries it.
license::LicenseSources SourcesOf(const v1::InstallLicenses& set);
// What the ledger has verified, or was told, need not be verified again.
license::BuildHelp HelpOf(const license::Ledger& ledger);

}  // namespace triad::server
