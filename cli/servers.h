// The search path of a tool, and asking the nodes that it leads to.
//
// Tools look at nodes directly and at once, not through libtriad: what a node that has lost the
// others says is what an administrator wants to see. Blocking; every call has its deadline.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/args.h"
#include "client/search_path.h"
#include "triad/v1/admin.pb.h"

namespace triad::cli {

// What every verb that speaks to a cluster takes: -c, --insecure.
FlagTable WithClusterFlags(FlagTable flags);

struct FoundClusters {
  std::vector<client::Cluster> clusters;  // in order, at least one
  std::vector<std::string> problems;      // what was passed over
};
// From `license_path` (-c) if it is not empty, else from the environment. A tool belongs to no
// vendor: it reads every NAME_LICENSE_FILE (sorted), then what libtriad reads.
// NOT_FOUND: nothing usable; one line that says why. FAILED_PRECONDITION: plaintext to a host that
// is not this one needs --insecure or TRIAD_INSECURE=1.
absl::StatusOr<FoundClusters> FindTheClusters(const std::string& license_path, bool insecure);
absl::StatusOr<FoundClusters> FindTheClusters(const Args& args);
bool InsecureAllowed(const Args& args);
// The license files on the search path, for `lmstat -i`.
std::vector<std::string> LicenseFilesOnPath(const std::string& license_path);
// "27001@a,27002@b,27003@c", as -c and libtriad take it.
std::string AsSearchPath(const client::Cluster& cluster);
std::string AsSearchPath(const std::vector<client::Cluster>& clusters);

// Names ending in _LICENSE_FILE among "NAME=VALUE" texts, without LM_LICENSE_FILE, sorted.
std::vector<std::string> VendorVariablesAmong(const std::vector<std::string>& environment);

// One node's answer to GetStatus.
struct NodeAnswer {
  client::Address address;
  std::optional<v1::NodeStatus> status;
  absl::Status error;  // if there is none
};
// How long a node may take to say what it is: kStatusTimeoutMs, or FLEXLM_TIMEOUT (microseconds) if
// that is more, as sites with slow links set it.
int64_t StatusTimeoutMs();
// Asks all at once. In the order of `addresses`.
std::vector<NodeAnswer> AskStatus(const std::vector<client::Address>& addresses,
                                  int64_t timeout_ms);
std::vector<NodeAnswer> AskStatus(const std::vector<client::Address>& addresses);
// The same for a whole cluster, also for nodes that only the asked ones know of (a search path may
// name one of three).
std::vector<NodeAnswer> AskCluster(const client::Cluster& cluster, int64_t timeout_ms);
std::vector<NodeAnswer> AskCluster(const client::Cluster& cluster);
// The first cluster of which a node answers; the first one if none does.
std::vector<NodeAnswer> AskFirstThatAnswers(const std::vector<client::Cluster>& clusters,
                                            int64_t timeout_ms);
std::vector<NodeAnswer> AskFirstThatAnswers(const std::vector<client::Cluster>& clusters);

// The error of a node says that something else listens there: FlexNet's lmgrd, or another program.
bool IsForeign(const absl::Status& error);

// What the cluster of these nodes has in use, from the first node that can say: the leader first,
// but for everything of all features a follower, which asks the leader only how far the log is.
// UNAVAILABLE: none can; one line that says what is missing. PERMISSION_DENIED: only administrators
// are told (-63).
absl::StatusOr<v1::Usage> AskUsage(const std::vector<NodeAnswer>& nodes,
                                   const v1::GetUsageRequest& request);

// `target` is gRPC's: DialTarget() of an address, or "unix:PATH".
absl::StatusOr<v1::NodeStatus> AskNode(const std::string& target);
absl::StatusOr<uint32_t> AskTransferLead(const std::string& target, uint32_t to);
// UNAVAILABLE, DEADLINE_EXCEEDED: it may have happened; any other error: it did not.
absl::StatusOr<v1::RereadResponse> AskReread(const std::string& target,
                                             const v1::RereadRequest& request);
absl::StatusOr<v1::RotateLogsResponse> AskRotateLogs(const std::string& target,
                                                     const v1::RotateLogsRequest& request);
absl::StatusOr<v1::StopResponse> AskStop(const std::string& target, const v1::StopRequest& request);
absl::StatusOr<v1::DrainResponse> AskDrain(const std::string& target,
                                           const v1::DrainRequest& request);
// What `triad backup` writes, piece by piece; an error of `on_piece` ends it.
absl::Status AskBackup(const std::string& target,
                       const std::function<absl::Status(const v1::BackupPiece&)>& on_piece);
// Draws an id for the command, so that asking again, as it does while leaders change, is once.
absl::StatusOr<v1::Outcome> AskAct(const std::string& target, const v1::AdminCommand& command);
// 16 bytes that nobody else has.
std::string DrawId();

// Where an administrator's verb asks: --admin-socket or TRIAD_ADMIN_SOCKET, else this host's socket
// if it is a node's of the cluster, else the first node that answered.
std::string AdminTarget(const Args& args, const std::vector<NodeAnswer>& answers);

}  // namespace triad::cli
