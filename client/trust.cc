#include "client/trust.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace triad::client {
namespace {

using license::TlsFiles;

constexpr char kMachinesDirectory[] = "/etc/triad/tls";

// A certificate of more rights goes before one of fewer.
constexpr const char* kOwnNames[] = {"admin", "client"};

absl::Status ReadInto(const std::string& path, const Machine& machine, std::string* content) {
  if (path.empty()) return absl::OkStatus();
  auto text = machine.read_file(path);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat(path, ": ", std::string(text.status().message())));
  }
  if (text->empty()) return absl::FailedPreconditionError(absl::StrCat(path, ": is empty"));
  *content = *std::move(text);
  return absl::OkStatus();
}

absl::StatusOr<Trust> Load(const TlsFiles& paths, const Machine& machine, int64_t now_s) {
  if (paths.certificate.empty() != paths.key.empty()) {
    return absl::FailedPreconditionError(
        "a certificate and its key go together: give both, or neither");
  }
  Trust trust;
  trust.paths = paths;
  absl::Status status = ReadInto(paths.ca, machine, &trust.contents.ca);
  if (status.ok()) status = ReadInto(paths.certificate, machine, &trust.contents.certificate);
  if (status.ok()) status = ReadInto(paths.key, machine, &trust.contents.key);
  if (status.ok()) status = license::CheckTlsFiles(paths, trust.contents, now_s);
  if (!status.ok()) return status;
  return trust;
}

// What a directory has of one program's files; "" for a directory without an authority. Keys that
// this user may not read are somebody else's, and are passed over.
TlsFiles FilesIn(const std::string& directory, const Machine& machine) {
  const auto is_there = [&](const std::string& path) { return machine.read_file(path).ok(); };
  const std::string ca = absl::StrCat(directory, "/ca.crt");
  if (absl::IsNotFound(machine.read_file(ca).status())) return {};
  for (const char* name : kOwnNames) {
    const std::string certificate = absl::StrCat(directory, "/", name, ".crt");
    const std::string key = absl::StrCat(directory, "/", name, ".key");
    if (is_there(certificate) && is_there(key)) return {ca, certificate, key};
  }
  return {ca, "", ""};
}

TlsFiles FilesOfEnvironment(const Machine& machine) {
  const auto variable = [&](const char* name) { return machine.environment(name).value_or(""); };
  return {variable("TRIAD_TLS_CA"), variable("TRIAD_TLS_CERT"), variable("TRIAD_TLS_KEY")};
}

}  // namespace

absl::StatusOr<Trust> FindTrust(const TlsFiles& named, bool insecure, const Machine& machine,
                                int64_t now_s) {
  TlsFiles own = FilesOfEnvironment(machine);
  if (!named.ca.empty()) own.ca = named.ca;
  if (!named.certificate.empty() || !named.key.empty()) {
    own.certificate = named.certificate;
    own.key = named.key;
  }
  if (!own.ca.empty()) return Load(own, machine, now_s);
  if (insecure) return Trust();
  std::vector<std::string> directories;
  const std::string home = machine.environment("HOME").value_or("");
  if (!home.empty()) directories.push_back(absl::StrCat(home, "/.config/triad"));
  directories.emplace_back(kMachinesDirectory);
  for (const std::string& directory : directories) {
    TlsFiles found = FilesIn(directory, machine);
    if (found.ca.empty()) continue;
    if (!own.certificate.empty() || !own.key.empty()) {
      found.certificate = own.certificate;
      found.key = own.key;
    }
    return Load(found, machine, now_s);
  }
  if (!own.certificate.empty() || !own.key.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(own.certificate, own.certificate.empty() ? own.key : "",
                     ": a certificate without an authority: give --tls-ca (TRIAD_TLS_CA) too"));
  }
  return Trust();
}

}  // namespace triad::client
