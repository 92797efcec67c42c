// What a leader does of its own: the first license set, expiries, members, the cluster's version;
// and what it refuses to append.
#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/node.h"

namespace triad::server {
namespace {

using quorum::Slot;

v1::Failure Refusal(v1::Failure::Why why, std::string reason) {
  v1::Failure failure;
  failure.set_why(why);
  failure.set_reason(std::move(reason));
  failure.set_certain(true);
  failure.set_retry_after_ms(kRetryAfterMs);
  return failure;
}

bool IsCheckout(const v1::Command& command) {
  return command.has_request() && command.request().has_checkout();
}

// "node 2", "nodes 1 and 2"
std::string NodesText(const std::vector<int>& slots) {
  return absl::StrCat(slots.size() == 1 ? "node " : "nodes ", absl::StrJoin(slots, " and "));
}

// "UTC+2", "UTC-3:30"
std::string ZoneText(int32_t offset_s) {
  const int32_t minutes = std::abs(offset_s) / 60;
  const std::string rest = minutes % 60 == 0 ? "" : absl::StrCat(":", minutes % 60);
  return absl::StrCat("UTC", offset_s < 0 ? "-" : "+", minutes / 60, rest);
}

}  // namespace

void Node::WatchLead() {
  const Slot leader = core_->leader();
  const bool leads = Leads();
  if (leader == seen_leader_ && core_->term() == seen_term_ && leads == seen_leading_) return;
  const int64_t now = env_.clock->NowMs();
  if (leader != seen_leader_ || (leader != Slot::kNone && core_->term() != seen_term_)) {
    Log(LogLevel::kInfo, leader == Slot::kNone
                             ? absl::StrCat("no leader in term ", core_->term().value())
                             : absl::StrCat("node ", ToInt(leader), leads ? " (this one)" : "",
                                            " leads in term ", core_->term().value()));
    Note(leader == Slot::kNone
             ? "Lost quorum"
             : absl::StrCat(leads ? "Selected master node " : "CONNECTED, master is node ",
                            HostOf(leader)));
  }
  const bool new_lead = leads && (!seen_leading_ || core_->term() != seen_term_);
  if (new_lead || !leads) {
    expiry_.StopLeading();
    proposals_.DropExpiries();
    round_ = quorum::Index(0);
    install_proposed_ = false;
    version_proposed_ = false;
    low_space_ms_.clear();
    time_proposed_ = false;
    clocks_.clear();
    told_clocks_.clear();
  }
  if (new_lead) stamper_.Lead(ledger_->cluster_ms(), now);
  seen_leader_ = leader;
  seen_term_ = core_->term();
  seen_leading_ = leads;
  if (leader == Slot::kNone) {
    if (!leaderless_since_ms_) leaderless_since_ms_ = now;
  } else {
    leaderless_since_ms_.reset();
  }
  proposals_.OnLeaderChanged();
  reads_.ForgetLeader();
}

// A new leader first applies everything of earlier terms; it then knows the licenses and the
// highest stamp.
bool Node::ReadyToPropose() const {
  return Leads() && expiry_.leading() && (install_proposed_ || ledger_->license_set_number() > 0);
}

v1::Stamp Node::NewStamp() {
  return stamper_.Stamp(env_.clock->NowMs(), env_.clock->WallMs(), env_.clock->UtcOffsetSeconds());
}

void Node::ProposeFirstInstall() {
  if (!Leads() || !expiry_.leading() || install_proposed_ || ledger_->license_set_number() > 0) {
    return;
  }
  v1::Command command;
  *command.mutable_install() = config_.own_files;
  install_proposed_ = core_->Propose({{MakePayload(NewStamp(), &command)}}).ok();
}

void Node::ProposeExpiries(int64_t now_ms) {
  // While something is not applied yet, a session may have been heard and it is not known here; and
  // its entries would come on top of what is behind.
  if (!Leads() || !to_apply_.empty()) return;
  for (v1::ExpireSession& expire : expiry_.Due(*ledger_, now_ms)) {
    Origin origin;
    origin.kind = Origin::Kind::kExpire;
    origin.session = expire.session();
    v1::Command command;
    *command.mutable_expire() = std::move(expire);
    proposals_.Submit(std::move(command), std::move(origin), now_ms);
  }
}

// What is due is done by an entry, so that it is done on all nodes at one index. One at a time is
// under way: what it leaves is due again when it is applied, and a new leader begins anew.
void Node::ProposeTimePasses(int64_t now_ms) {
  if (!ReadyToPropose() || time_proposed_) return;
  v1::Command command;
  command.mutable_time_passes();
  if (ledger_->cluster_version() < license::RequiredVersion(command)) return;
  const license::NextDue due = ledger_->NextDueAt();
  const bool by_time = due.cluster_ms && *due.cluster_ms <= stamper_.ClusterMs(now_ms);
  const bool by_date = due.wall_ms && *due.wall_ms <= env_.clock->WallMs();
  if (!by_time && !by_date) return;
  time_proposed_ = core_->Propose({{MakePayload(NewStamp(), &command)}}).ok();
}

// ------------------------------------------------------------------------------------------
// Clocks: what the others say they have, beside this leader's.

bool Node::IsFresh(const ClockReading& reading) const {
  return env_.clock->NowMs() - reading.heard_ms < kClockHoldsMs;
}

std::vector<std::string> Node::ClockWarnings() const {
  std::vector<std::string> warnings;
  if (!core_ || !Leads()) return warnings;
  for (const auto& [slot, reading] : clocks_) {
    if (!IsFresh(reading)) continue;
    const std::string name = absl::StrCat("node ", ToInt(slot));
    if (const int64_t off = std::abs(reading.ahead_ms); off > kClockWarnMs) {
      warnings.push_back(absl::StrCat("the clock of ", name, " is ", off / 1'000, " s ",
                                      reading.ahead_ms > 0 ? "ahead of" : "behind",
                                      " the leader's: run NTP on both"));
    }
    if (const int32_t own = env_.clock->UtcOffsetSeconds(); reading.utc_offset_s != own) {
      warnings.push_back(absl::StrCat(
          name, " is in another time zone (", ZoneText(reading.utc_offset_s), ") than the leader (",
          ZoneText(own), "): dates end at midnight where the leader is"));
    }
  }
  return warnings;
}

// A leader whose clock is minutes off the two others, which agree, would date everything wrongly.
void Node::TendClocks(int64_t now_ms) {
  if (!Leads()) return;
  std::vector<std::string> warnings = ClockWarnings();
  if (warnings.size() > told_clocks_.size()) {
    for (const std::string& warning : warnings) Log(LogLevel::kWarning, warning);
  }
  told_clocks_ = std::move(warnings);
  if (handed_over_ms_ != 0 && now_ms - handed_over_ms_ < kHandOverAgainMs) return;
  std::vector<int64_t> ahead;
  for (const auto& [slot, reading] : clocks_) {
    if (IsFresh(reading)) ahead.push_back(reading.ahead_ms);
  }
  if (ahead.size() < 2 || std::abs(ahead[0] - ahead[1]) > kClocksAgreeMs ||
      std::min(std::abs(ahead[0]), std::abs(ahead[1])) < kClockMinutesOffMs) {
    return;
  }
  handed_over_ms_ = now_ms;
  Log(LogLevel::kWarning,
      absl::StrCat("the clock of this node is ", std::abs(ahead[0]) / 1'000,
                   " s off those of the two others, which agree: handing over the lead"));
  (void)core_->TransferLeadership(Slot::kNone);
}

// ------------------------------------------------------------------------------------------
// Version: a command is used when every node's program knows it.

uint32_t Node::KnownByAll() const {
  if (core_->members().voters() < config_.servers.size()) return 0;
  uint32_t known_by_all = config_.version;
  for (const Server& server : config_.servers) {
    if (server.slot == config_.self) continue;
    if (!IsReachable(server.slot)) return 0;
    known_by_all = std::min(known_by_all, std::max(1u, outgoing_.at(server.slot).version));
  }
  return known_by_all;
}

// A node that is away, or goes back to the old program, begins the time anew. A new cluster, in
// which nothing is used yet, has nothing to go back to.
void Node::TendVersion() {
  if (!ReadyToPropose() || version_proposed_) return;
  const uint32_t known_by_all = KnownByAll();
  if (known_by_all <= ledger_->cluster_version()) {
    newer_version_ = 0;
    return;
  }
  const int64_t now_ms = env_.clock->NowMs();
  if (newer_version_ != known_by_all) {
    newer_version_ = known_by_all;
    newer_since_ms_ = now_ms;
    if (ledger_->cluster_version() > 1 && config_.finalise_after_ms > 0) {
      Log(LogLevel::kNotice,
          absl::StrCat("all nodes know commands up to version ", known_by_all,
                       ": they are used when that has been so for ",
                       config_.finalise_after_ms / 1'000,
                       " s; until then any node may go back to the program before"));
    }
  }
  if (ledger_->cluster_version() > 1 && now_ms - newer_since_ms_ < config_.finalise_after_ms) {
    return;
  }
  v1::Command command;
  command.mutable_set_cluster_version()->set_version(known_by_all);
  version_proposed_ = core_->Propose({{MakePayload(NewStamp(), &command)}}).ok();
}

std::string Node::TooOldFor(uint32_t version) const {
  std::vector<int> old;
  for (const Server& server : config_.servers) {
    const auto it = outgoing_.find(server.slot);
    const bool knows = server.slot == config_.self
                           ? config_.version >= version
                           : it != outgoing_.end() && it->second.version >= version;
    if (!knows) old.push_back(ToInt(server.slot));
  }
  if (old.empty()) return "the nodes have just learnt of it: try again shortly";
  return absl::StrCat(NodesText(old), old.size() == 1 ? " has" : " have",
                      " too old a program, or cannot be reached: upgrade triadd there");
}

// Which voters are short of space, if those that are not make no majority; "": enough are well.
std::string Node::LackingSpace() const {
  std::vector<int> low;
  for (const quorum::Member& member : core_->members().list) {
    if (!member.voter) continue;
    const auto told = low_space_ms_.find(member.slot);
    const bool is_low =
        member.slot == config_.self
            ? low_space_
            : told != low_space_ms_.end() && env_.clock->NowMs() - told->second < kLowSpaceHoldsMs;
    if (is_low) low.push_back(ToInt(member.slot));
  }
  const size_t voters = core_->members().voters();
  return voters - low.size() >= core_->members().Majority() ? "" : NodesText(low);
}

// Why this command must not be appended now.
std::optional<v1::Failure> Node::Objection(const v1::Command& command) const {
  if (command.has_members() || command.has_recovered() || command.has_set_cluster_version()) {
    return Refusal(v1::Failure::REFUSED, "only a leader may propose that");
  }
  if (const uint32_t needed = license::RequiredVersion(command);
      needed > ledger_->cluster_version()) {
    return Refusal(v1::Failure::REFUSED, absl::StrCat("not possible yet: ", TooOldFor(needed)));
  }
  if (!IsCheckout(command)) return std::nullopt;
  // Asked again, it is answered as before: nothing new.
  const auto* session = ledger_->FindSession(command.request().session());
  if (session != nullptr && session->results.contains(command.request().seq())) return std::nullopt;
  const std::string lacking = LackingSpace();
  if (lacking.empty()) return std::nullopt;
  return Refusal(v1::Failure::DISK_LOW,
                 absl::StrCat("too little disk space on ", lacking,
                              ": nothing new is checked out until some is freed"));
}

}  // namespace triad::server
