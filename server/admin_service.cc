#include "server/admin_service.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/backup.h"
#include "server/limits.h"
#include "server/on_cores.h"
#include "server/tls.h"
#include "server/usage.h"

namespace triad::server {
namespace {

// A little longer than the Node's own limit, so that its reason is the one that is heard.
constexpr int64_t kAnswerTimeoutMs = kReadTimeoutMs + 500;
// A change is read for first, then proposed.
constexpr int64_t kChangeTimeoutMs = kReadTimeoutMs + kRequestTimeoutMs + 500;
constexpr int64_t kUsagePageTimeoutMs = 10'000;

grpc::Status FromAbsl(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

// What the Node's loop gives, and the call's thread waits for.
template <typename Message>
class Answer {
 public:
  void Give(const absl::StatusOr<Message>& result) {
    result_ = result;
    done_.Notify();
  }
  grpc::Status Wait(Message* response) {
    if (!done_.WaitForNotificationWithTimeout(absl::Milliseconds(kChangeTimeoutMs))) {
      return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED,
                          "no answer in time: it may still take effect; look before you ask again");
    }
    if (!result_.ok()) return FromAbsl(result_.status());
    response->Swap(&*result_);
    return grpc::Status::OK;
  }

 private:
  absl::Notification done_;
  absl::StatusOr<Message> result_;
};

grpc::Status NoAnswer() {
  return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "this node is too busy to answer");
}

// The admin socket, however it was taken: by gRPC itself or handed to it (admin_socket.h).
bool IsLocalSocket(const std::string& peer) {
  return absl::StartsWith(peer, "unix:") || absl::StartsWith(peer, "fd:");
}

}  // namespace

void AdminCalls::Serve(CallPlace place, AsyncAdmin* service) {
  const auto on_this = [this](auto method) {
    return [this, method](auto* context, const auto* request, auto&& response) {
      return (this->*method)(context, request, response);
    };
  };
  using Service = AsyncAdmin;
  TakeCalls(place, service, &Service::RequestGetStatus, on_this(&AdminCalls::GetStatus));
  TakeCalls(place, service, &Service::RequestGetUsage, on_this(&AdminCalls::GetUsage));
  TakeCalls(place, service, &Service::RequestTransferLead, on_this(&AdminCalls::TransferLead));
  TakeCalls(place, service, &Service::RequestReread, on_this(&AdminCalls::Reread));
  TakeCalls(place, service, &Service::RequestAct, on_this(&AdminCalls::Act));
  TakeCalls(place, service, &Service::RequestRotateLogs, on_this(&AdminCalls::RotateLogs));
  TakeCalls(place, service, &Service::RequestStop, on_this(&AdminCalls::Stop));
  TakeCalls(place, service, &Service::RequestDrain, on_this(&AdminCalls::Drain));
  TakeStreams(place, service, &Service::RequestReadUsage, on_this(&AdminCalls::ReadUsage));
  TakeStreams(place, service, &Service::RequestBackup, on_this(&AdminCalls::Backup));
}

grpc::Status AdminCalls::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                                   v1::NodeStatus* response) {
  auto status = std::make_shared<v1::NodeStatus>();
  if (!loop_->Ask([this, status] { *status = node_->Status(); }, kAnswerTimeoutMs)) {
    return NoAnswer();
  }
  response->Swap(status.get());
  return grpc::Status::OK;
}

// The loop does a step at a time, and whatever else has come in before the next.
grpc::Status AdminCalls::GetUsage(grpc::ServerContext* context, const v1::GetUsageRequest* request,
                                  v1::Usage* response) {
  const grpc::Status allowed = CheckMayRead(*context);
  if (!allowed.ok()) return allowed;
  struct Answer {
    explicit Answer(const v1::GetUsageRequest& request) : builder(request) {}
    absl::Notification begun;
    absl::Status status;
    bool whole = false;
    UsageBuilder builder;
  };
  auto answer = std::make_shared<Answer>(*request);
  const auto step = [this, answer] {
    answer->whole = answer->builder.Step(node_->ledger(), kUsageUsesAtOnceMax);
  };
  const auto begin = [this, answer, step](const absl::Status& status) {
    answer->status = status;
    if (status.ok()) {
      step();
      answer->builder.usage().set_leader(static_cast<uint32_t>(node_->leader()));
    }
    answer->begun.Notify();
  };
  loop_->Post([this, begin, stale = request->stale()] {
    if (stale) {
      begin(absl::OkStatus());
    } else {
      node_->Read(begin);
    }
  });
  if (!answer->begun.WaitForNotificationWithTimeout(absl::Milliseconds(kAnswerTimeoutMs))) {
    return NoAnswer();
  }
  if (!answer->status.ok()) return FromAbsl(answer->status);
  while (!answer->whole) {
    if (context->deadline() < std::chrono::system_clock::now()) return NoAnswer();
    if (!loop_->Ask(step, kAnswerTimeoutMs)) return NoAnswer();
  }
  response->Swap(&answer->builder.usage());
  return grpc::Status::OK;
}

