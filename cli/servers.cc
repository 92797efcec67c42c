#include "cli/servers.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/channels.h"
#include "cli/foreign.h"
#include "cli/limits.h"
#include "cli/tls_probe.h"
#include "client/machine.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::cli {
namespace {

using Stub = v1::AdminService::Stub;

constexpr char kDefaultAdminSocket[] = "unix:/run/triad/admin.sock";

std::unique_ptr<Stub> Dial(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
  return v1::AdminService::NewStub(ChannelTo(target, arguments));
}

void SetDeadline(grpc::ClientContext* context, int64_t ms) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(ms));
}

// gRPC's words for a connection that failed are three sentences; what the system said is the last.
std::string Reason(const grpc::Status& status) {
  const std::string& message = status.error_message();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return "no answer in time";
  const size_t colon = message.rfind(": ");
  const bool connecting = absl::StrContains(message, "connect");
  return connecting && colon != std::string::npos ? message.substr(colon + 2) : message;
}

absl::Status ToAbsl(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), Reason(status));
}

void AddUnique(std::vector<client::Cluster> clusters, FoundClusters* out) {
  for (client::Cluster& cluster : clusters) {
    const bool known =
        std::any_of(out->clusters.begin(), out->clusters.end(),
                    [&](const client::Cluster& c) { return c.servers == cluster.servers; });
    if (!known) out->clusters.push_back(std::move(cluster));
  }
}

std::vector<std::string> Environment() {
  std::vector<std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    out.emplace_back(*entry);
  }
  return out;
}

// The values of the vendors' variables, then what libtriad reads ("").
std::vector<std::string> PathsOfEnvironment(const client::Machine& machine) {
  std::vector<std::string> paths;
  for (const std::string& name : VendorVariablesAmong(Environment())) {
    paths.push_back(machine.environment(name).value_or(""));
  }
  // $HOME/.flexlmrc has lines of the same form.
  const std::string home = machine.environment("HOME").value_or("");
  const auto text = machine.read_file(absl::StrCat(home, "/.flexlmrc"));
  if (!home.empty() && text.ok()) {
    const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
    for (const std::string& name : VendorVariablesAmong(lines)) {
      for (const std::string& line : lines) {
        if (absl::StartsWith(line, absl::StrCat(name, "="))) {
          paths.push_back(line.substr(name.size() + 1));
        }
      }
    }
  }
  paths.emplace_back("");
  return paths;
}

absl::Status CheckPlaintext(const FoundClusters& found, bool insecure) {
  if (insecure || TheTrust().tls()) return absl::OkStatus();
  for (const client::Cluster& cluster : found.clusters) {
    for (const client::Address& address : cluster.servers) {
      if (client::IsLoopback(address)) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(client::FormatAddress(address),
                       " is another machine and there is no TLS: put ca.crt into "
                       "/etc/triad/tls/ or give --tls-ca; or give --insecure, or set "
                       "TRIAD_INSECURE=1, to speak to it in plaintext"));
    }
  }
  return absl::OkStatus();
}

// Nodes that some answer names and that were not asked. Whoever was kept to this machine for want
// of TLS is kept to it here too.
std::vector<client::Address> Unasked(const std::vector<NodeAnswer>& answers) {
  const bool beyond_loopback =
      std::any_of(answers.begin(), answers.end(),
                  [](const NodeAnswer& answer) { return !client::IsLoopback(answer.address); });
  std::vector<client::Address> more;
  std::set<uint32_t> heard;
  for (const NodeAnswer& answer : answers) {
    if (answer.status) heard.insert(answer.status->slot());
  }
  for (const NodeAnswer& answer : answers) {
    if (!answer.status) continue;
    for (const auto& node : answer.status->nodes()) {
      if (!heard.insert(node.slot()).second) continue;
      const client::SearchPath path = client::ParseSearchPath(node.address());
      if (path.entries.size() != 1 || path.entries[0].clusters.size() != 1) continue;
      const client::Address& address = path.entries[0].clusters[0].servers[0];
      const bool asked = std::any_of(answers.begin(), answers.end(),
                                     [&](const NodeAnswer& a) { return a.address == address; });
      if (!asked && (beyond_loopback || client::IsLoopback(address))) more.push_back(address);
    }
  }
  return more;
}

