#include "server/site.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "license/license_file.h"
#include "license/limits.h"
#include "license/signature.h"
#include "server/limits.h"
#include "server/on_cores.h"
#include "server/system.h"
#include "server/usage.h"

namespace triad::server {
namespace {

constexpr size_t kKeyFileBytesMax = 64u << 10;
constexpr char kUsualCa[] = "/etc/triad/tls/ca.crt";
constexpr char kUsualCertificate[] = "/etc/triad/tls/node.crt";
constexpr char kUsualKey[] = "/etc/triad/tls/node.key";

std::vector<std::string> LicensePaths(const std::string& list) {
  std::vector<std::string> paths;
  for (absl::string_view part : absl::StrSplit(list, ':', absl::SkipEmpty())) {
    const std::string path = std::filesystem::absolute(std::string(part)).lexically_normal();
    if (!IsDirectory(path)) {
      paths.push_back(path);
      continue;
    }
    for (std::string& file : ListFiles(path, ".lic")) paths.push_back(std::move(file));
  }
  return paths;
}

// Where a vendor's options file is looked for, the first that is named or there.
struct OptionsPlace {
  std::string vendor;
  std::string path;
  std::string named_by;  // "": a usual place, where there need be none
};

// FlexNet's usual place, and ours.
std::vector<OptionsPlace> UsualPlaces(const std::string& vendor, const std::string& license) {
  const std::filesystem::path dir = std::filesystem::path(license).parent_path();
  const std::string name = absl::StrCat(vendor, ".opt");
  return {{vendor, (dir / "options.d" / name).string(), ""}, {vendor, (dir / name).string(), ""}};
}

// In order: the flag's, the VENDOR lines', options.d beside a license file, VENDOR.opt beside it.
std::vector<OptionsPlace> OptionsPlaces(const Flags& flags, const Site& site) {
  std::vector<OptionsPlace> places;
  std::vector<OptionsPlace> usual;
  for (const std::string& option : flags.options) {
    const std::pair<std::string, std::string> named =
        absl::StrSplit(option, absl::MaxSplits('=', 1));
    places.push_back({named.first, named.second, absl::StrCat("--options=", option)});
  }
  for (const auto& file : site.files.license_files()) {
    const license::LicenseFile read = license::ReadLicenseFile(file.name(), file.content());
    const std::filesystem::path dir = std::filesystem::path(file.name()).parent_path();
    for (const license::VendorLine& line : read.vendors) {
      for (OptionsPlace& place : UsualPlaces(line.vendor, file.name())) usual.push_back(place);
      if (line.options_path.empty()) continue;
      places.push_back({line.vendor, (dir / line.options_path).lexically_normal().string(),
                        absl::StrCat(line.position.file, ":", line.position.line)});
    }
  }
  places.insert(places.end(), usual.begin(), usual.end());
  return places;
}

void ReadOptions(const Flags& flags, Site* site, size_t* bytes) {
  std::map<std::string, std::string> taken;  // vendor -> path
  for (const OptionsPlace& place : OptionsPlaces(flags, *site)) {
    std::error_code error;
    if (place.named_by.empty() && !std::filesystem::exists(place.path, error)) continue;
    const auto [had, fresh] = taken.try_emplace(place.vendor, place.path);
    if (!fresh) {
      if (had->second == place.path) continue;
      site->problems.push_back(absl::StrCat("options file ", place.path, " for ", place.vendor,
                                            " is not used: ", had->second, " is"));
      continue;
    }
    auto text = ReadFile(place.path, license::kLicenseSetBytesMax);
    if (!text.ok()) {
      site->problems.push_back(absl::StrCat(
          "options file ", std::string(text.status().message()),
          place.named_by.empty() ? "" : absl::StrCat(" (named by ", place.named_by, ")")));
      continue;
    }
    *bytes += text->size();
    auto* file = site->files.add_option_files();
    file->set_name(place.vendor);
    file->set_path(place.path);
    file->set_content(*std::move(text));
  }
}

void ReadKeys(const std::string& dir, Site* site) {
  const std::vector<std::string> files = ListFiles(dir, ".pub");
  if (files.empty()) {
    site->problems.push_back(absl::StrCat(dir,
                                          ": no vendor's key (*.pub) there: no license line can be "
                                          "checked; install the vendor's .pub file"));
  }
  for (const std::string& path : files) {
    const auto text = ReadFile(path, kKeyFileBytesMax);
    if (!text.ok()) {
      site->problems.emplace_back(std::string(text.status().message()));
      continue;
    }
    const auto key = license::ParsePublicKey(path, *text);
    if (!key.ok()) {
      site->problems.emplace_back(std::string(key.status().message()));
      continue;
    }
    auto* wire = site->files.add_vendor_keys();
    wire->set_vendor(key->vendor);
    wire->set_public_key(std::string(key->key.begin(), key->key.end()));
  }
}

bool Names(const license::ServerLine& line, const license::MachineIds& machine) {
  const auto& names = machine.hostnames;
  const auto& addresses = machine.addresses;
  if (std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return absl::EqualsIgnoreCase(name, line.host);
      })) {
    return true;
  }
  if (std::find(addresses.begin(), addresses.end(), line.host) != addresses.end()) return true;
  using Type = license::HostId::Type;
  const Type type = line.host_id.type;
  // ANY and ID= name every machine, and so none.
  const bool particular = type == Type::kEther || type == Type::kHostname || type == Type::kMachine;
  return particular && license::Matches(line.host_id, machine);
}

