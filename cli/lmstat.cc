#include "cli/lmstat.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/args.h"
#include "cli/output.h"
#include "cli/status.h"
#include "cli/text.h"
#include "client/machine.h"

namespace triad::cli {
namespace {

// FlexNet's numbers (flexnet-facts 5).
constexpr int kNoLicenseFile = -1;
constexpr int kNoSuchFeature = -5;
constexpr int kCannotConnect = -15;
constexpr int kBadParameter = -42;
constexpr int kVendorDown = -97;

constexpr char kFirstLine[] =
    "lmutil - Copyright (c) 2026 the Triad authors. All Rights Reserved.\n";
constexpr char kBuild[] = TRIAD_VERSION;

absl::CivilSecond CivilTime(int64_t wall_ms, int32_t utc_offset_s) {
  return absl::FixedTimeZone(utc_offset_s).At(absl::FromUnixMillis(wall_ms)).cs;
}

// "Fri 10/20": neither month nor day is padded.
std::string WeekdayAndDay(const absl::CivilSecond& time) {
  static constexpr const char* kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  const auto weekday = static_cast<size_t>(absl::GetWeekday(time));
  return absl::StrCat(kDays[weekday], " ", time.month(), "/", time.day());
}

// "144 licenses", "1 license".
std::string Licenses(uint64_t count) {
  return absl::StrCat(count, count == 1 ? " license" : " licenses");
}

// What the system called it when it could not connect, as in (-15,570:111 "Connection refused").
std::string SystemError(absl::string_view error) {
  if (absl::StrContains(error, "refused")) return "570:111 \"Connection refused\"";
  if (absl::StrContains(error, "unreachable")) return "570:101 \"Network is unreachable\"";
  if (absl::StrContains(error, "No route")) return "570:113 \"No route to host\"";
  return "570:115 \"Operation now in progress\"";
}

// What is known of a node in lmstat's terms.
struct Server {
  uint32_t node = 0;
  std::string host;
  int port = 0;
  std::string address;
  std::string version;  // "": down
  std::string error;
  std::vector<std::string> license_files;
};

// Renders one cluster.
class Printer {
 public:
  Printer(const std::vector<NodeAnswer>& nodes, const LmstatChoice& choice);

  bool reachable() const { return view_.any_answer; }
  bool quorum() const { return view_.quorum; }
  std::string FirstError() const { return servers_.empty() ? "" : servers_[0].error; }
  void PrintServers(std::string* out) const;
  // The vendors; what they serve, if it is known. Returns FlexNet's number for what is missing.
  int PrintVendors(const v1::Usage* usage, std::string* out) const;

 private:
  const Server& Told() const;  // whom the answers come from: the master if it is up
  void PrintVendor(const std::string& vendor, const v1::Usage* usage, std::string* out) const;
  void PrintFeature(const v1::Feature& feature, std::string* out) const;
  void PrintPool(const v1::Feature& feature, const v1::Pool& pool, std::string* out) const;
  void PrintUse(const v1::Pool& pool, const v1::Use& use, std::string* out) const;
  bool Shows(const v1::Feature& feature) const;

