#include "cli/lmstat.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/args.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/status.h"
#include "cli/text.h"
#include "client/machine.h"

namespace triad::cli {
namespace {

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
  bool foreign = false;  // something else than a node of ours answers there
  std::vector<std::string> license_files;
};

// Renders one cluster.
class Printer {
 public:
  Printer(const std::vector<NodeAnswer>& nodes, const LmstatChoice& choice);

  bool reachable() const { return view_.any_answer; }
  bool quorum() const { return view_.quorum; }
  std::string FirstError() const { return servers_.empty() ? "" : servers_[0].error; }
  bool foreign() const { return !servers_.empty() && servers_[0].foreign; }
  void PrintServers(std::string* out) const;
  // The vendors; what they serve, if it is known. Returns FlexNet's number for what is missing.
  int PrintVendors(const v1::Usage* usage, std::string* out) const;

 private:
  const Server& Told() const;  // whom the answers come from: the master if it is up
  void PrintVendor(const std::string& vendor, const v1::Usage* usage, std::string* out) const;
  struct WhoShown {
    const std::string& user;
    const std::string& host;
    const std::string& display;
    const std::string& data;
    const std::string& version;
    uint32_t node;
    uint64_t handle;
  };
  const Server& Of(uint32_t node) const;
  std::string Who(const WhoShown& who, const v1::Pool& pool) const;
  void PrintFeature(const v1::Usage& usage, const v1::Feature& feature, std::string* out) const;
  void PrintPool(const v1::Usage& usage, const v1::Feature& feature, const v1::Pool& pool,
                 std::string* out) const;
  void PrintUse(const v1::Usage& usage, const v1::Pool& pool, const v1::Use& use,
                std::string* out) const;
  void PrintReservations(const v1::Pool& pool, std::string* out) const;
  void PrintWaiter(const v1::Pool& pool, const v1::Waiter& waiter, std::string* out) const;
  bool Shows(const v1::Feature& feature) const;