// Of those that gave no answer: is there a program of another kind? One that is silent beside nodes
// of ours that answer hangs, and is none.
void TellForeign(int64_t timeout_ms, std::vector<NodeAnswer>* answers) {
  const bool any = std::any_of(answers->begin(), answers->end(),
                               [](const NodeAnswer& answer) { return answer.status.has_value(); });
  for (NodeAnswer& answer : *answers) {
    if (answer.status || absl::StrContains(answer.error.message(), "refused")) continue;
    if (any && answer.error.code() == absl::StatusCode::kDeadlineExceeded) continue;
    const std::string tls =
        WhatTlsSays(answer.address, TheTrust(), std::min(timeout_ms, kForeignTimeoutMs));
    if (!tls.empty()) {
      answer.error = absl::FailedPreconditionError(tls);
      continue;
    }
    const std::string other =
        WhatElseListens(answer.address, std::min(timeout_ms, kForeignTimeoutMs));
    if (!other.empty()) answer.error = absl::FailedPreconditionError(other);
  }
}

}  // namespace

FlagTable WithClusterFlags(FlagTable flags) {
  flags.push_back({"c", Takes::kValue});
  flags.push_back({"insecure"});
  for (const char* name : {"tls-ca", "tls-cert", "tls-key"}) flags.push_back({name, Takes::kValue});
  flags.push_back({"help"});
  return flags;
}

std::vector<std::string> VendorVariablesAmong(const std::vector<std::string>& environment) {
  constexpr absl::string_view kSuffix = "_LICENSE_FILE";
  std::set<std::string> names;
  for (const std::string& entry : environment) {
    const std::string name = entry.substr(0, entry.find('='));
    if (name.size() == entry.size() || name == "LM_LICENSE_FILE") continue;
    if (name.size() > kSuffix.size() && absl::EndsWith(name, kSuffix)) names.insert(name);
  }
  return {names.begin(), names.end()};
}

bool InsecureAllowed(const Args& args) {
  if (args.Has("insecure")) return true;
  return client::RealMachine().environment("TRIAD_INSECURE").value_or("") == "1";
}

absl::StatusOr<FoundClusters> FindTheClusters(const std::string& license_path, bool insecure) {
  const client::Machine machine = client::RealMachine();
  std::vector<std::string> paths = {license_path};
  if (license_path.empty()) paths = PathsOfEnvironment(machine);
  FoundClusters found;
  for (const std::string& path : paths) {
    client::Clusters part = client::FindClusters(path, "", machine);
    AddUnique(std::move(part.clusters), &found);
    found.problems.insert(found.problems.end(), part.problems.begin(), part.problems.end());
  }
  if (found.clusters.empty()) {
    return absl::NotFoundError(
        found.problems.empty()
            ? "no license server is named: give -c port@host or a license file, or set "
              "LM_LICENSE_FILE"
            : absl::StrJoin(found.problems, "; "));
  }
  const absl::Status plaintext = CheckPlaintext(found, insecure);
  if (!plaintext.ok()) return plaintext;
  return found;
}

absl::StatusOr<FoundClusters> FindTheClusters(const Args& args) {
  const absl::Status trust = UseTrustOf(args);
  if (!trust.ok()) return trust;
  return FindTheClusters(args.Value("c"), InsecureAllowed(args));
}

std::vector<std::string> LicenseFilesOnPath(const std::string& license_path) {
  const client::Machine machine = client::RealMachine();
  std::vector<std::string> texts = {license_path};
  if (license_path.empty()) {
    texts = PathsOfEnvironment(machine);
    texts.push_back(machine.environment("LM_LICENSE_FILE").value_or(""));
    texts.emplace_back("/etc/triad/license.dat");
  }
  std::vector<std::string> files;
  for (const std::string& text : texts) {
    for (const client::PathEntry& entry : client::ParseSearchPath(text).entries) {
      if (entry.kind != client::PathEntry::Kind::kPath) continue;
      const auto listed = machine.list_directory(entry.path);
      if (listed.ok()) {
        files.insert(files.end(), listed->begin(), listed->end());
      } else if (machine.read_file(entry.path).ok()) {
        files.push_back(entry.path);
      }
    }
  }
  return files;
}

