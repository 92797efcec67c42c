// What administrators see of the ledger: features, pools and who holds them; and how a node's own
// files differ from the installed license set. Pure.
#pragma once

#include <string>
#include <vector>

#include "license/ledger.h"
#include "triad/v1/admin.pb.h"

namespace triad::server {

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
