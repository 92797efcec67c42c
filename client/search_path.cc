#include "client/search_path.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "client/limits.h"
#include "license/license_file.h"

namespace triad::client {
namespace {

constexpr char kDefaultFile[] = "/etc/triad/license.dat";

bool IsIpv4(absl::string_view host) {
  std::vector<absl::string_view> parts = absl::StrSplit(host, '.');
  if (parts.size() != 4) return false;
  for (absl::string_view part : parts) {
    int value = 0;
    if (part.empty() || part.size() > 3 || !absl::ascii_isdigit(part[0]) ||
        !absl::SimpleAtoi(part, &value) || value > 255) {
      return false;
    }
  }
  return true;
}

bool IsHostCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
}

// At the ':' between list elements, not at those of a bracketed IPv6 address.
std::vector<absl::string_view> SplitList(absl::string_view text) {
  std::vector<absl::string_view> parts;
  size_t begin = 0;
  bool bracketed = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ':' && !bracketed)) {
      if (i > begin) parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    } else if (text[i] == '[') {
      bracketed = true;
    } else if (text[i] == ']') {
      bracketed = false;
    }
  }
  return parts;
}

// A port of 0 stands for "not given" ("@host"). Returns "" or what is wrong.
std::string ParseAddress(absl::string_view text, Address* address) {
  const size_t at = text.find('@');
  absl::string_view port = text.substr(0, at);
  absl::string_view host = text.substr(at + 1);
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) return "the ] of the IPv6 address is missing";
  } else if (absl::StrContains(host, ":")) {
    return "write an IPv6 address in brackets, as in 27000@[fd00::1]";
  }
  if (host.empty()) return "the host is missing: write port@host";
  if (!std::all_of(host.begin(), host.end(), IsHostCharacter)) return "this is not a host name";
  address->host = std::string(host);
  address->port = 0;
  if (port.empty()) return "";
  if (!std::all_of(port.begin(), port.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(port, &address->port) || address->port < 1 || address->port > 65535) {
    return "the port must be a number from 1 to 65535";
  }
  return "";
}

// Reads "p@h", "@h" or "p@h,p@h,p@h" into entry.clusters. Returns "" or what is wrong.
std::string ParseServers(absl::string_view text, PathEntry* entry) {
  std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  if (parts.size() != 1 && parts.size() != kServersMax) {
    return absl::StrCat("one server or three belong together, not ", parts.size());
  }
  Cluster cluster;
  cluster.source = std::string(text);
  for (absl::string_view part : parts) {
    if (!absl::StrContains(part, '@')) return absl::StrCat("'", part, "' is not port@host");
    Address address;
    std::string wrong = ParseAddress(part, &address);
    if (!wrong.empty()) return wrong;
    if (address.port == 0 && parts.size() > 1) {
      return absl::StrCat("'", part, "' needs a port, as every server of three does");
    }
    if (std::find(cluster.servers.begin(), cluster.servers.end(), address) !=
        cluster.servers.end()) {
      return absl::StrCat("'", part, "' stands twice");
    }
    cluster.servers.push_back(std::move(address));
  }
  if (cluster.servers[0].port != 0) {
    entry->clusters.push_back(std::move(cluster));
    return "";
  }
  for (int port = kFirstDefaultPort; port <= kLastDefaultPort; ++port) {
    Cluster one = cluster;
    one.servers[0].port = port;
    entry->clusters.push_back(std::move(one));
  }
  return "";
}

// "genesys_LICENSE_FILE=27000@lic1": the lines of $HOME/.flexlmrc.
std::optional<std::string> FromRcFile(absl::string_view text,
                                      const std::vector<std::string>& variables) {
  for (const std::string& variable : variables) {
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      line = absl::StripAsciiWhitespace(line);
      if (!absl::ConsumePrefix(&line, variable)) continue;
      line = absl::StripLeadingAsciiWhitespace(line);
      if (!absl::ConsumePrefix(&line, "=")) continue;
      line = absl::StripAsciiWhitespace(line);
      if (!line.empty()) return std::string(line);
    }
  }
  return std::nullopt;
}

void AddCluster(Cluster cluster, Clusters* out) {
  for (const Cluster& known : out->clusters) {
    if (known.servers == cluster.servers) return;
  }
  if (out->clusters.size() == kClustersMax) {
    out->problems.push_back(absl::StrCat(cluster.source, ": passed over, a search path leads to ",
                                         kClustersMax, " clusters at most"));
    return;
  }
  out->clusters.push_back(std::move(cluster));
}

void AddFile(const std::string& path, const Machine& machine, Clusters* out) {
  absl::StatusOr<std::string> text = machine.read_file(path);
  if (!text.ok()) {
    out->problems.push_back(absl::StrCat(path, ": ", text.status().message()));
    return;
  }
  std::string problem;
  std::optional<Cluster> cluster = ClusterOfFile(path, *text, &problem);
  if (!cluster.has_value()) {
    out->problems.push_back(std::move(problem));
    return;
  }
  AddCluster(*std::move(cluster), out);
}