std::string AsSearchPath(const client::Cluster& cluster) {
  return absl::StrJoin(cluster.servers, ",", [](std::string* out, const client::Address& address) {
    out->append(client::FormatAddress(address));
  });
}

std::string AsSearchPath(const std::vector<client::Cluster>& clusters) {
  return absl::StrJoin(clusters, ":", [](std::string* out, const client::Cluster& cluster) {
    out->append(AsSearchPath(cluster));
  });
}

int64_t StatusTimeoutMs() {
  constexpr int64_t kMicrosecondsPerMs = 1'000;
  int64_t given_us = 0;
  const auto given = client::RealMachine().environment("FLEXLM_TIMEOUT");
  if (!given || !absl::SimpleAtoi(*given, &given_us)) return kStatusTimeoutMs;
  return std::clamp(given_us / kMicrosecondsPerMs, kStatusTimeoutMs, kStatusTimeoutMsMax);
}

std::vector<NodeAnswer> AskStatus(const std::vector<client::Address>& addresses) {
  return AskStatus(addresses, StatusTimeoutMs());
}

std::vector<NodeAnswer> AskStatus(const std::vector<client::Address>& addresses,
                                  int64_t timeout_ms) {
  struct Call {
    std::unique_ptr<Stub> stub;
    grpc::ClientContext context;
    v1::NodeStatus answer;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::NodeStatus>> reader;
  };
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Call>> calls;
  for (const client::Address& address : addresses) {
    Call* call = calls.emplace_back(std::make_unique<Call>()).get();
    call->stub = Dial(client::DialTarget(address));
    SetDeadline(&call->context, timeout_ms);
    call->reader = call->stub->AsyncGetStatus(&call->context, v1::GetStatusRequest(), &queue);
    call->reader->Finish(&call->answer, &call->status, call);
  }
  // Each call ends by its deadline, so this does too.
  for (size_t done = 0; done < calls.size(); ++done) {
    void* tag = nullptr;
    bool ok = false;
    if (!queue.Next(&tag, &ok)) break;
  }
  queue.Shutdown();
  std::vector<NodeAnswer> answers;
  for (size_t i = 0; i < calls.size(); ++i) {
    NodeAnswer answer;
    answer.address = addresses[i];
    if (calls[i]->status.ok()) {
      answer.status = std::move(calls[i]->answer);
    } else {
      answer.error = ToAbsl(calls[i]->status);
    }
    answers.push_back(std::move(answer));
  }
  TellForeign(timeout_ms, &answers);
  return answers;
}

std::vector<NodeAnswer> AskCluster(const client::Cluster& cluster) {
  return AskCluster(cluster, StatusTimeoutMs());
}

std::vector<NodeAnswer> AskCluster(const client::Cluster& cluster, int64_t timeout_ms) {
  std::vector<NodeAnswer> answers = AskStatus(cluster.servers, timeout_ms);
  for (NodeAnswer& answer : AskStatus(Unasked(answers), timeout_ms))
    answers.push_back(std::move(answer));
  return answers;
}

std::vector<NodeAnswer> AskFirstThatAnswers(const std::vector<client::Cluster>& clusters) {
  return AskFirstThatAnswers(clusters, StatusTimeoutMs());
}

std::vector<NodeAnswer> AskFirstThatAnswers(const std::vector<client::Cluster>& clusters,
                                            int64_t timeout_ms) {
  std::vector<NodeAnswer> first;
  for (const client::Cluster& cluster : clusters) {
    std::vector<NodeAnswer> answers = AskCluster(cluster, timeout_ms);
    for (const NodeAnswer& answer : answers) {
      if (answer.status) return answers;
    }
    if (first.empty()) first = std::move(answers);
  }
  return first;
}

