// What a node tells a monitoring system: counts of what happens on it, and the page of /metrics in
// Prometheus' text format. docs/monitoring.md says what each name means; names stay.
//
// Counts begin at 0 with the process. Figures of licenses are those that lmstat shows: they come
// with a Snapshot, which is made on the node's loop; the page is made of it on the caller's thread.
// Thread-safe, but for the two wrappers below, which are called by whoever calls what they wrap.
#pragma once

#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/environment.h"
#include "triad/v1/admin.pb.h"

namespace triad::server {

// A node at one moment.
struct Snapshot {
  v1::NodeStatus status;
  v1::Usage usage;            // without checkouts
  int64_t free_bytes = -1;    // of the disk; below 0: not known
  int64_t certificate_s = 0;  // when it expires, since 1970; 0: there is none
};

class Metrics {
 public:
  explicit Metrics(Clock* clock) : clock_(clock) {}
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void OnRecord(const v1::UsageRecord& record) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSync(double seconds) { sync_.Observe(seconds); }
  void OnRequest(double seconds) { request_.Observe(seconds); }
  // Who leads, 0 for nobody, whenever it may have changed.
  void OnLeader(uint32_t leader, uint64_t term) ABSL_LOCKS_EXCLUDED(mutex_);

  // The page; nullopt: the node does not answer, and only its own counts are told.
  std::string Page(const std::optional<Snapshot>& snapshot) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // The highest use of a feature in the present span of time and in the one before.
  struct Peak {
    int64_t span = 0;
    uint64_t now = 0;
    uint64_t before = 0;
  };

  void Raise(Peak* peak, uint64_t used) const;
  void AddCounts(std::vector<prometheus::MetricFamily>* page) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddFeatures(const Snapshot& snapshot, std::vector<prometheus::MetricFamily>* page)
      ABSL_LOCKS_EXCLUDED(mutex_);

  Clock* const clock_;
  prometheus::Histogram sync_{{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5}};
  prometheus::Histogram request_{{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5}};
  absl::Mutex mutex_;
  uint64_t last_record_ ABSL_GUARDED_BY(mutex_) = 0;
  // By (feature, reason); (feature, kind of end).
  std::map<std::pair<std::string, int32_t>, uint64_t> denials_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> checkouts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Peak> peaks_ ABSL_GUARDED_BY(mutex_);
  uint64_t elections_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t leader_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t term_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Counts records on their way to where they go.
class MeteredUsage final : public UsageSink {
 public:
  MeteredUsage(UsageSink* next, Metrics* metrics) : next_(next), metrics_(metrics) {}
  void OnRecords(const std::vector<license::UsageRow>& rows) override;
  void OnLicenses(const license::Catalog& catalog) override { next_->OnLicenses(catalog); }
  void OnQuorum(std::string line) override { next_->OnQuorum(std::move(line)); }

 private:
  UsageSink* const next_;
  Metrics* const metrics_;
  v1::UsageRecord record_;  // kept: what it has allocated serves the next one too
};

// Measures from a write of the log until it is durable. OnDurable is the disk's thread's.
class MeteredLog final : public LogWriter {
 public:
  MeteredLog(LogWriter* next, Metrics* metrics) : next_(next), metrics_(metrics) {}
  void Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
             std::optional<quorum::LogStart> start, std::vector<quorum::Entry> entries) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDurable(uint64_t write_id) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  LogWriter* const next_;
  Metrics* const metrics_;
  absl::Mutex mutex_;
  std::map<uint64_t, int64_t> begun_us_ ABSL_GUARDED_BY(mutex_);
};

// Measures from a client's request until its answer, both on the node's loop.
class MeteredClients final : public ClientTransport {
 public:
  MeteredClients(ClientTransport* next, Metrics* metrics) : next_(next), metrics_(metrics) {}
  // `begun_us`: when it came in, of MonotonicUs().
  void OnRequest(ConnectionId connection, uint64_t message, int64_t begun_us);
  void OnClosed(ConnectionId connection);
  void Send(ConnectionId connection, v1::ServerMessage message) override;

 private:
  ClientTransport* const next_;
  Metrics* const metrics_;
  std::map<std::pair<ConnectionId, uint64_t>, int64_t> begun_us_;
};

int64_t MonotonicUs();

}  // namespace triad::server