void AddPath(absl::string_view text, const Machine& machine, Clusters* out) {
  SearchPath path = ParseSearchPath(text);
  out->problems.insert(out->problems.end(), path.problems.begin(), path.problems.end());
  for (PathEntry& entry : path.entries) {
    if (entry.kind == PathEntry::Kind::kServers) {
      for (Cluster& cluster : entry.clusters) AddCluster(std::move(cluster), out);
      continue;
    }
    absl::StatusOr<std::vector<std::string>> files = machine.list_directory(entry.path);
    if (!files.ok()) {  // not a directory
      AddFile(entry.path, machine, out);
      continue;
    }
    if (files->empty()) {
      out->problems.push_back(absl::StrCat(entry.path, ": no *.lic file in this directory"));
    }
    for (const std::string& file : *files) AddFile(file, machine, out);
  }
}

}  // namespace

std::string FormatAddress(const Address& address) {
  if (absl::StrContains(address.host, ":")) {
    return absl::StrCat(address.port, "@[", address.host, "]");
  }
  return absl::StrCat(address.port, "@", address.host);
}

std::string DialTarget(const Address& address) {
  if (absl::StrContains(address.host, ":")) {
    // In a gRPC target the '%' of a zone is written as %25.
    return absl::StrCat("ipv6:[", absl::StrJoin(absl::StrSplit(address.host, '%'), "%25"),
                        "]:", address.port);
  }
  return absl::StrCat(IsIpv4(address.host) ? "ipv4:" : "dns:///", address.host, ":", address.port);
}

bool IsLoopback(const Address& address) {
  return (IsIpv4(address.host) && absl::StartsWith(address.host, "127.")) ||
         address.host == "::1" || absl::EqualsIgnoreCase(address.host, "localhost");
}

SearchPath ParseSearchPath(absl::string_view text) {
  SearchPath path;
  for (absl::string_view part : SplitList(text)) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty()) continue;
    PathEntry entry;
    entry.text = std::string(part);
    // A '@' in a directory's name is meant as such if a '/' comes before it.
    const size_t at = part.find('@');
    if (at == absl::string_view::npos || part.find('/') < at) {
      entry.kind = PathEntry::Kind::kPath;
      entry.path = entry.text;
    } else {
      entry.kind = PathEntry::Kind::kServers;
      std::string wrong = ParseServers(part, &entry);
      if (!wrong.empty()) {
        path.problems.push_back(absl::StrCat("search path: '", part, "': ", wrong));
        continue;
      }
    }
    path.entries.push_back(std::move(entry));
  }
  return path;
}

std::vector<std::string> VendorVariables(absl::string_view vendor) {
  if (vendor.empty()) return {};
  std::string upper = absl::AsciiStrToUpper(vendor);
  for (char& c : upper) {
    if (!absl::ascii_isalnum(c)) c = '_';
  }
  std::vector<std::string> variables = {absl::StrCat(upper, "_LICENSE_FILE")};
  std::string literal = absl::StrCat(vendor, "_LICENSE_FILE");
  if (literal != variables[0]) variables.push_back(std::move(literal));
  return variables;
}

std::optional<Cluster> ClusterOfFile(absl::string_view name, absl::string_view text,
                                     std::string* problem) {
  const license::LicenseFile file = license::ReadLicenseFile(name, text);
  if (file.servers.empty()) {
    *problem = absl::StrCat(name, ": no SERVER line: add the license servers' lines, or use ",
                            "port@host");
    return std::nullopt;
  }
  if (file.servers.size() != 1 && file.servers.size() != kServersMax) {
    *problem = absl::StrCat(name, ":", file.servers.back().position.line, ": ", file.servers.size(),
                            " SERVER lines: there must be one or three");
    return std::nullopt;
  }
  Cluster cluster;
  cluster.source = std::string(name);
  for (const license::ServerLine& line : file.servers) {
    Address address{line.host, line.port};
    if (absl::EqualsIgnoreCase(address.host, "this_host")) address.host = "localhost";
    if (address.port == 0) {
      if (file.servers.size() == kServersMax) {
        *problem = absl::StrCat(name, ":", line.position.line,
                                ": this SERVER line needs a port, as every line of three does");
        return std::nullopt;
      }
      address.port = kFirstDefaultPort;
    }
    cluster.servers.push_back(std::move(address));
  }
  return cluster;
}

Clusters FindClusters(absl::string_view license_path, absl::string_view vendor,
                      const Machine& machine) {
  Clusters out;
  if (!license_path.empty()) {
    out.origin = "argument";
    AddPath(license_path, machine, &out);
    return out;
  }
  std::vector<std::string> variables = VendorVariables(vendor);
  variables.push_back("LM_LICENSE_FILE");
  auto add = [&](absl::string_view origin, absl::string_view text) {
    if (out.origin.empty()) out.origin = std::string(origin);
    AddPath(text, machine, &out);
  };
  for (const std::string& variable : variables) {
    std::optional<std::string> value = machine.environment(variable);
    if (value.has_value() && !value->empty()) add(variable, *value);
  }
  std::optional<std::string> home = machine.environment("HOME");
  if (home.has_value() && !home->empty()) {
    const std::string rc = absl::StrCat(*home, "/.flexlmrc");
    absl::StatusOr<std::string> text = machine.read_file(rc);
    if (text.ok()) {
      std::optional<std::string> value = FromRcFile(*text, variables);
      if (value.has_value()) add(rc, *value);
    }
  }
  absl::StatusOr<std::string> text = machine.read_file(kDefaultFile);
  if (text.ok()) add(kDefaultFile, kDefaultFile);
  if (out.origin.empty()) {
    out.problems.push_back(absl::StrCat("no license search path: give one, or set ",
                                        absl::StrJoin(variables, " or "), ", or install ",
                                        kDefaultFile));
  }
  return out;
}

}  // namespace triad::client
