// `triad keygen`, `sign`, `verify`: what a vendor does with keys and license files, and how anyone
// checks the result. Needs no server.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/license_file.h"
#include "license/signature.h"

namespace triad::cli {

// Pure: "license.dat:7: tserver_sdn: good", a line for each FEATURE and INCREMENT line, in order.
// `good` becomes false if one of them is not.
std::string VerifyText(const license::LicenseFile& file, const license::VendorKeys& keys,
                       bool* good);

int KeygenVerb(const std::vector<std::string>& arguments);
int SignVerb(const std::vector<std::string>& arguments);
int VerifyVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
