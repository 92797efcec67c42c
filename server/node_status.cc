// What a node tells people about itself.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/catalog.h"
#include "license/certificate.h"
#include "license/utf8.h"
#include "server/node.h"
#include "server/usage.h"

namespace triad::server {

using quorum::Slot;

std::string Node::Missing() const {
  std::vector<std::string> missing;
  for (const Server& server : config_.servers) {
    if (server.slot == config_.self) continue;
    const auto refusal = membership_.refusals().find(server.slot);
    if (refusal != membership_.refusals().end()) {
      missing.push_back(refusal->second);
    } else if (!IsReachable(server.slot)) {
      missing.push_back(
          absl::StrCat("node ", ToInt(server.slot), " (", server.Address(), ") does not answer"));
    }
  }
  if (missing.empty()) return "an election is under way";
  return absl::StrJoin(missing, ", ");
}

// Why nothing is served while there is no core.
std::string Node::NotReady() const {
  switch (membership_.standing()) {
    case Membership::Standing::kRejoining:
      return absl::StrCat("this node is not let in again yet: ", Missing());
    case Membership::Standing::kQuarantined:
      return absl::StrCat("the log of this node is damaged and it is not let in again yet: ",
                          Missing());
    case Membership::Standing::kForming:
    case Membership::Standing::kMember:
      break;
  }
  return absl::StrCat("the cluster is not formed yet: ", Missing());
}

// Enough nodes for a leader have spoken of late, this one among them.
bool Node::MajorityIsHeard() const {
  const int64_t now = env_.clock->NowMs();
  size_t heard = 0;
  for (const Server& server : config_.servers) {
    const auto it = heard_ms_.find(server.slot);
    const bool other =
        it != heard_ms_.end() && IsReachable(server.slot) && now - it->second <= kHeardMs;
    if (server.slot == config_.self || other) ++heard;
  }
  return 2 * heard > config_.servers.size();
}

std::optional<std::string> Node::NoQuorumReason() const {
  if (!core_) return absl::StrCat("no quorum: ", NotReady());
  if (!leaderless_since_ms_) return std::nullopt;
  const int64_t hold_ms = MajorityIsHeard() ? kElectionHoldMs : kNoQuorumHoldMs;
  if (env_.clock->NowMs() - *leaderless_since_ms_ < hold_ms) return std::nullopt;
  return absl::StrCat("no quorum: ", Missing());
}

// A node whose files differ serves the installed set all the same, and says with which line they
// begin to differ.
void Node::WarnAboutOwnFiles() {
  set_warnings_ = own_license_hash_ == ledger_->catalog().license_hash()
                      ? OptionDifferences(own_files_, *ledger_)
                      : DifferencesFromInstalled(own_files_, *ledger_);
  for (const std::string& warning : set_warnings_) Log(LogLevel::kWarning, warning);
  if (!set_warnings_.empty()) {  // the daemon has told what is wrong with its own files
    for (const auto& diagnostic : ledger_->catalog().diagnostics()) {
      Log(LogLevel::kWarning, diagnostic.ToString());
    }
  }
  for (const std::string& expired : ExpiredLines(*ledger_)) Log(LogLevel::kWarning, expired);
}

std::string Node::Role() const {
  if (membership_.standing() == Membership::Standing::kRejoining) return "rejoining";
  if (membership_.standing() == Membership::Standing::kQuarantined) return "quarantined";
  if (!core_) return "forming";
  if (Leads()) return "leader";
  const quorum::Member* self = core_->members().Find(config_.self);
  if (self == nullptr || !self->voter || self->incarnation != membership_.identity().incarnation) {
    return "learner";
  }
  return core_->role() == quorum::Role::kFollower ? "follower" : "candidate";
}

// Told in the status, and in the log whenever it changes.
std::string Node::WaiverWarning(const v1::Members::Node& node) {
  const std::string what = absl::StrCat("node ", node.slot(), " runs with host id ", node.host_id(),
                                        ", which is not its SERVER line's");
  if (node.waiver_ends_wall_ms() == 0) return what;
  const std::string date = license::FormatTime(node.waiver_ends_wall_ms() / 1'000);
  return node.waiver_over()
             ? absl::StrCat(what, ", and its waiver ended ", date,
                            ": with most nodes like this nothing counted is granted; ask the "
                            "vendor for a new file")
             : absl::StrCat(what, ", on a waiver until ", date,
                            ": ask the vendor for a file with the new host id before that");
}

v1::NodeStatus Node::Status() const {
  v1::NodeStatus status;
  status.set_slot(static_cast<uint32_t>(config_.self));
  status.set_version(TRIAD_VERSION);
  status.set_role(Role());
  for (const Server& server : config_.servers) {
    auto* node = status.add_nodes();
    node->set_slot(static_cast<uint32_t>(server.slot));
    node->set_address(server.Address());
    node->set_host(server.host);
    node->set_connected(server.slot == config_.self || IsReachable(server.slot));
    const quorum::Member* member = core_ ? core_->members().Find(server.slot) : nullptr;
    if (member != nullptr) node->set_member(member->voter ? "voter" : "learner");
    for (const auto& known : ledger_->members().nodes()) {
      if (known.slot() != node->slot() || !known.waiver()) continue;
      node->set_waiver(true);
      node->set_host_id(known.host_id());
      node->set_waiver_ends_wall_ms(known.waiver_ends_wall_ms());
      node->set_waiver_over(known.waiver_over());
      status.add_warnings(WaiverWarning(known));
    }
  }
  for (const std::string& warning : config_.warnings) status.add_warnings(license::ToUtf8(warning));
  for (const std::string& warning : set_warnings_) status.add_warnings(license::ToUtf8(warning));
  for (const std::string& warning : ClockWarnings()) status.add_warnings(warning);
  if (draining_) {
    status.set_draining(true);
    status.add_warnings(absl::StrCat("node ", ToInt(config_.self),
                                     " is drained: it leads no more "
                                     "and sends its clients to others (triad drain --undo)"));
  }
  for (const std::string& vendor : ledger_->stopped_vendors()) {
    status.add_stopped_vendors(vendor);
    status.add_warnings(absl::StrCat("vendor ", vendor,
                                     " is stopped: nothing of it is checked "
                                     "out until lmreread"));
  }
  if (low_space_) status.add_warnings("too little disk space on this node");
  if (disk_stuck_) status.add_warnings("the disk of this node does not answer");
  for (const auto& file : own_files_.license_files())
    status.add_license_files(license::ToUtf8(file.name()));
  status.set_applied(ledger_->applied().index);
  status.set_license_set_number(ledger_->license_set_number());
  status.set_sessions(ledger_->sessions().size());
  for (const std::string& vendor : ledger_->catalog().vendors()) status.add_vendors(vendor);
  status.set_cluster_id(membership_.cluster_id());
  status.set_cluster_version(ledger_->cluster_version());
  if (!core_) {
    status.set_waiting_for(Missing());
    return status;
  }
  status.set_term(core_->term().value());
  status.set_leader(static_cast<uint32_t>(core_->leader()));
  status.set_commit(core_->commit_index().value());
  status.set_last(core_->last_index().value());
  status.set_log_start(core_->snapshot_index().value());
  status.set_quorum(core_->leader() != Slot::kNone);
  if (!status.quorum()) status.set_waiting_for(Missing());
  return status;
}

}  // namespace triad::server
