// Nodes that run on other hardware than was licensed: for so long, and what then.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/host_id.h"
#include "license/ledger.h"
#include "license/ledger_words.h"

namespace triad::license {
namespace {

// A node of the same slot on the same machine goes on with what is left of its waiver, however
// often it draws a new incarnation.
void Date(const v1::Members& before, v1::Members::Node* node) {
  node->clear_waiver_ends_wall_ms();
  node->clear_waiver_over();
  if (!node->waiver()) return;
  for (const auto& old : before.nodes()) {
    if (old.slot() != node->slot() || !old.waiver() || old.host_id() != node->host_id()) continue;
    node->set_waiver_ends_wall_ms(old.waiver_ends_wall_ms());
    node->set_waiver_over(old.waiver_over());
  }
}

bool Counts(const v1::Members::Node& node) {
  return !node.waiver() || !node.waiver_over();
}

// No more than a node on its licensed machine.
void EndWaiver(v1::Members::Node* node) {
  node->clear_waiver();
  node->clear_waiver_ends_wall_ms();
  node->clear_waiver_over();
}

}  // namespace

// Who may change them, and how, is the quorum log's rule, kept before the entry was made.
v1::Outcome Ledger::ApplyMembers(const v1::Members& members, Events& events) {
  if (members.nodes_size() == 0) return Malformed("a cluster has at least one node");
  v1::Members next = members;
  if (cluster_version() >= kWaiverVersion) {
    for (auto& node : *next.mutable_nodes()) Date(state_.members(), &node);
  }
  state_.SetMembers(next);
  JudgeWaivers(events);
  if (events.empty() || events.back().kind != LedgerEvent::Kind::kMembers) {
    events.push_back(EventOf(LedgerEvent::Kind::kMembers));
  }
  return Done();
}

// What a waiver was given for is licensed by now: the vendor has put it on the SERVER line.
bool Ledger::IsLicensed(const v1::Members::Node& node) const {
  if (cluster_version() < kRelicenseVersion) return false;
  const std::vector<ServerLine>& lines = catalog().servers();
  if (node.slot() == 0 || node.slot() > lines.size()) return false;
  const auto host_id = ParseHostId(node.host_id());
  return host_id.ok() && *host_id == lines[node.slot() - 1].host_id;
}

bool Ledger::MayRelicense(uint32_t slot, const HostId& host_id) const {
  if (cluster_version() < kRelicenseVersion) return false;
  for (const auto& node : members().nodes()) {
    if (node.slot() != slot || !node.waiver()) continue;
    const auto waived = ParseHostId(node.host_id());
    return waived.ok() && *waived == host_id;
  }
  return false;
}

// By the highest date seen, so a clock that is set back wins no day.
void Ledger::JudgeWaivers(Events& events) {
  if (cluster_version() < kWaiverVersion || wall_ms() == 0) return;
  std::optional<v1::Members> next;
  for (int i = 0; i < members().nodes_size(); ++i) {
    const v1::Members::Node& node = members().nodes(i);
    if (!node.waiver()) continue;
    if (IsLicensed(node)) {
      if (!next) next = members();
      EndWaiver(next->mutable_nodes(i));
      continue;
    }
    const int64_t ends_ms =
        node.waiver_ends_wall_ms() == 0 ? wall_ms() + kWaiverMs : node.waiver_ends_wall_ms();
    const bool over = wall_ms() >= ends_ms;
    if (ends_ms == node.waiver_ends_wall_ms() && over == node.waiver_over()) continue;
    if (!next) next = members();
    next->mutable_nodes(i)->set_waiver_ends_wall_ms(ends_ms);
    next->mutable_nodes(i)->set_waiver_over(over);
  }
  if (!next) return;
  state_.SetMembers(*next);
  events.push_back(EventOf(LedgerEvent::Kind::kMembers));
}

std::optional<int64_t> Ledger::NextWaiverEnd() const {
  std::optional<int64_t> next;
  for (const auto& node : members().nodes()) {
    if (!node.waiver() || node.waiver_over() || node.waiver_ends_wall_ms() == 0) continue;
    next = std::min(next.value_or(node.waiver_ends_wall_ms()), node.waiver_ends_wall_ms());
  }
  return next;
}

// Counted licenses are granted while most of the voters are the machines that were licensed, or
// hold a waiver.
std::optional<v1::Outcome> Ledger::WaiverObjection(const std::vector<Grant>& grants) const {
  size_t voters = 0, good = 0;
  std::string over;
  for (const auto& node : members().nodes()) {
    if (!node.voter()) continue;
    ++voters;
    good += Counts(node) ? 1 : 0;
    if (!Counts(node)) absl::StrAppend(&over, over.empty() ? "" : ", ", node.slot());
  }
  if (voters == 0 || 2 * good > voters) return std::nullopt;
  for (const Grant& grant : grants) {
    if (grant.pool->uncounted) continue;
    v1::Outcome outcome;
    outcome.mutable_denied()->set_code(ToNumber(DenialCode::kHostIdMismatch));
    outcome.mutable_denied()->set_reason(
        absl::StrCat("license server ", over, over.size() > 1 ? " run" : " runs",
                     " on other hardware than was licensed, and the waiver is over"));
    outcome.mutable_denied()->set_feature(grant.pool->feature);
    return outcome;
  }
  return std::nullopt;
}

}  // namespace triad::license