namespace {

// A cluster that tells only administrators: through this host's admin socket, if it has one.
absl::StatusOr<v1::Usage> AskUsageAsAdministrator(const std::string& cluster,
                                                  const v1::GetUsageRequest& request,
                                                  const std::string& refusal) {
  const std::string named = client::RealMachine().environment("TRIAD_ADMIN_SOCKET").value_or("");
  const std::string socket = named.empty() ? kDefaultAdminSocket : absl::StrCat("unix:", named);
  const auto local = AskNode(socket);
  if (local.ok() && local->cluster_id() == cluster) {
    grpc::ClientContext context;
    SetDeadline(&context, kUsageTimeoutMs);
    v1::Usage usage;
    if (Dial(socket)->GetUsage(&context, request, &usage).ok()) return usage;
  }
  return absl::PermissionDeniedError(refusal);
}

}  // namespace

absl::StatusOr<v1::Usage> AskUsage(const std::vector<NodeAnswer>& nodes,
                                   const v1::GetUsageRequest& request) {
  std::vector<const NodeAnswer*> order;
  for (const NodeAnswer& node : nodes) {
    if (node.status) order.push_back(&node);
  }
  // To tell who holds what of everything is work, which the leader need not do beside its own: a
  // follower makes sure that it knows as much, and tells.
  const bool whole = !request.no_checkouts() && request.feature().empty();
  std::stable_sort(order.begin(), order.end(), [whole](const NodeAnswer* a, const NodeAnswer* b) {
    auto rank = [whole](const NodeAnswer* node) {
      const v1::NodeStatus& status = *node->status;
      if (status.role() == "leader") return 1;
      if (!status.quorum()) return 3;
      return whole && status.role() == "follower" ? 0 : 2;
    };
    return rank(a) < rank(b);
  });
  absl::Status last = absl::UnavailableError(absl::StrCat(
      "no license server answers: ",
      absl::StrJoin(nodes, ", ", [](std::string* out, const NodeAnswer& node) {
        absl::StrAppend(out, client::FormatAddress(node.address), ": ", node.error.message());
      })));
  for (const NodeAnswer* node : order) {
    grpc::ClientContext context;
    SetDeadline(&context, kUsageTimeoutMs);
    v1::Usage usage;
    const grpc::Status status =
        Dial(client::DialTarget(node->address))->GetUsage(&context, request, &usage);
    if (status.ok()) return usage;
    last = absl::UnavailableError(Reason(status));
    if (status.error_code() == grpc::StatusCode::PERMISSION_DENIED) {
      return AskUsageAsAdministrator(node->status->cluster_id(), request, Reason(status));
    }
  }
  return last;
}

absl::StatusOr<v1::NodeStatus> AskNode(const std::string& target) {
  grpc::ClientContext context;
  SetDeadline(&context, kStatusTimeoutMs);
  v1::NodeStatus answer;
  const grpc::Status status = Dial(target)->GetStatus(&context, v1::GetStatusRequest(), &answer);
  if (!status.ok()) return ToAbsl(status);
  return answer;
}

absl::StatusOr<uint32_t> AskTransferLead(const std::string& target, uint32_t to) {
  grpc::ClientContext context;
  SetDeadline(&context, kTransferTimeoutMs);
  v1::TransferLeadRequest request;
  request.set_to(to);
  v1::TransferLeadResponse answer;
  const grpc::Status status = Dial(target)->TransferLead(&context, request, &answer);
  if (!status.ok()) return ToAbsl(status);
  return answer.leader();
}

namespace {

// Calls `ask` until it says what came of it, or the time is over: what is asked must be such that
// twice is once.
template <typename Ask>
absl::Status AskUntilCertain(Ask ask) {
  const absl::Time end = absl::Now() + absl::Milliseconds(kChangeTimeoutMs);
  for (int tries = 1;; ++tries) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(end));
    const grpc::Status status = ask(&context);
    if (status.ok()) return absl::OkStatus();
    const bool certain = status.error_code() != grpc::StatusCode::UNAVAILABLE &&
                         status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED;
    const absl::Time again = absl::Now() + absl::Milliseconds(kActAgainMs);
    if (certain || tries == kActTriesMax || again >= end) return ToAbsl(status);
    // Nobody has listened from the beginning: nothing to wait for.
    if (absl::StrContains(status.error_message(), "refused") ||
        absl::StrContains(status.error_message(), "No such file")) {
      return ToAbsl(status);
    }
    absl::SleepFor(again - absl::Now());
  }
}

}  // namespace