namespace {

// One page of the ledger's store; nullopt: it does not answer.
std::optional<UsageRead> ReadPage(UsageReader* reader, const UsageQuery& query) {
  struct Answer {
    absl::Notification done;
    UsageRead read;
  };
  auto answer = std::make_shared<Answer>();
  reader->ReadUsage(query, [answer](UsageRead read) {
    answer->read = std::move(read);
    answer->done.Notify();
  });
  if (!answer->done.WaitForNotificationWithTimeout(absl::Milliseconds(kUsagePageTimeoutMs))) {
    return std::nullopt;
  }
  return std::move(answer->read);
}

bool IsWanted(const license::UsageRow& row, const v1::ReadUsageRequest& request) {
  if (request.all()) return true;
  v1::UsageRecord record;
  if (!record.ParseFromString(row.bytes)) return true;  // whoever asks shall see that
  return record.wall_ms() >= request.from_ms() &&
         (request.to_ms() == 0 || record.wall_ms() < request.to_ms());
}

}  // namespace

// The records up to the chain's end as it is now. Each page is read when the one before has left,
// so a slow reader holds up nobody.
grpc::Status AdminCalls::ReadUsage(grpc::ServerContext* context,
                                   const v1::ReadUsageRequest* request,
                                   const std::function<bool(const v1::UsagePage&)>& write) {
  const grpc::Status allowed = CheckMayRead(*context);
  if (!allowed.ok()) return allowed;
  struct Answer {
    absl::Notification done;
    absl::Status status;
    v1::UsageChain chain;
  };
  auto answer = std::make_shared<Answer>();
  auto when_read = [this, answer](const absl::Status& status) {
    answer->status = status;
    if (!status.ok()) return answer->done.Notify();
    answer->chain = node_->ledger().usage_chain();
    node_->AwaitWritten([answer] { answer->done.Notify(); });
  };
  loop_->Post([this, when_read, stale = request->stale()] {
    if (stale) {
      when_read(absl::OkStatus());
    } else {
      node_->Read(when_read);
    }
  });
  if (!answer->done.WaitForNotificationWithTimeout(absl::Milliseconds(kAnswerTimeoutMs))) {
    return NoAnswer();
  }
  if (!answer->status.ok()) return FromAbsl(answer->status);
  UsageQuery query;
  query.after = request->after();
  query.from_ms = request->all() ? 0 : request->from_ms();
  query.bytes_max = kUsagePageBytes;
  bool first = true;
  for (;;) {
    auto read = ReadPage(usage_reader_, query);
    if (!read) return NoAnswer();
    v1::UsagePage page;
    if (first) {
      *page.mutable_chain() = answer->chain;
      page.mutable_chain()->clear_names_key();
      for (const license::UsageRange& range : read->held.missing) {
        page.add_gaps()->set_from(range.from);
        page.mutable_gaps(page.gaps_size() - 1)->set_to(range.to);
      }
    }
    bool end = read->last || read->rows.empty();
    for (license::UsageRow& row : read->rows) {
      query.after = row.number;
      end = end || row.number >= answer->chain.count();
      if (row.number > answer->chain.count()) break;
      if (IsWanted(row, *request)) page.add_records(std::move(row.bytes));
    }
    query.from_ms = 0;
    // Also a page without any that are wanted: so it is noticed when the caller goes away.
    if (!write(page)) return {grpc::StatusCode::CANCELLED, "the caller went away"};
    first = false;
    if (end) return grpc::Status::OK;
  }
}