  const ClusterView view_;
  const LmstatChoice& choice_;
  std::vector<Server> servers_;
  std::vector<std::string> vendors_;
};

Printer::Printer(const std::vector<NodeAnswer>& nodes, const LmstatChoice& choice)
    : view_(MergeStatus(nodes)), choice_(choice), vendors_(view_.vendors) {
  for (const NodeView& node : view_.nodes) {
    Server server;
    server.node = node.node;
    server.address = node.address;
    server.error = node.error;
    const client::SearchPath path = client::ParseSearchPath(node.address);
    if (path.entries.size() == 1 && !path.entries[0].clusters.empty()) {
      server.host = path.entries[0].clusters[0].servers[0].host;
      server.port = path.entries[0].clusters[0].servers[0].port;
    }
    for (const NodeAnswer& answer : nodes) {
      if (!answer.status || answer.status->slot() != node.node) continue;
      server.version = answer.status->version();
      server.license_files.assign(answer.status->license_files().begin(),
                                  answer.status->license_files().end());
    }
    servers_.push_back(std::move(server));
  }
}

const Server& Printer::Told() const {
  for (const Server& server : servers_) {
    if (server.node == view_.leader && !server.version.empty()) return server;
  }
  for (const Server& server : servers_) {
    if (!server.version.empty()) return server;
  }
  return servers_.front();
}

void Printer::PrintServers(std::string* out) const {
  absl::StrAppend(
      out, "License server status: ",
      absl::StrJoin(servers_, ",",
                    [](std::string* to, const Server& server) { to->append(server.address); }),
      "\n    License file(s) on ", Told().host, ": ");
  for (const std::string& file : Told().license_files) absl::StrAppend(out, file, ":");
  absl::StrAppend(out, "\n\n");
  for (const Server& server : servers_) {
    if (server.version.empty()) {
      absl::StrAppend(out, server.host, ": Cannot connect to license server system. (",
                      kCannotConnect, ",", SystemError(server.error), ")\n");
      continue;
    }
    const bool master = server.node == view_.leader || servers_.size() == 1;
    absl::StrAppend(out, server.host, ": license server UP ", master ? "(MASTER) " : "", "v",
                    server.version, "\n");
  }
  absl::StrAppend(out, "\n");
}

int Printer::PrintVendors(const v1::Usage* usage, std::string* out) const {
  absl::StrAppend(out, "Vendor daemon status (on ", Told().host, "):\n\n");
  auto serves = [&](const std::string& vendor) {
    return std::any_of(usage->features().begin(), usage->features().end(),
                       [&](const v1::Feature& f) { return f.vendor() == vendor && Shows(f); });
  };
  const bool one_feature = choice_.features && choice_.feature && usage != nullptr;
  bool feature_found = false;
  bool vendor_found = false;
  for (const std::string& vendor : vendors_) {
    if (choice_.vendor && *choice_.vendor != vendor) continue;
    vendor_found = true;
    if (one_feature && !serves(vendor)) continue;
    feature_found = true;
    PrintVendor(vendor, usage, out);
  }
  if (choice_.vendor && !vendor_found) {
    absl::StrAppend(out, absl::StrFormat("%10s", *choice_.vendor),
                    ": The desired vendor daemon is down. (", kVendorDown, ",121)\n");
    return kVendorDown;
  }
  if (usage == nullptr && !vendors_.empty()) return kVendorDown;
  if (one_feature && !feature_found) {
    absl::StrAppend(out, "Feature usage info:\n\nUsers of ", *choice_.feature,
                    ": Cannot get users of ", *choice_.feature, ": No such feature exists. (",
                    kNoSuchFeature, ",222)\n\n");
    return kNoSuchFeature;
  }
  return 0;
}

void Printer::PrintVendor(const std::string& vendor, const v1::Usage* usage,
                          std::string* out) const {
  absl::StrAppend(out, absl::StrFormat("%10s", vendor), ": ");
  if (usage == nullptr) {
    absl::StrAppend(out, "The desired vendor daemon is down. (", kVendorDown, ",121)\n");
    return;
  }
  absl::StrAppend(out, "UP v", Told().version, "\n");
  if (!choice_.features) return;
  absl::StrAppend(out, "Feature usage info:\n\n");
  for (const v1::Feature& feature : usage->features()) {
    if (feature.vendor() == vendor && Shows(feature)) PrintFeature(feature, out);
  }
}

bool Printer::Shows(const v1::Feature& feature) const {
  if (choice_.feature && *choice_.feature != feature.name()) return false;
  return !choice_.in_use_only || feature.used() > 0;
}

void Printer::PrintFeature(const v1::Feature& feature, std::string* out) const {
  absl::StrAppend(out, "Users of ", feature.name(), ":  ");
  if (feature.uncounted()) {
    absl::StrAppend(out, "(Uncounted, node-locked)\n\n");
  } else {
    absl::StrAppend(out, "(Total of ", Licenses(feature.issued()), " issued;  Total of ",
                    Licenses(feature.used()), " in use)\n\n");
  }
  if (!choice_.users) return;
  for (const v1::Pool& pool : feature.pools()) {
    if (!pool.uses().empty()) PrintPool(feature, pool, out);
  }
}

void Printer::PrintPool(const v1::Feature& feature, const v1::Pool& pool, std::string* out) const {
  const bool permanent = pool.expires() == "permanent";
  absl::StrAppend(out, "  \"", feature.name(), "\" v", pool.version(),
                  ", vendor: ", feature.vendor(),
                  ", expiry: ", permanent ? "permanent(no expiration date)" : pool.expires(), "\n");
  if (!pool.vendor_string().empty()) {
    absl::StrAppend(out, "  vendor_string: ", pool.vendor_string(), "\n");
  }
  if (pool.host_ids().empty()) {
    absl::StrAppend(out, "  floating license\n\n");
  } else if (pool.uncounted() && pool.host_ids() == "ANY") {
    absl::StrAppend(out, "  uncounted nodelocked license locked to NOTHING (hostid=ANY)\n\n");
  } else {
    absl::StrAppend(out, pool.uncounted() ? "  uncounted " : "  ",
                    "nodelocked license, locked to \"", pool.host_ids(), "\"\n\n");
  }
  for (const v1::Use& use : pool.uses()) PrintUse(pool, use, out);
  absl::StrAppend(out, "\n");
}

void Printer::PrintUse(const v1::Pool& pool, const v1::Use& use, std::string* out) const {
  const v1::Holding& holding = use.holding();
  const Server* server = &servers_.front();
  for (const Server& candidate : servers_) {
    if (candidate.node == use.node()) server = &candidate;
  }
  const absl::CivilSecond start = CivilTime(holding.start_wall_ms(), holding.start_utc_offset_s());
  absl::StrAppend(out, "    ", Printable(use.user()), " ", Printable(use.host()), " ",
                  Printable(use.display()), " (v",
                  holding.version().empty() ? pool.version() : Printable(holding.version()), ") (",
                  server->host, "/", server->port, " ", holding.handle(), "), start ",
                  WeekdayAndDay(start), absl::StrFormat(" %d:%02d", start.hour(), start.minute()));
  if (holding.count() > 1) absl::StrAppend(out, ", ", Licenses(holding.count()));
  absl::StrAppend(out, "\n");
}

// What the arguments choose. nullopt: nothing of a server's is asked for.
LmstatChoice ChoiceOf(const Args& args) {
  LmstatChoice choice;
  choice.users = !args.Has("no-user-info");
  choice.in_use_only = args.Has("A");
  choice.features = args.Has("a") || args.Has("A") || args.Has("f") || args.Has("S");
  if (!args.Value("f").empty()) choice.feature = args.Value("f");
  if (!args.Value("S").empty()) choice.vendor = args.Value("S");
  if (args.Has("lm") || args.Has("s")) choice.vendors = args.Has("vd") || choice.features;
  if (args.Has("vd")) choice.servers = args.Has("lm") || args.Has("s");
  return choice;
}

int PrintFileTable(const Args& args) {
  std::vector<license::LicenseFile> files;
  for (const std::string& path : LicenseFilesOnPath(args.Value("c"))) {
    const auto text = client::RealMachine().read_file(path);
    if (text.ok()) files.push_back(license::ReadLicenseFile(path, *text));
  }
  if (files.empty()) {
    ToStdout(absl::StrCat("Error: -i reads license files, and there is none on the search path: ",
                          "give one with -c, or ask the servers with -a. (", kNoLicenseFile,
                          ")\n"));
    return LmExit(kNoLicenseFile);
  }
  ToStdout(LmstatFileTable(files, args.Value("i")));
  return 0;
}

// Clusters of one entry of the search path (`@host` is ten) are alternatives: the first that
// answers is meant. Different entries are different servers, and all are shown.
std::vector<std::vector<client::Cluster>> Alternatives(const std::vector<client::Cluster>& all) {
  std::vector<std::vector<client::Cluster>> groups;
  for (const client::Cluster& cluster : all) {
    if (groups.empty() || groups.back().back().source != cluster.source) groups.emplace_back();
    groups.back().push_back(cluster);
  }
  return groups;
}

int PrintClusters(const Args& args, const std::vector<client::Cluster>& clusters) {
  const LmstatChoice choice = ChoiceOf(args);
  v1::GetUsageRequest request;
  request.set_no_checkouts(!choice.users);
  if (choice.feature) request.set_feature(*choice.feature);
  int first_error = 0;
  bool any_good = false;
  for (const auto& group : Alternatives(clusters)) {
    const std::vector<NodeAnswer> nodes = AskFirstThatAnswers(group);
    int error = 0;
    ToStdout(LmstatCluster(nodes, AskUsage(nodes, request), choice, &error));
    if (first_error == 0) first_error = error;
    any_good = any_good || error == 0;
  }
  return any_good ? 0 : LmExit(first_error);
}

}  // namespace

std::string LmstatHeader(int64_t wall_ms, int32_t utc_offset_s) {
  const absl::CivilSecond now = CivilTime(wall_ms, utc_offset_s);
  return absl::StrCat(kFirstLine, "Flexible License Manager status on ", WeekdayAndDay(now), "/",
                      now.year(), absl::StrFormat(" %02d:%02d", now.hour(), now.minute()), "\n\n");
}

std::string LmstatCluster(const std::vector<NodeAnswer>& nodes,
                          const absl::StatusOr<v1::Usage>& usage, const LmstatChoice& choice,
                          int* error) {
  const Printer printer(nodes, choice);
  std::string out;
  *error = 0;
  if (!printer.reachable()) {
    *error = kCannotConnect;
    return absl::StrCat("Error getting status: Cannot connect to license server (", kCannotConnect,
                        ",", SystemError(printer.FirstError()), ")\n");
  }
  if (choice.servers) printer.PrintServers(&out);
  if (choice.vendors) *error = printer.PrintVendors(usage.ok() ? &*usage : nullptr, &out);
  return out;
}

absl::string_view LmFirstLine() {
  return kFirstLine;
}

int LmExit(int error) {
  return error & 0xFF;
}

std::string LmstatFileTable(const std::vector<license::LicenseFile>& files,
                            absl::string_view feature) {
  std::string out =
      "NOTE: lmstat -i reads the license files on this machine; it does not ask the\n"
      "NOTE: license servers, which may serve another set of licenses.\n"
      "NOTE: lmstat -a shows what they serve.\n\n";
  auto row = [&out](absl::string_view name, absl::string_view version, absl::string_view count,
                    absl::string_view vendor, absl::string_view expires) {
    absl::StrAppend(&out, absl::StrFormat("%-31s %-11s %-12s %-13s %s\n", name, version, count,
                                          vendor, expires));
  };
  row("Feature", "Version", "#licenses", "Vendor", "Expires");
  row("_______", "_______", "_________", "______", "_______");
  for (const license::LicenseFile& file : files) {
    for (const license::FeatureLine& line : file.features) {
      if (!feature.empty() && line.feature != feature) continue;
      row(line.feature, line.version, line.uncounted ? "uncounted" : absl::StrCat(line.count),
          line.vendor, line.expiry ? line.expiry_text : "permanent(no expiration date)");
    }
  }
  return out;
}

std::string LmstatVersion() {
  return absl::StrCat("lmstat v", kBuild, " build 0 x64_lsb\n");
}

std::string LmstatHelp() {
  return "usage: lmstat [-c LICENSE_PATH] [OPTION...]\n"
         "    -a              everything: servers, vendors, features and who holds them\n"
         "    -A              the same, only features that are in use\n"
         "    -f [FEATURE]    one feature, or all\n"
         "    -S [VENDOR]     the features of one vendor\n"
         "    -s              only the servers\n"
         "    -lm, -vd        only the servers; only the vendors\n"
         "    -i [FEATURE]    what the license file says, without asking a server\n"
         "    --no-user-info  with -a, -A, -f, -S: counts only\n"
         "    -c PATH         license files, directories, port@host, "
         "port@host,port@host,port@host\n"
         "    -t SECONDS      taken and ignored: a server has a second to answer\n"
         "    --insecure      plaintext to other machines\n"
         "    -v, -help       version; this text\n"
         "exit: 0, or 256 less FlexNet's error number: 241 cannot connect (-15)\n";
}

int LmstatVerb(const std::vector<std::string>& arguments) {
  const FlagTable table = WithClusterFlags({{"a"},
                                            {"A"},
                                            {"f", Takes::kOptionalValue},
                                            {"S", Takes::kOptionalValue},
                                            {"s", Takes::kOptionalValue},
                                            {"i", Takes::kOptionalValue},
                                            {"t", Takes::kValue},
                                            {"lm"},
                                            {"vd"},
                                            {"no-user-info"},
                                            {"verbose"},
                                            {"v"}});
  const auto args = ParseArgs(table, Words::kNone, arguments);
  if (!args.ok()) {
    ToStdout(kFirstLine);
    ToStderr(absl::StrCat("lmstat: ", args.status().message(), "; see lmstat -help\n"));
    return LmExit(kBadParameter);
  }
  if (args->Has("help") || args->Has("v")) {
    ToStdout(absl::StrCat(kFirstLine, args->Has("help") ? LmstatHelp() : LmstatVersion()));
    return 0;
  }
  const absl::Time now = absl::Now();
  const int32_t offset = absl::LocalTimeZone().At(now).offset;
  ToStdout(LmstatHeader(absl::ToUnixMillis(now), offset));
  if (args->Has("i")) return PrintFileTable(*args);
  const auto found = FindTheClusters(*args);
  if (!found.ok()) {
    ToStdout(absl::StrCat("Error getting status: ", found.status().message(), " (", kNoLicenseFile,
                          ")\n"));
    return LmExit(kNoLicenseFile);
  }
  return PrintClusters(*args, found->clusters);
}

}  // namespace triad::cli
