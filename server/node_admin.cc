// What administrators ask of a node: another license set, reservations, removals. Each is a command
// of this node's own, answered when it is applied here, or with the reason why it was not.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "license/act_text.h"
#include "license/set_change.h"
#include "server/node.h"
#include "server/usage.h"

namespace triad::server {
namespace {

using quorum::Slot;

constexpr size_t kAdminIdBytes = 16;
constexpr size_t kShownIdBytes = 4;  // enough to tell apart what is under way

bool IsAsked(Origin::Kind kind) {
  return kind == Origin::Kind::kInstall || kind == Origin::Kind::kAdmin;
}

// In the words of interface.md's "Wire": what certainly did not happen is FAILED_PRECONDITION (or
// RESOURCE_EXHAUSTED), what may have is UNAVAILABLE.
absl::Status StatusOf(const v1::Failure& failure) {
  if (!failure.certain()) {
    return absl::UnavailableError(
        absl::StrCat(failure.reason(), "; it may still take effect: look before you ask again"));
  }
  return failure.why() == v1::Failure::OVERLOADED ? absl::ResourceExhaustedError(failure.reason())
                                                  : absl::FailedPreconditionError(failure.reason());
}

// What came of an administrator's command, for the journal.
std::string Came(const absl::StatusOr<v1::Outcome>& outcome) {
  if (!outcome.ok()) {
    return absl::StrCat(absl::IsUnavailable(outcome.status()) ? "no answer: " : "refused: ",
                        std::string(outcome.status().message()));
  }
  if (!outcome->has_denied()) return "done";
  return absl::StrCat("refused: ", outcome->denied().reason(), " (", outcome->denied().code(), ")");
}

}  // namespace

void Node::Ask(v1::Command command, Origin::Kind kind, Asked asked) {
  Origin origin;
  origin.kind = kind;
  origin.message_id = next_asked_++;
  asked_[origin.message_id] = std::move(asked);
  proposals_.Submit(std::move(command), std::move(origin), env_.clock->NowMs());
}

absl::Status Node::MayAsk() const {
  if (!core_) return absl::FailedPreconditionError(NotReady());
  if (asked_.size() >= kAskedMax) {
    return absl::ResourceExhaustedError("too many administrators' commands are under way");
  }
  return absl::OkStatus();
}

void Node::ProposeInstall(v1::InstallLicenses install,
                          std::function<void(const absl::Status&)> done) {
  if (const absl::Status may = MayAsk(); !may.ok()) return done(may);
  install.set_from_node(static_cast<uint32_t>(config_.self));
  install.set_replaces(ledger_->license_set_number());
  v1::Command command;
  *command.mutable_install() = install;
  Asked asked;
  asked.install = std::move(install);
  asked.done = [done = std::move(done)](const absl::StatusOr<v1::Outcome>& outcome) {
    done(outcome.status());
  };
  Ask(std::move(command), Origin::Kind::kInstall, std::move(asked));
}

void Node::ProposeAdmin(v1::AdminCommand act,
                        std::function<void(const absl::StatusOr<v1::Outcome>&)> done) {
  if (const absl::Status may = MayAsk(); !may.ok()) return done(may);
  if (act.id().size() != kAdminIdBytes) act.set_id(env_.random->Bytes(kAdminIdBytes));
  // Under one number in the journals of all nodes that it comes by, however often it is asked for.
  const std::string request = absl::BytesToHexString(act.id().substr(0, kShownIdBytes));
  const bool noted = act.has_noted();  // told there
  if (!noted) {
    Log(LogLevel::kNotice, absl::StrCat("request ", request, ": ", license::ActText(act),
                                        ", asked for by ", act.who()));
  }
  v1::Command command;
  *command.mutable_admin() = std::move(act);
  Asked asked;
  asked.done = [this, request, noted,
                done = std::move(done)](const absl::StatusOr<v1::Outcome>& outcome) {
    if (!noted) Log(LogLevel::kNotice, absl::StrCat("request ", request, ": ", Came(outcome)));
    done(outcome);
  };
  Ask(std::move(command), Origin::Kind::kAdmin, std::move(asked));
}

void Node::OnOutcome(const Origin& origin, const v1::Outcome& outcome) {
  auto found = asked_.find(origin.message_id);
  if (!IsAsked(origin.kind)) return desk_.OnOutcome(origin, outcome);
  if (found == asked_.end()) return;
  const Asked asked = std::move(found->second);
  asked_.erase(found);
  // Sent again after it was applied (its answer was lost in a jump): it is the one in force.
  const bool in_force =
      asked.install && ledger_->installed() != nullptr &&
      ledger_->installed()->SerializeAsString() == asked.install->SerializeAsString();
  if (outcome.has_refused() && !in_force) {
    return asked.done(absl::FailedPreconditionError(outcome.refused().reason()));
  }
  asked.done(outcome);
}

void Node::OnFailure(const Origin& origin, const v1::Failure& failure) {
  auto found = asked_.find(origin.message_id);
  if (!IsAsked(origin.kind)) return desk_.OnFailure(origin, failure);
  if (found == asked_.end()) return;
  const auto done = std::move(found->second.done);
  asked_.erase(found);
  done(StatusOf(failure));
}

// ------------------------------------------------------------------------------------------
// Reread: first this node's ledger is made as new as this moment, then the difference is told, and
// in the same step the set is proposed that replaces the one which it was told from.

void Node::Reread(std::shared_ptr<const ReadFiles> files, bool dry_run, const std::string& who,
                  std::function<void(const absl::StatusOr<v1::RereadResponse>&)> done) {
  if (files->own) SetOwnFiles(*files);
  Read([this, files = std::move(files), dry_run, who,
        done = std::move(done)](const absl::Status& status) {
    if (!status.ok()) {
      return done(absl::FailedPreconditionError(
          absl::StrCat(std::string(status.message()), "; nothing was changed")));
    }
    v1::RereadResponse response = DescribeSetChange(*ledger_, files->files, files->catalog);
    for (const std::string& problem : files->problems) response.add_diagnostics(problem);
    response.set_from(files->from);
    if (dry_run) return done(std::move(response));
    if (!response.refusal().empty()) {
      return done(
          absl::FailedPreconditionError(absl::StrCat(response.refusal(), "; nothing was changed")));
    }
    if (response.unchanged()) {
      response.set_license_set_number(ledger_->license_set_number());
      if (who.empty()) return done(std::move(response));
      return NoteAct(who, "reread: nothing has changed",
                     [response = std::move(response), done] { done(response); });
    }
    ledger_->Know(files->catalog.verified());
    v1::InstallLicenses next = files->files;
    // Programs before version 3 know no field for it.
    if (ledger_->cluster_version() >= 3) next.set_who(who);
    ProposeInstall(std::move(next), [this, response, done](const absl::Status& installed) {
      if (!installed.ok()) return done(installed);
      v1::RereadResponse told = response;
      told.set_license_set_number(ledger_->license_set_number());
      done(std::move(told));
    });
  });
}

void Node::SetOwnFiles(const ReadFiles& files) {
  own_files_ = files.files;
  own_license_hash_ = files.catalog.license_hash();
  ledger_->Know(files.catalog.verified());
  if (ledger_->license_set_number() > 0) WarnAboutOwnFiles();
}

bool Node::MayGiveFiles(const v1::FilesRequest& request, std::string* refusal) {
  Slot from = Slot::kNone;
  const v1::HelloAnswer judged = membership_.OnHello(request.hello(), &from);
  *refusal = judged.reason();
  return from != Slot::kNone;
}

}  // namespace triad::server