grpc::Status AdminCalls::RotateLogs(grpc::ServerContext* context,
                                    const v1::RotateLogsRequest* request,
                                    v1::RotateLogsResponse* response) {
  const grpc::Status allowed = CheckMayChange(*context);
  if (!allowed.ok()) return allowed;
  if (logs_ == nullptr) return {grpc::StatusCode::NOT_FOUND, "this node writes no logs"};
  auto paths =
      logs_->Rotate(request->which(), request->vendor(), request->new_path(), request->old_path());
  if (!paths.ok()) return FromAbsl(paths.status());
  Note(*context, absl::StrCat("begin new log files on node ", static_cast<int>(node_->self())));
  for (const std::string& path : *paths) response->add_paths(path);
  return grpc::Status::OK;
}

bool AdminCalls::IsAdministrator(const grpc::ServerContext& context) const {
  if (IsLocalSocket(context.peer())) return true;
  return rights_.certificate_changes &&
         RoleOf(*context.auth_context()).role == license::Role::kAdmin;
}

grpc::Status AdminCalls::CheckMayChange(const grpc::ServerContext& context) const {
  if (rights_.anybody_changes || IsAdministrator(context)) return grpc::Status::OK;
  return grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                      absl::StrCat("you are not a license administrator (-63): use the admin "
                                   "socket on the host itself",
                                   rights_.certificate_changes
                                       ? ", or an administrator's certificate (triad certs admin)"
                                       : ""));
}

grpc::Status AdminCalls::CheckEnabled(absl::string_view verb) const {
  if (std::find(disabled_.begin(), disabled_.end(), verb) == disabled_.end()) {
    return grpc::Status::OK;
  }
  return grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                      absl::StrCat(verb, " is switched off on this server, by -x (-63)"));
}

grpc::Status AdminCalls::CheckMayRead(const grpc::ServerContext& context) const {
  if (rights_.anybody_reads || IsAdministrator(context)) return grpc::Status::OK;
  return grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                      "you are not a license administrator (-63): this server is not open for "
                      "reading; use the admin socket on the host itself");
}

void AdminCalls::Note(const grpc::ServerContext& context, const std::string& what) {
  const auto done = std::make_shared<absl::Notification>();
  loop_->Post([this, done, what, who = who_(context)] {
    node_->NoteAct(who, what, [done] { done->Notify(); });
  });
  (void)done->WaitForNotificationWithTimeout(absl::Milliseconds(kChangeTimeoutMs));
}

grpc::Status AdminCalls::TransferLead(grpc::ServerContext* context,
                                      const v1::TransferLeadRequest* request,
                                      v1::TransferLeadResponse* response) {
  const grpc::Status allowed = CheckMayChange(*context);
  if (!allowed.ok()) return allowed;
  if (request->to() > quorum::kSlotsMax) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "there is no such node");
  }
  Note(*context, request->to() == 0 ? std::string("transfer the lead")
                                    : absl::StrCat("transfer the lead to node ", request->to()));
  auto result = std::make_shared<absl::Status>();
  const auto to = static_cast<quorum::Slot>(request->to());
  if (!loop_->Ask([this, result, to] { *result = node_->TransferLead(to); }, kAnswerTimeoutMs)) {
    return NoAnswer();
  }
  if (!result->ok()) return FromAbsl(*result);
  auto leader = std::make_shared<uint32_t>(0);
  (void)loop_->Ask([this, leader] { *leader = static_cast<uint32_t>(node_->leader()); },
                   kAnswerTimeoutMs);
  response->set_leader(*leader);
  return grpc::Status::OK;
}

// This node's own, read anew, or another's, asked for over the network.
absl::StatusOr<std::shared_ptr<const Node::ReadFiles>> AdminCalls::FilesOf(uint32_t from) {
  struct Self {
    uint32_t slot = 0;
    v1::Hello hello;
  };
  auto self = std::make_shared<Self>();
  const auto to = static_cast<quorum::Slot>(from);
  auto look = [this, self, from, to] {
    self->slot = node_->Status().slot();
    if (from != 0 && from != self->slot) self->hello = node_->MakeHello(to);
  };
  if (!loop_->Ask(std::move(look), kAnswerTimeoutMs)) {
    return absl::FailedPreconditionError("this node is too busy to answer; nothing was changed");
  }
  if (from == 0 || from == self->slot) {
    auto files = files_.own();
    if (!files.ok()) return files.status();
    auto own = std::make_shared<Node::ReadFiles>(*std::move(files));
    own->from = self->slot;
    own->own = true;
    return own;
  }
  v1::FilesRequest request;
  *request.mutable_hello() = self->hello;
  auto answer = files_.ask(to, request);
  if (!answer.ok()) return answer.status();
  if (!answer->refusal().empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("node ", from, " does not give its files: ", answer->refusal()));
  }
  auto files = std::make_shared<Node::ReadFiles>();
  files->files = std::move(*answer->mutable_files());
  files->problems.assign(answer->problems().begin(), answer->problems().end());
  files->catalog =
      license::Catalog::Build(SourcesOf(files->files), {.known = {}, .for_each = OnCores});
  files->from = from;
  return files;
}