// Installing replaces the set that it was made for, so a second time finds nothing to change.
absl::StatusOr<v1::RereadResponse> AskReread(const std::string& target,
                                             const v1::RereadRequest& request) {
  const auto stub = Dial(target);
  v1::RereadResponse answer;
  const absl::Status status = AskUntilCertain(
      [&](grpc::ClientContext* context) { return stub->Reread(context, request, &answer); });
  if (!status.ok()) return status;
  return answer;
}

absl::StatusOr<v1::RotateLogsResponse> AskRotateLogs(const std::string& target,
                                                     const v1::RotateLogsRequest& request) {
  grpc::ClientContext context;
  SetDeadline(&context, kChangeTimeoutMs);
  v1::RotateLogsResponse answer;
  const grpc::Status status = Dial(target)->RotateLogs(&context, request, &answer);
  if (!status.ok()) return ToAbsl(status);
  return answer;
}

absl::StatusOr<v1::StopResponse> AskStop(const std::string& target,
                                         const v1::StopRequest& request) {
  grpc::ClientContext context;
  SetDeadline(&context, kChangeTimeoutMs);
  v1::StopResponse answer;
  const grpc::Status status = Dial(target)->Stop(&context, request, &answer);
  if (!status.ok()) return ToAbsl(status);
  return answer;
}

absl::StatusOr<v1::DrainResponse> AskDrain(const std::string& target,
                                           const v1::DrainRequest& request) {
  const auto stub = Dial(target);
  v1::DrainResponse answer;
  const absl::Status status = AskUntilCertain(
      [&](grpc::ClientContext* context) { return stub->Drain(context, request, &answer); });
  if (!status.ok()) return status;
  return answer;
}

absl::Status AskBackup(const std::string& target,
                       const std::function<absl::Status(const v1::BackupPiece&)>& on_piece) {
  const auto stub = Dial(target);
  grpc::ClientContext context;
  auto reader = stub->Backup(&context, v1::BackupRequest());
  v1::BackupPiece piece;
  absl::Status status;
  while (status.ok() && reader->Read(&piece)) status = on_piece(piece);
  if (!status.ok()) context.TryCancel();
  const grpc::Status done = reader->Finish();
  if (!status.ok()) return status;
  return done.ok() ? absl::OkStatus() : ToAbsl(done);
}

absl::StatusOr<v1::Outcome> AskAct(const std::string& target, const v1::AdminCommand& command) {
  const auto stub = Dial(target);
  v1::ActRequest request;
  *request.mutable_command() = command;
  if (request.command().id().empty()) request.mutable_command()->set_id(DrawId());
  v1::ActResponse answer;
  const absl::Status status = AskUntilCertain(
      [&](grpc::ClientContext* context) { return stub->Act(context, request, &answer); });
  if (!status.ok()) return status;
  return std::move(*answer.mutable_outcome());
}

std::string DrawId() {
  std::random_device random;
  std::string id;
  while (id.size() < kAdminIdBytes) id.push_back(static_cast<char>(random() & 0xFF));
  return id;
}

std::string AdminTarget(const Args& args, const std::vector<NodeAnswer>& answers) {
  std::string named = args.Value("admin-socket");
  if (named.empty()) {
    named = client::RealMachine().environment("TRIAD_ADMIN_SOCKET").value_or("");
  }
  if (!named.empty()) return absl::StrCat("unix:", named);
  const auto local = AskNode(kDefaultAdminSocket);
  for (const NodeAnswer& answer : answers) {
    if (!answer.status) continue;
    const bool same = local.ok() && local->cluster_id() == answer.status->cluster_id();
    return same ? std::string(kDefaultAdminSocket) : client::DialTarget(answer.address);
  }
  return kDefaultAdminSocket;
}

}  // namespace triad::cli