std::string Describe(const license::MachineIds& machine) {
  return absl::StrCat("ether ",
                      machine.ethers.empty() ? "none" : absl::StrJoin(machine.ethers, " "),
                      ", hostname ", absl::StrJoin(machine.hostnames, " "),
                      machine.uuid.empty() ? "" : absl::StrCat(", UUID=", machine.uuid));
}

bool IsLoopback(const std::string& host) {
  return absl::StartsWith(host, "127.") || host == "::1" || host == "localhost";
}

}  // namespace

std::string ServerSetOf(const license::Catalog& catalog) {
  return absl::HexStringToBytes(catalog.server_set());
}

absl::StatusOr<Site> ReadSite(const Flags& flags) {
  Site site;
  size_t bytes = 0;
  for (const std::string& path : LicensePaths(flags.license)) {
    auto text = ReadFile(path, license::kLicenseSetBytesMax);
    if (!text.ok()) {
      site.problems.push_back(absl::StrCat("license file ", std::string(text.status().message())));
      continue;
    }
    bytes += text->size();
    auto* file = site.files.add_license_files();
    file->set_name(path);
    file->set_content(*std::move(text));
  }
  ReadOptions(flags, &site, &bytes);
  if (bytes > license::kLicenseSetBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("license and options files together are larger than ",
                     license::kLicenseSetBytesMax, " bytes"));
  }
  ReadKeys(flags.vendor_keys, &site);
  site.catalog = license::Catalog::Build(SourcesOf(site.files), {.known = {}, .for_each = OnCores});
  return site;
}

absl::StatusOr<std::vector<Node::Server>> ServersOf(const std::vector<license::ServerLine>& lines) {
  if (lines.empty()) {
    return absl::FailedPreconditionError(
        "no SERVER lines (-13): the license file needs one, or three for three hosts");
  }
  if (lines.size() != 1 && lines.size() != 3) {
    const auto& at = lines.back().position;
    return absl::FailedPreconditionError(
        absl::StrCat(at.file, ":", at.line, ":", at.column, ": ", lines.size(),
                     " SERVER lines: a license server has one, or three that run as one; ask the "
                     "vendor for such a file"));
  }
  std::vector<Node::Server> servers;
  for (const license::ServerLine& line : lines) {
    if (line.port == 0 && lines.size() > 1) {
      return absl::FailedPreconditionError(
          absl::StrCat(line.position.file, ":", line.position.line,
                       ": SERVER line without a port: add one, such as 27000"));
    }
    servers.push_back({static_cast<quorum::Slot>(servers.size() + 1), line.host,
                       line.port == 0 ? kDefaultPort : line.port});
  }
  return servers;
}