grpc::Status AdminCalls::Reread(grpc::ServerContext* context, const v1::RereadRequest* request,
                                v1::RereadResponse* response) {
  // To look is open to all, but it makes the node read files, and shows them.
  const grpc::Status allowed = CheckMayChange(*context);
  if (!allowed.ok()) return allowed;
  if (request->from() > quorum::kSlotsMax) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "there is no such node");
  }
  auto files = FilesOf(request->from());
  if (!files.ok()) return FromAbsl(files.status());
  const auto answer = std::make_shared<Answer<v1::RereadResponse>>();
  const std::string who = who_(*context);
  loop_->Post([this, answer, who, files = *std::move(files), dry_run = request->dry_run()] {
    node_->Reread(files, dry_run, who,
                  [answer](const absl::StatusOr<v1::RereadResponse>& told) { answer->Give(told); });
  });
  const grpc::Status status = answer->Wait(response);
  if (status.ok() && !request->dry_run()) StartVendors(request->vendor(), who);
  return status;
}

void AdminCalls::StartVendors(const std::string& vendor, const std::string& who) {
  const auto done = std::make_shared<absl::Notification>();
  loop_->Post([this, done, vendor, who] {
    const bool any = vendor.empty() ? !node_->ledger().stopped_vendors().empty()
                                    : node_->ledger().IsStopped(vendor);
    if (!any) return done->Notify();
    v1::AdminCommand act;
    act.set_who(who);
    act.mutable_start_vendors()->set_vendor(vendor);
    node_->ProposeAdmin(act, [done](const absl::StatusOr<v1::Outcome>&) { done->Notify(); });
  });
  (void)done->WaitForNotificationWithTimeout(absl::Milliseconds(kChangeTimeoutMs));
}

grpc::Status AdminCalls::Stop(grpc::ServerContext* context, const v1::StopRequest* request,
                              v1::StopResponse* response) {
  grpc::Status allowed = CheckMayChange(*context);
  if (allowed.ok()) allowed = CheckEnabled("lmdown");
  if (!allowed.ok()) return allowed;
  const auto answer = std::make_shared<Answer<v1::StopResponse>>();
  loop_->Post([this, answer, asked = *request, who = who_(*context)] {
    if (asked.vendor().empty()) {
      return node_->Stop(asked.all(), asked.force(), who,
                         [answer](const v1::StopResponse& told) { answer->Give(told); });
    }
    node_->StopVendor(asked, who, [answer](const absl::StatusOr<v1::Outcome>& outcome) {
      if (outcome.ok()) return answer->Give(v1::StopResponse());
      answer->Give(outcome.status());
    });
  });
  return answer->Wait(response);
}

grpc::Status AdminCalls::Drain(grpc::ServerContext* context, const v1::DrainRequest* request,
                               v1::DrainResponse* response) {
  const grpc::Status allowed = CheckMayChange(*context);
  if (!allowed.ok()) return allowed;
  if (request->node() > quorum::kSlotsMax) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "there is no such node");
  }
  const auto answer = std::make_shared<Answer<v1::DrainResponse>>();
  loop_->Post([this, answer, asked = *request, who = who_(*context)] {
    const auto node = static_cast<quorum::Slot>(asked.node());
    node_->Drain(node, asked.undo(), who, [this, answer, node](const absl::Status& status) {
      if (!status.ok()) return answer->Give(status);
      v1::DrainResponse told;
      told.set_node(static_cast<uint32_t>(node == quorum::Slot::kNone ? node_->self() : node));
      told.set_leader(static_cast<uint32_t>(node_->leader()));
      answer->Give(told);
    });
  });
  return answer->Wait(response);
}

