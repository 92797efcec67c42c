#include "cli/lmdiag.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "cli/args.h"
#include "cli/channels.h"
#include "cli/lm_tools.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/status.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

constexpr char kHelp[] =
    "usage: lmdiag [-c LICENSE_PATH] [-n] [FEATURE[:KEYWORD=VALUE]]\n"
    "    tries to check out each license, or those of FEATURE, and gives it back at once\n"
    "    :VERSION=V      only of this version\n"
    "    -n              asks nothing (it never does)\n";
constexpr char kRule[] = "-----------------------------------------------------\n";

// FEATURE[:KEYWORD=VALUE]
struct Wanted {
  std::string feature;
  std::string version;
};

absl::StatusOr<Wanted> ParseWanted(const std::vector<std::string>& words) {
  Wanted wanted;
  if (words.size() > 1) return absl::InvalidArgumentError("give at most one FEATURE");
  if (words.empty()) return wanted;
  const size_t equals = words[0].rfind('=');
  const size_t colon =
      equals == std::string::npos ? std::string::npos : words[0].rfind(':', equals);
  wanted.feature = words[0].substr(0, colon);
  if (colon == std::string::npos) return wanted;
  if (words[0].substr(colon + 1, equals - colon - 1) != "VERSION") {
    return absl::InvalidArgumentError("of keywords, lmdiag knows VERSION");
  }
  wanted.version = words[0].substr(equals + 1);
  return wanted;
}

std::string Connections(const std::vector<NodeAnswer>& nodes) {
  std::string out;
  for (const NodeAnswer& node : nodes) {
    absl::StrAppend(
        &out, client::FormatAddress(node.address), ": ",
        node.status ? absl::StrCat("answers: node ", node.status->slot(), ", ", node.status->role())
                    : std::string(node.error.message()),
        "\n");
  }
  return out;
}

Status Try(Client* client, const v1::Feature& feature, const v1::Pool& pool) {
  CheckoutRequest request;
  request.feature = feature.name();
  request.version = pool.version();
  Result<License> license = client->Checkout(request);
  return license ? Status() : license.status();
}

}  // namespace

std::string DiagnosedPool(const v1::Feature& feature, const v1::Pool& pool,
                          const std::string& server, const Status& tried) {
  std::string out =
      absl::StrCat("\"", Printable(feature.name()), "\" v", pool.version(),
                   ", vendor: ", feature.vendor(), "\n  License server: ", server, "\n  ");
  absl::StrAppend(&out, pool.host_ids().empty() ? "floating license"
                                                : absl::StrCat("nodelocked license, locked to \"",
                                                               Printable(pool.host_ids()), "\""));
  if (!pool.uncounted()) {
    absl::StrAppend(&out, ", ", pool.used(), " of ", pool.licenses(), " in use");
  }
  absl::StrAppend(&out, ", expires: ",
                  pool.expires() == "permanent" ? "permanent(no expiration date)" : pool.expires(),
                  "\n");
  if (tried.ok()) {
    absl::StrAppend(&out, "This license can be checked out\n");
  } else {
    absl::StrAppend(&out, "This license cannot be checked out because:\n  ",
                    Printable(tried.message), " (", tried.code, ")\n");
  }
  return out;
}

int LmdiagVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithLmFlags({{"n"}}), Words::kAny, arguments);
  if (!args.ok()) return LmRefuseUsage("lmdiag", args.status());
  if (LmHelpOrVersion(*args, "lmdiag", kHelp)) return 0;
  const auto wanted = ParseWanted(args->words());
  if (!wanted.ok()) return LmRefuseUsage("lmdiag", wanted.status());
  ToStdout(LmFirstLine());
  const auto found = FindTheClusters(*args);
  if (!found.ok()) return LmRefuse("lmdiag", found.status().message(), kLmNoLicenseFile);
  const std::vector<NodeAnswer> nodes = AskFirstThatAnswers(found->clusters);
  ToStdout(absl::StrCat(Connections(nodes), kRule));
  v1::GetUsageRequest request;
  request.set_feature(wanted->feature);
  request.set_no_checkouts(true);
  const auto usage = AskUsage(nodes, request);
  if (!usage.ok()) return LmRefuse("lmdiag", usage.status().message(), kLmCannotConnect);
  ClientOptions options;
  options.license_path = AsSearchPath(found->clusters);
  options.insecure = InsecureAllowed(*args);
  GiveTrustTo(&options);
  options.application = "lmdiag";
  Result<Client> client = Client::Open(options);
  if (!client) return LmRefuse("lmdiag", client.status().ToString(), kLmCannotConnect);
  const ClusterView view = MergeStatus(nodes);
  std::string server;
  for (const NodeView& node : view.nodes) {
    if (node.node == view.leader) server = node.address;
  }
  bool any = false;
  for (const v1::Feature& feature : usage->features()) {
    for (const v1::Pool& pool : feature.pools()) {
      if (feature.gone() || (!wanted->version.empty() && pool.version() != wanted->version)) {
        continue;
      }
      any = true;
      ToStdout(
          absl::StrCat(DiagnosedPool(feature, pool, server, Try(&*client, feature, pool)), kRule));
    }
  }
  (void)client->Close();
  if (any) return 0;
  return LmRefuse(
      "lmdiag",
      absl::StrCat(wanted->feature.empty() ? "nothing is licensed" : Printable(wanted->feature),
                   wanted->feature.empty() ? "" : ": no such feature exists"),
      kLmNoSuchFeature);
}

}  // namespace triad::cli