  const ClusterView view_;
  const LmstatChoice& choice_;
  std::vector<Server> servers_;
  std::vector<std::string> vendors_;
  std::set<std::string> stopped_;  // by lmdown -vendor
};

Printer::Printer(const std::vector<NodeAnswer>& nodes, const LmstatChoice& choice)
    : view_(MergeStatus(nodes)), choice_(choice), vendors_(view_.vendors) {
  for (const NodeView& node : view_.nodes) {
    Server server;
    server.node = node.node;
    server.address = node.address;
    server.error = node.error;
    server.foreign = IsForeign(absl::UnavailableError(node.error));
    const client::SearchPath path = client::ParseSearchPath(node.address);
    if (path.entries.size() == 1 && !path.entries[0].clusters.empty()) {
      server.host = path.entries[0].clusters[0].servers[0].host;
      server.port = path.entries[0].clusters[0].servers[0].port;
    }
    for (const NodeAnswer& answer : nodes) {
      if (!answer.status || answer.status->slot() != node.node) continue;
      stopped_.insert(answer.status->stopped_vendors().begin(),
                      answer.status->stopped_vendors().end());
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
    if (choice_.server && *choice_.server != server.host) continue;
    if (server.foreign) {
      absl::StrAppend(out, server.host, ": ", server.error, "\n");
      continue;
    }
    if (server.version.empty()) {
      absl::StrAppend(out, server.host, ": Cannot connect to license server system. (",
                      kLmCannotConnect, ",", SystemError(server.error), ")\n");
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
                    ": The desired vendor daemon is down. (", kLmVendorDown, ",121)\n");
    return kLmVendorDown;
  }
  if (usage == nullptr && !vendors_.empty()) return kLmVendorDown;
  if (one_feature && !feature_found) {
    absl::StrAppend(out, "Feature usage info:\n\nUsers of ", *choice_.feature,
                    ": Cannot get users of ", *choice_.feature, ": No such feature exists. (",
                    kLmNoSuchFeature, ",222)\n\n");
    return kLmNoSuchFeature;
  }
  return 0;
}

void Printer::PrintVendor(const std::string& vendor, const v1::Usage* usage,
                          std::string* out) const {
  absl::StrAppend(out, absl::StrFormat("%10s", vendor), ": ");
  if (usage == nullptr || stopped_.contains(vendor)) {
    absl::StrAppend(out, "The desired vendor daemon is down. (", kLmVendorDown, ",121)\n");
    return;
  }
  absl::StrAppend(out, "UP v", Told().version, "\n");
  if (!choice_.features) return;
  absl::StrAppend(out, "Feature usage info:\n\n");
  for (const v1::Feature& feature : usage->features()) {
    if (feature.vendor() == vendor && Shows(feature)) PrintFeature(*usage, feature, out);
  }
}

bool Printer::Shows(const v1::Feature& feature) const {
  if (choice_.feature && *choice_.feature != feature.name()) return false;
  return !choice_.in_use_only || feature.used() + feature.reserved() + feature.queued() > 0;
}

void Printer::PrintFeature(const v1::Usage& usage, const v1::Feature& feature,
                           std::string* out) const {
  absl::StrAppend(out, "Users of ", Printable(feature.name()), ":  ");
  if (feature.gone()) {
    absl::StrAppend(out, "(Error: ", Licenses(feature.used()),
                    ", unsupported by licensed server)\n\n");
  } else if (feature.uncounted()) {
    absl::StrAppend(out, "(Uncounted, node-locked)\n\n");
  } else {
    // As FlexNet counts: what is set aside is in use.
    absl::StrAppend(out, "(Total of ", Licenses(feature.issued()), " issued;  Total of ",
                    Licenses(feature.used() + feature.reserved()), " in use)\n\n");
  }
  if (!choice_.users) return;
  for (const v1::Pool& pool : feature.pools()) PrintPool(usage, feature, pool, out);
}

void Printer::PrintPool(const v1::Usage& usage, const v1::Feature& feature, const v1::Pool& pool,
                        std::string* out) const {
  std::string lines;
  for (const v1::Use& use : pool.uses()) PrintUse(usage, pool, use, &lines);
  PrintReservations(pool, &lines);
  for (const v1::Waiter& waiter : feature.waiting()) {
    if (waiter.pool() == pool.id()) PrintWaiter(pool, waiter, &lines);
  }
  if (lines.empty()) return;
  const bool permanent = pool.expires() == "permanent";
  const std::string expiry = permanent ? "permanent(no expiration date)" : pool.expires();
  absl::StrAppend(out, "  \"", Printable(feature.name()), "\" v",
                  pool.version().empty() ? "0" : pool.version(), ", vendor: ", feature.vendor(),
                  expiry.empty() ? "" : ", expiry: ", expiry, "\n");
  if (!pool.vendor_string().empty()) {
    absl::StrAppend(out, "  vendor_string: ", Printable(pool.vendor_string()), "\n");
  }
  if (pool.host_ids().empty()) {
    absl::StrAppend(out, "  floating license\n\n");
  } else if (pool.uncounted() && pool.host_ids() == "ANY") {
    absl::StrAppend(out, "  uncounted nodelocked license locked to NOTHING (hostid=ANY)\n\n");
  } else {
    absl::StrAppend(out, pool.uncounted() ? "  uncounted " : "  ",
                    "nodelocked license, locked to \"", Printable(pool.host_ids()), "\"\n\n");
  }
  absl::StrAppend(out, lines, "\n");
}

const Server& Printer::Of(uint32_t node) const {
  for (const Server& server : servers_) {
    if (server.node == node) return server;
  }
  return Told();  // of what no session holds
}

// "ann pc1 /dev/tty DATA (v8.0) (host1/27000 101)": who it is, and the key for lmremove.
std::string Printer::Who(const WhoShown& who, const v1::Pool& pool) const {
  const Server& server = Of(who.node);
  return absl::StrCat("    ", LmShown(who.user), " ", LmShown(who.host), " ", LmShown(who.display),
                      who.data.empty() ? "" : " ", Printable(who.data), " (v",
                      who.version.empty() ? (pool.version().empty() ? "0" : pool.version())
                                          : Printable(who.version),
                      ") (", server.host, "/", server.port, " ", who.handle, ")");
}

void Printer::PrintUse(const v1::Usage& usage, const v1::Pool& pool, const v1::Use& use,
                       std::string* out) const {
  const v1::Holding& holding = use.holding();
  const absl::CivilSecond start = CivilTime(holding.start_wall_ms(), holding.start_utc_offset_s());
  absl::StrAppend(out,
                  Who({.user = use.user(),
                       .host = use.host(),
                       .display = use.display(),
                       .data = holding.checkout_data(),
                       .version = holding.version(),
                       .node = use.node(),
                       .handle = holding.handle()},
                      pool),
                  ", start ", WeekdayAndDay(start),
                  absl::StrFormat(" %d:%02d", start.hour(), start.minute()));
  if (choice_.seconds) absl::StrAppend(out, absl::StrFormat(":%02d", start.second()));
  if (holding.count() > 1) absl::StrAppend(out, ", ", Licenses(holding.count()));
  if (choice_.processes && use.process_id() != 0) {
    absl::StrAppend(out, ", PID: ", use.process_id());
  }
  constexpr uint64_t kSecond = 1'000;
  if (use.linger_ms() > 0) {
    absl::StrAppend(out, " (linger: ", use.lingered_ms() / kSecond, " / ",
                    use.linger_ms() / kSecond, ")");
  } else if (holding.borrowed_until_wall_ms() != 0) {
    const int64_t total_ms = holding.borrowed_until_wall_ms() - holding.start_wall_ms();
    const int64_t elapsed_ms =
        std::clamp<int64_t>(usage.now_wall_ms() - holding.start_wall_ms(), 0, total_ms);
    absl::StrAppend(out, " (linger: ", elapsed_ms / int64_t{kSecond}, " / ",
                    total_ms / int64_t{kSecond}, ")");
  }
  if (choice_.projects && !use.project().empty()) {
    absl::StrAppend(out, ", project: ", Printable(use.project()));
  }
  absl::StrAppend(out, "\n");
}

// What is set aside and not out: the lines of a feature add up to what is in use.
void Printer::PrintReservations(const v1::Pool& pool, std::string* out) const {
  uint64_t left = pool.licenses() - std::min(pool.licenses(), pool.used());
  const Server& server = Told();
  for (const v1::PoolReservation& reservation : pool.reservations()) {
    const uint64_t unused = std::min(left, reservation.count() - reservation.used());
    if (unused == 0) continue;
    left -= unused;
    absl::StrAppend(out, "\t", unused, unused == 1 ? " RESERVATION" : " RESERVATIONs", " for ",
                    reservation.type(), " ", LmShown(reservation.name()), " (", server.host, "/",
                    server.port, ")\n");
  }
}

void Printer::PrintWaiter(const v1::Pool& pool, const v1::Waiter& waiter, std::string* out) const {
  absl::StrAppend(out,
                  Who({.user = waiter.user(),
                       .host = waiter.host(),
                       .display = waiter.display(),
                       .data = waiter.checkout_data(),
                       .version = waiter.version(),
                       .node = waiter.node(),
                       .handle = waiter.ticket()},
                      pool),
                  " queued for ", Licenses(std::max<uint64_t>(1, waiter.count())), "\n");
}

// What the arguments choose. nullopt: nothing of a server's is asked for.
LmstatChoice ChoiceOf(const Args& args) {
  LmstatChoice choice;
  choice.users = !args.Has("no-user-info");
  choice.in_use_only = args.Has("A");
  choice.seconds = args.Has("asec");
  choice.projects = args.Has("proj");
  choice.processes = args.Has("pid");
  choice.features = args.Has("a") || args.Has("asec") || args.Has("A") || args.Has("f") ||
                    args.Has("S") || args.Has("proj") || args.Has("pid");
  if (!args.Value("s").empty()) choice.server = args.Value("s");
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
                          "give one with -c, or ask the servers with -a. (", kLmNoLicenseFile,
                          ")\n"));
    return LmExit(kLmNoLicenseFile);
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

int PrintClusters(const Args& args, const std::vector<client::Cluster>& clusters,
                  int64_t timeout_ms) {
  const LmstatChoice choice = ChoiceOf(args);
  v1::GetUsageRequest request;
  request.set_no_checkouts(!choice.users || !choice.features);
  if (choice.feature) request.set_feature(*choice.feature);
  int first_error = 0;
  bool any_good = false;
  for (const auto& group : Alternatives(clusters)) {
    const std::vector<NodeAnswer> nodes = AskFirstThatAnswers(group, timeout_ms);
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
  return absl::StrCat(LmFirstLine(), "Flexible License Manager status on ", WeekdayAndDay(now), "/",
                      now.year(), absl::StrFormat(" %02d:%02d", now.hour(), now.minute()), "\n\n");
}

std::string LmstatCluster(const std::vector<NodeAnswer>& nodes,
                          const absl::StatusOr<v1::Usage>& usage, const LmstatChoice& choice,
                          int* error) {
  const Printer printer(nodes, choice);
  std::string out;
  *error = 0;
  if (!printer.reachable()) {
    if (printer.foreign()) {
      *error = kLmBadReply;
      return absl::StrCat("Error getting status: ", printer.FirstError(), "\n");
    }
    *error = kLmCannotConnect;
    return absl::StrCat("Error getting status: Cannot connect to license server (",
                        kLmCannotConnect, ",", SystemError(printer.FirstError()), ")\n");
  }
  if (usage.status().code() == absl::StatusCode::kPermissionDenied && choice.features) {
    *error = kLmNotAdministrator;
    return absl::StrCat("Error getting status: ", usage.status().message(), "\n");
  }
  if (choice.servers) printer.PrintServers(&out);
  if (choice.vendors) *error = printer.PrintVendors(usage.ok() ? &*usage : nullptr, &out);
  return out;
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

std::string LmShown(absl::string_view name) {
  return name.empty() ? "-" : Printable(name);
}

std::string LmstatHelp() {
  return "usage: lmstat [-c LICENSE_PATH] [OPTION...]\n"
         "    -a              everything: servers, vendors, features and who holds them\n"
         "    -A              the same, only features that are in use\n"
         "    -f [FEATURE]    one feature, or all\n"
         "    -S [VENDOR]     the features of one vendor\n"
         "    -s [HOST]       only the servers, or one of them\n"
         "    -asec           as -a, times with seconds\n"
         "    -proj           as -a, with each user's LM_PROJECT\n"
         "    -pid            as -a, with each user's process, as FlexNet has it from 11.19 on\n"
         "    -lm, -vd        only the servers; only the vendors\n"
         "    -i [FEATURE]    what the license file says, without asking a server\n"
         "    --no-user-info  with -a, -A, -f, -S: counts only\n"
         "    -c PATH         license files, directories, port@host, "
         "port@host,port@host,port@host\n"
         "    -t SECONDS      how long a server may take to answer (1)\n"
         "    --insecure      plaintext to other machines\n"
         "    -v, -help       version; this text\n"
         "exit: 0, or 256 less FlexNet's error number: 241 cannot connect (-15)\n";
}

int LmstatVerb(const std::vector<std::string>& arguments) {
  const FlagTable table = WithLmFlags({{"a"},
                                       {"A"},
                                       {"asec"},
                                       {"f", Takes::kOptionalValue},
                                       {"S", Takes::kOptionalValue},
                                       {"s", Takes::kOptionalValue},
                                       {"i", Takes::kOptionalValue},
                                       {"t", Takes::kValue},
                                       {"proj"},
                                       {"pid"},
                                       {"lm"},
                                       {"vd"},
                                       {"no-user-info"}});
  const auto args = ParseArgs(table, Words::kNone, arguments);
  if (!args.ok()) return LmRefuseUsage("lmstat", args.status());
  if (LmHelpOrVersion(*args, "lmstat", LmstatHelp())) return 0;
  int64_t timeout_ms = StatusTimeoutMs();
  if (args->Has("t")) {
    const auto given = ParseSeconds(args->Value("t"));
    if (!given.ok() || *given == 0) {
      return LmRefuseUsage("lmstat", absl::InvalidArgumentError("-t takes seconds, as in -t 5"));
    }
    timeout_ms = *given;
  }
  const absl::Time now = absl::Now();
  const int32_t offset = absl::LocalTimeZone().At(now).offset;
  ToStdout(LmstatHeader(absl::ToUnixMillis(now), offset));
  if (args->Has("i")) return PrintFileTable(*args);
  const auto found = FindTheClusters(*args);
  if (!found.ok()) {
    ToStdout(absl::StrCat("Error getting status: ", found.status().message(), " (",
                          kLmNoLicenseFile, ")\n"));
    return LmExit(kLmNoLicenseFile);
  }
  return PrintClusters(*args, found->clusters, timeout_ms);
}

}  // namespace triad::cli
