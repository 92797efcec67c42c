// What FlexNet's tools share (flexnet-facts 3.2): the first line, exit statuses, FlexNet's numbers,
// and how a query or an act that failed is said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/args.h"
#include "cli/servers.h"

namespace triad::cli {

// FlexNet's numbers (flexnet-facts 5).
inline constexpr int kLmNoLicenseFile = -1;
inline constexpr int kLmNoSuchFeature = -5;
inline constexpr int kLmBadReply = -12;  // what answers is no server of ours
inline constexpr int kLmCannotConnect = -15;
inline constexpr int kLmCannotReadFile = -30;
inline constexpr int kLmBadParameter = -42;
inline constexpr int kLmNotAdministrator = -63;
inline constexpr int kLmServerDown = -96;
inline constexpr int kLmVendorDown = -97;
inline constexpr int kLmBorrowedOut = -120;

// "lmutil - Copyright ...", with our own name.
absl::string_view LmFirstLine();
// The exit status of FlexNet's error number as a shell sees it: -15 is 241; 0 is 0.
int LmExit(int error);
// First line and what was wrong with the command line; returns the exit status.
int LmRefuseUsage(absl::string_view verb, const absl::Status& status);
// "lmreread: REASON (-63)" on stdout, as FlexNet's tools do; returns the exit status. The number is
// the one that stands in `reason`, as "(-63)", else `code`.
int LmRefuse(absl::string_view verb, absl::string_view reason, int code);
// FlexNet's number in a text such as "... (-63): use the admin socket"; 0: none.
int LmNumberIn(absl::string_view text);

// Where a verb that acts goes: the clusters on its path, what their nodes say of themselves, and
// the node to ask. An error is one line, with FlexNet's number in parentheses.
struct LmTarget {
  std::vector<NodeAnswer> nodes;
  std::string target;  // gRPC's
};
absl::StatusOr<LmTarget> FindLmTarget(const Args& args);
// What came of asking a node: the error that is to be told, with whether it may have happened.
std::string LmActError(const absl::Status& status);

// The flags of every tool beside its own: -c, --insecure, -help, -v, -verbose, --admin-socket.
FlagTable WithLmFlags(FlagTable flags);
// -help or -v was given: the text is printed and the tool is done.
bool LmHelpOrVersion(const Args& args, absl::string_view verb, absl::string_view help);
// "lmstat v0.1.0 build 0 x64_lsb\n"
std::string LmVersion(absl::string_view verb);

}  // namespace triad::cli