absl::StatusOr<std::vector<Node::Server>> ServersOf(const license::Catalog& catalog) {
  if (catalog.servers().empty()) {
    for (const auto& diagnostic : catalog.diagnostics()) {
      const bool about_servers = absl::StrContains(diagnostic.message, "SERVER");
      if (about_servers && diagnostic.severity == license::Severity::kError) {
        return absl::FailedPreconditionError(diagnostic.ToString());
      }
    }
  }
  return ServersOf(catalog.servers());
}

absl::StatusOr<quorum::Slot> FindSlot(const Flags& flags,
                                      const std::vector<license::ServerLine>& lines,
                                      const license::MachineIds& machine) {
  if (flags.node > static_cast<int>(lines.size())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--node=", flags.node, ": the license file has ", lines.size(), " SERVER line(s)"));
  }
  if (flags.node != 0) return static_cast<quorum::Slot>(flags.node);
  if (lines.size() == 1) return quorum::Slot::k1;
  std::vector<int> found;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (Names(lines[i], machine)) found.push_back(static_cast<int>(i) + 1);
  }
  if (found.size() == 1) return static_cast<quorum::Slot>(found.front());
  return absl::FailedPreconditionError(
      absl::StrCat(found.empty() ? "no SERVER line names this machine"
                                 : "several SERVER lines name this machine",
                   " (", Describe(machine), "): give --node=1, 2 or 3"));
}

absl::Status CheckHostId(const license::ServerLine& line, const license::MachineIds& machine) {
  if (license::Matches(line.host_id, machine)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      line.position.file, ":", line.position.line, ": SERVER line for ", line.host,
      " says host id ", line.host_id.ToString(), ", this machine has ", Describe(machine),
      " (-9): run it on the machine that was licensed, or ask the vendor for a new file"));
}

bool MayRunOnWaiver(const v1::Members& members, const storage::Identity& identity,
                    const license::MachineIds& machine) {
  if (identity.rejoining) return true;
  for (const auto& node : members.nodes()) {
    if (node.incarnation() != identity.incarnation) continue;
    const auto host_id = license::ParseHostId(node.host_id());
    return node.waiver() && host_id.ok() && license::Matches(*host_id, machine);
  }
  // Let in, and its own log does not say so yet: none of the birth's.
  for (const storage::Member& member : identity.members) {
    if (member.incarnation == identity.incarnation) return false;
  }
  return !identity.cluster_id.empty();
}

std::string ShownHostId(const license::MachineIds& machine) {
  if (!machine.ethers.empty()) return machine.ethers.front();
  if (!machine.uuid.empty()) return absl::StrCat("UUID=", machine.uuid);
  return machine.hostnames.empty() ? "" : absl::StrCat("HOSTNAME=", machine.hostnames.front());
}

bool AllLoopback(const std::vector<Node::Server>& servers) {
  return std::all_of(servers.begin(), servers.end(),
                     [](const Node::Server& server) { return IsLoopback(server.host); });
}

std::optional<license::TlsFiles> ChooseTls(const Flags& flags,
                                           const std::vector<Node::Server>& servers) {
  if (!flags.tls_cert.empty()) {
    return license::TlsFiles{flags.tls_ca, flags.tls_cert, flags.tls_key};
  }
  if (flags.insecure || AllLoopback(servers)) return std::nullopt;
  return license::TlsFiles{kUsualCa, kUsualCertificate, kUsualKey};
}

}  // namespace triad::server
