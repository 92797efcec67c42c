// What administrators do to nodes rather than to the ledger: stop, drain, hand over the lead. What
// was done, and by whom, is recorded in the log when there is a quorum, and always in the journal.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/denial.h"
#include "server/node.h"

namespace triad::server {
namespace {

using quorum::Slot;

bool AnyBorrowed(const license::Ledger& ledger) {
  const auto& checkouts = ledger.checkouts();
  return std::any_of(checkouts.begin(), checkouts.end(),
                     [](const auto& entry) { return entry.second->borrowed(); });
}

}  // namespace

void Node::NoteAct(const std::string& who, const std::string& what, std::function<void()> then) {
  Log(LogLevel::kNotice, absl::StrCat(what, ", asked for by ", who));
  v1::AdminCommand act;
  act.set_who(who);
  act.mutable_noted()->set_what(what);
  const bool can = core_ && core_->leader() != Slot::kNone;
  if (!can) return then();
  ProposeAdmin(std::move(act),
               [this, what, then = std::move(then)](const absl::StatusOr<v1::Outcome>& outcome) {
                 if (!outcome.ok()) {
                   Log(LogLevel::kWarning, absl::StrCat(what, " stands in this journal only: ",
                                                        std::string(outcome.status().message())));
                 }
                 then();
               });
}

// Whether enough voters are in touch with this node, itself counted, when `without` has stopped.
bool Node::QuorumWithout(Slot without) const {
  if (!core_) return false;
  size_t left = 0;
  for (const quorum::Member& member : core_->members().list) {
    if (!member.voter || member.slot == without) continue;
    left += member.slot == config_.self || IsReachable(member.slot) ? 1 : 0;
  }
  return left >= core_->members().Majority();
}

v1::StopResponse Node::ObjectionToStop(bool all, bool force) const {
  v1::StopResponse response;
  if (force) return response;
  const bool serves = core_ && core_->leader() != Slot::kNone;
  const bool ends = all || config_.servers.size() == 1 || !QuorumWithout(config_.self);
  if (serves && ends && AnyBorrowed(*ledger_)) {
    response.set_code(license::ToNumber(license::DenialCode::kBorrowedOut));
    response.set_refusal("licenses are borrowed: give -force to stop all the same");
  } else if (serves && !all && config_.servers.size() > 1 && ends) {
    response.set_code(license::ToNumber(license::DenialCode::kBadParameter));
    response.set_refusal(absl::StrCat("without node ", ToInt(config_.self),
                                      " there is no quorum and no license is served: give -force "
                                      "to stop it all the same"));
  }
  return response;
}

void Node::Stop(bool all, bool force, const std::string& who,
                std::function<void(const v1::StopResponse&)> done) {
  v1::StopResponse response = ObjectionToStop(all, force);
  if (!response.refusal().empty()) return done(response);
  const std::string what =
      all ? std::string("stop all nodes") : absl::StrCat("stop node ", ToInt(config_.self));
  NoteAct(who, what, [this, all, force, who, done = std::move(done)]() {
    // Meanwhile another may have gone, without which this one cannot be spared.
    v1::StopResponse response = ObjectionToStop(all, force);
    if (!response.refusal().empty()) {
      Log(LogLevel::kNotice, absl::StrCat("not stopped: ", response.refusal()));
      return done(response);
    }
    response.add_nodes(static_cast<uint32_t>(config_.self));
    if (all) {
      for (const Server& server : config_.servers) {
        if (server.slot == config_.self) continue;
        const bool told = Order(server.slot, v1::NodeOrder::STOP, who);
        told ? response.add_nodes(static_cast<uint32_t>(server.slot))
             : response.add_unreachable(static_cast<uint32_t>(server.slot));
      }
    }
    done(response);
    // What was sent to the others must leave first.
    stop_at_ms_ = env_.clock->NowMs() + (all ? kStopAfterOthersMs : 0);
  });
}

bool Node::Order(Slot to, v1::NodeOrder::What what, const std::string& who) {
  if (!IsReachable(to)) return false;
  v1::PeerMessage message;
  message.mutable_order()->set_what(what);
  message.mutable_order()->set_who(who);
  env_.peers->Send(to, std::move(message));
  return true;
}

void Node::OnOrder(Slot from, const v1::NodeOrder& order) {
  const std::string who = absl::StrCat(order.who(), ", through node ", ToInt(from));
  switch (order.what()) {
    case v1::NodeOrder::STOP:
      Log(LogLevel::kNotice, absl::StrCat("stop, asked for by ", who));
      stop_at_ms_ = env_.clock->NowMs();
      return;
    case v1::NodeOrder::DRAIN:
    case v1::NodeOrder::UNDRAIN:
      SetDraining(order.what() == v1::NodeOrder::DRAIN, who);
      return;
    default:
      return;
  }
}

void Node::SetDraining(bool draining, const std::string& who) {
  Log(LogLevel::kNotice, absl::StrCat(draining ? "draining: clients go to other nodes, and the lead"
                                               : "draining is undone",
                                      ", asked for by ", who));
  draining_ = draining;
  drained_ms_ = 0;
}

void Node::Drain(Slot node, bool undo, const std::string& who,
                 std::function<void(const absl::Status&)> done) {
  if (node == Slot::kNone) node = config_.self;
  const bool known = std::any_of(config_.servers.begin(), config_.servers.end(),
                                 [&](const Server& server) { return server.slot == node; });
  if (!known) return done(absl::InvalidArgumentError("there is no such node"));
  if (node != config_.self && !IsReachable(node)) {
    return done(absl::FailedPreconditionError(
        absl::StrCat("node ", ToInt(node), " cannot be reached from node ", ToInt(config_.self))));
  }
  NoteAct(who, absl::StrCat(undo ? "undo draining node " : "drain node ", ToInt(node)),
          [this, node, undo, who, done = std::move(done)] {
            if (node == config_.self) {
              SetDraining(!undo, who);
              return done(absl::OkStatus());
            }
            const auto what = undo ? v1::NodeOrder::UNDRAIN : v1::NodeOrder::DRAIN;
            done(Order(node, what, who)
                     ? absl::OkStatus()
                     : absl::FailedPreconditionError(
                           absl::StrCat("node ", ToInt(node), " cannot be reached any more")));
          });
}

// As long as it lasts: who is attached all the same, and the lead that came back, go again.
void Node::TendDraining(int64_t now_ms) {
  if (!draining_ || (drained_ms_ != 0 && now_ms - drained_ms_ < kDrainAgainMs)) return;
  drained_ms_ = now_ms;
  bool other = false;
  for (const Server& server : config_.servers) {
    other = other || (server.slot != config_.self && IsReachable(server.slot));
  }
  if (!other) return;  // nobody to go to
  desk_.MoveAway("this node is being drained");
  if (Leads() && core_->members().voters() > 1) (void)core_->TransferLeadership(Slot::kNone);
}

// A vendor that was stopped through this node before it restarted is served again.
void Node::TendVendors() {
  const auto self = static_cast<uint32_t>(config_.self);
  if (vendor_stopped_here_ || starting_vendors_ || !ledger_->StoppedThrough(self)) return;
  if (core_->leader() == Slot::kNone) return;
  starting_vendors_ = true;
  v1::AdminCommand act;
  act.set_who(absl::StrCat("the restart of node ", self));
  act.mutable_start_vendors()->set_node(self);
  ProposeAdmin(std::move(act),
               [this](const absl::StatusOr<v1::Outcome>&) { starting_vendors_ = false; });
}

void Node::StopVendor(const v1::StopRequest& request, const std::string& who,
                      std::function<void(const absl::StatusOr<v1::Outcome>&)> done) {
  vendor_stopped_here_ = true;
  v1::AdminCommand act;
  act.set_who(who);
  act.set_id(request.id());
  act.mutable_stop_vendor()->set_vendor(request.vendor());
  act.mutable_stop_vendor()->set_node(static_cast<uint32_t>(config_.self));
  ProposeAdmin(std::move(act), std::move(done));
}

}  // namespace triad::server