// ------------------------------------------------------------------------------------------
// Backups

grpc::Status AdminCalls::AwaitAgreed(v1::BackupHead* head) {
  struct Answer {
    absl::Notification done;
    absl::Status status;
    v1::BackupHead head;
  };
  auto answer = std::make_shared<Answer>();
  loop_->Post([this, answer] {
    node_->Read([this, answer](const absl::Status& status) {
      answer->status = status;
      if (!status.ok()) return answer->done.Notify();
      const v1::NodeStatus node = node_->Status();
      answer->head.set_cluster_id(node.cluster_id());
      answer->head.set_node(node.slot());
      answer->head.set_program(node.version());
      answer->head.set_nodes(static_cast<uint32_t>(node.nodes_size()));
      node_->AwaitWritten([answer] { answer->done.Notify(); });
    });
  });
  if (!answer->done.WaitForNotificationWithTimeout(absl::Milliseconds(kChangeTimeoutMs))) {
    return NoAnswer();
  }
  if (!answer->status.ok()) return FromAbsl(answer->status);
  head->Swap(&answer->head);
  return grpc::Status::OK;
}

absl::StatusOr<v1::SnapshotChunk> AdminCalls::ReadRows(const v1::SnapshotRequest& request) {
  struct Answer {
    absl::Notification done;
    v1::SnapshotChunk chunk;
  };
  auto answer = std::make_shared<Answer>();
  loop_->Post([this, answer, request] {
    node_->OnBackupRequest(request, [answer](v1::SnapshotChunk chunk) {
      answer->chunk = std::move(chunk);
      answer->done.Notify();
    });
  });
  if (!answer->done.WaitForNotificationWithTimeout(absl::Milliseconds(kUsagePageTimeoutMs))) {
    return absl::DeadlineExceededError("this node is too busy to answer");
  }
  return std::move(answer->chunk);
}

// One chunk in memory at a time, at the pace of a snapshot between nodes: whoever works beside it
// does not notice.
grpc::Status AdminCalls::Backup(grpc::ServerContext* context, const v1::BackupRequest*,
                                const std::function<bool(const v1::BackupPiece&)>& write) {
  const grpc::Status allowed = CheckMayChange(*context);
  if (!allowed.ok()) return allowed;
  Note(*context, "take a backup");
  v1::BackupHead head;
  if (grpc::Status agreed = AwaitAgreed(&head); !agreed.ok()) return agreed;
  BackupMaker maker(std::move(head));
  const absl::Time begun = absl::Now();
  std::vector<v1::BackupPiece> pieces;
  for (;;) {
    pieces.clear();
    const auto rows = maker.NextRows();
    const auto usage = rows ? std::nullopt : maker.NextUsage();
    if (rows) {
      auto chunk = ReadRows(*rows);
      absl::Status status = chunk.status();
      if (status.ok()) status = maker.AddRows(*std::move(chunk), &pieces);
      if (!status.ok()) return FromAbsl(status);
    } else if (usage) {
      auto read = ReadPage(usage_reader_, *usage);
      if (!read) return NoAnswer();
      maker.AddUsage(*std::move(read), &pieces);
    } else {
      pieces.push_back(maker.End());
    }
    for (const v1::BackupPiece& piece : pieces) {
      if (!write(piece)) return {grpc::StatusCode::CANCELLED, "the caller went away"};
    }
    if (!rows && !usage) return grpc::Status::OK;
    absl::SleepFor(begun + absl::Seconds(1) * maker.bytes() / kSnapshotBytesPerSecond -
                   absl::Now());
  }
}

grpc::Status AdminCalls::Act(grpc::ServerContext* context, const v1::ActRequest* request,
                             v1::ActResponse* response) {
  grpc::Status allowed = CheckMayChange(*context);
  if (allowed.ok() && request->command().has_remove()) allowed = CheckEnabled("lmremove");
  if (!allowed.ok()) return allowed;
  v1::AdminCommand act = request->command();
  act.set_who(who_(*context));
  const auto answer = std::make_shared<Answer<v1::Outcome>>();
  loop_->Post([this, answer, act = std::move(act)] {
    node_->ProposeAdmin(
        act, [answer](const absl::StatusOr<v1::Outcome>& outcome) { answer->Give(outcome); });
  });
  return answer->Wait(response->mutable_outcome());
}

}  // namespace triad::server
