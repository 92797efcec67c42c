// `triad status`: one picture of a cluster out of what each of its nodes says of itself.
//
// It decides nothing for the cluster; it only judges what can be seen from here, and where the
// nodes disagree it believes the highest term. MergeStatus and the renderings are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/args.h"
#include "cli/servers.h"

namespace triad::cli {

struct NodeView {
  uint32_t node = 0;  // its SERVER line, 1..3
  std::string address;
  std::string role;   // as NodeStatus.role, or down
  uint64_t term = 0;  // 0: down
  std::optional<uint64_t> applied;
  uint64_t lag = 0;       // entries behind what is committed
  bool in_touch = false;  // answers, and the leader has a link to it
  bool draining = false;  // told to lead no more: about to be restarted or mended
  std::string error;      // why it is down
};

struct ClusterView {
  bool any_answer = false;
  bool quorum = false;
  uint32_t leader = 0;  // 0: none
  uint64_t term = 0;
  uint64_t sessions = 0;
  uint64_t license_set = 0;
  std::vector<NodeView> nodes;
  std::vector<std::string> vendors;
  std::vector<std::string> warnings;
  std::string waiting_for;  // without quorum

  // How many nodes may still be lost: 1 or 0. Without quorum 0.
  int CanLose() const;
  // "can lose 1", "cannot lose any: ...", "no quorum: waiting for ...".
  std::string Verdict() const;
};

ClusterView MergeStatus(const std::vector<NodeAnswer>& answers);

std::string StatusText(const ClusterView& view);
std::string StatusJson(const ClusterView& view);
// As a monitoring plugin's: 0, 1, 2, 3 and one line.
int CheckStatus(const ClusterView& view);
std::string CheckText(const ClusterView& view);

int StatusVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
