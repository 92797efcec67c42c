#include "cli/lmhostid.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/args.h"
#include "cli/lm_tools.h"
#include "cli/output.h"
#include "client/machine.h"
#include "license/denial.h"

namespace triad::cli {
namespace {

// What is asked for: the last of these flags counts.
struct Asked {
  absl::string_view flag = "ether";
  absl::string_view family;  // of -internet: "v4", "v6"; "": both
  bool bare = false;         // -n
};

std::vector<std::string> Prefixed(absl::string_view prefix, const std::vector<std::string>& ids) {
  std::vector<std::string> out;
  for (const std::string& id : ids) {
    if (!id.empty()) out.push_back(absl::StrCat(prefix, "=", id));
  }
  return out;
}

std::vector<std::string> IdsOf(const Asked& asked, const HostIdSources& machine) {
  if (asked.flag == "ether") return machine.ethers;
  if (asked.flag == "internet") {
    std::vector<std::string> all;
    if (asked.family != "v6") all = machine.addresses_v4;
    if (asked.family != "v4") {
      all.insert(all.end(), machine.addresses_v6.begin(), machine.addresses_v6.end());
    }
    return Prefixed("INTERNET", all);
  }
  if (asked.flag == "user") return Prefixed("USER", {machine.user});
  if (asked.flag == "display") return Prefixed("DISPLAY", {machine.display});
  if (asked.flag == "hostname") return Prefixed("HOSTNAME", {machine.hostname});
  if (asked.flag == "hostdomain") return Prefixed("HOSTNAME", {machine.host_domain});
  if (asked.flag == "uuid") return Prefixed("UUID", {machine.uuid});
  if (asked.flag == "long" && !machine.long_id.empty()) return {machine.long_id};
  return {};
}

// Why there is no host id of the kind asked for.
absl::string_view WhyNone(absl::string_view flag) {
  if (flag == "vsn") return "-vsn is the serial number of a Windows disk: ask for another";
  if (flag == "flexid") return "-flexid is the number of a dongle, which Triad does not see";
  if (flag == "string") return "-string is a text that a vendor's own program makes";
  if (flag == "ptype") return "whether it is a physical machine is not known";
  if (flag == "ether") return "it has no network card with an address: ask with -uuid";
  if (flag == "uuid")
    return "/etc/machine-id is empty or missing: systemd-machine-id-setup makes it";
  return "it has none of this kind";
}

std::string Quoted(const std::vector<std::string>& ids) {
  return absl::StrCat("\"", absl::StrJoin(ids, " "), "\"");
}

void AddAddress(const ifaddrs& at, HostIdSources* out) {
  if (at.ifa_addr == nullptr || (at.ifa_flags & IFF_LOOPBACK) != 0) return;
  char text[INET6_ADDRSTRLEN] = "";
  if (at.ifa_addr->sa_family == AF_INET) {
    const auto* address = reinterpret_cast<const sockaddr_in*>(at.ifa_addr);
    inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
    out->addresses_v4.emplace_back(text);
  } else if (at.ifa_addr->sa_family == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(at.ifa_addr);
    inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
    out->addresses_v6.emplace_back(text);
  }
}

std::string FullName(const std::string& hostname) {
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  addrinfo* found = nullptr;
  if (getaddrinfo(hostname.c_str(), nullptr, &hints, &found) != 0) return hostname;
  std::string name = found->ai_canonname != nullptr ? found->ai_canonname : hostname;
  freeaddrinfo(found);
  return name;
}

HostIdSources ThisMachine() {
  HostIdSources out;
  const v1::Identity identity = client::MakeIdentity({});
  out.user = identity.user();
  out.display = identity.display();
  out.hostname = identity.host();
  out.host_domain = FullName(out.hostname);
  for (absl::string_view id : identity.host_ids()) {
    if (absl::ConsumePrefix(&id, "UUID=")) {
      out.uuid = std::string(id);
    } else {
      out.ethers.emplace_back(id);
    }
  }
  out.long_id = absl::StrFormat("%08x", static_cast<uint32_t>(gethostid()));
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return out;
  for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next) AddAddress(*at, &out);
  freeifaddrs(all);
  return out;
}

}  // namespace

absl::StatusOr<std::string> LmhostidText(const std::vector<std::string>& arguments,
                                         const HostIdSources& machine) {
  const FlagTable table = {{"ether"},    {"internet", Takes::kOptionalValue},
                           {"user"},     {"display"},
                           {"hostname"}, {"hostdomain"},
                           {"vsn"},      {"long"},
                           {"flexid"},   {"string"},
                           {"uuid"},     {"ptype"},
                           {"n"},        {"utf8"},
                           {"verbose"}};
  const auto args = ParseArgs(table, Words::kNone, arguments);
  if (!args.ok()) return args.status();
  Asked asked;
  asked.bare = args->Has("n");
  for (absl::string_view flag : {"ether", "internet", "user", "display", "hostname", "hostdomain",
                                 "vsn", "long", "flexid", "string", "uuid", "ptype"}) {
    if (args->Has(flag)) asked.flag = flag;
  }
  const std::string family = args->Value("internet");
  if (!family.empty() && family != "v4" && family != "v6") {
    return absl::InvalidArgumentError(absl::StrCat("-internet ", family, ": v4 or v6"));
  }
  asked.family = family;
  const std::vector<std::string> ids = IdsOf(asked, machine);
  if (asked.bare) return absl::StrCat(ids.size() == 1 ? ids[0] : Quoted(ids), "\n");
  std::string out = absl::StrCat("The FlexNet host ID of this machine is ", Quoted(ids), "\n");
  if (ids.size() > 1) absl::StrAppend(&out, "Only use ONE from the list of hostids.\n");
  if (ids.empty()) absl::StrAppend(&out, WhyNone(asked.flag), "\n");
  return out;
}

std::string LmhostidHelp() {
  return "usage: lmhostid [-ether|-internet [v4|v6]|-user|-display|-hostname|-hostdomain|-uuid|\n"
         "                 -long|-vsn|-flexid|-string|-ptype] [-n] [-utf8]\n"
         "    -ether          addresses of the network cards (default)\n"
         "    -uuid           UUID=, made from this machine's id: for machines whose network "
         "cards\n"
         "                    come and go\n"
         "    -n              the host id alone\n"
         "    -vsn, -flexid, -string, -ptype: are of other systems, and empty here\n";
}

int LmhostidVerb(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument != "-help" && argument != "--help") continue;
    ToStdout(absl::StrCat(LmFirstLine(), LmhostidHelp()));
    return 0;
  }
  const auto text = LmhostidText(arguments, ThisMachine());
  if (!text.ok()) {
    ToStderr(absl::StrCat("lmhostid: ", text.status().message(), "; see lmhostid -help\n"));
    return LmExit(license::ToNumber(license::DenialCode::kBadParameter));
  }
  // -n is for scripts: the id alone.
  bool bare = false;
  for (const std::string& argument : arguments) bare = bare || argument == "-n";
  ToStdout(absl::StrCat(bare ? "" : LmFirstLine(), *text));
  return 0;
}

}  // namespace triad::cli
