#include "server/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "license/denial.h"
#include "triad/v1/usage.pb.h"

namespace triad::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// A peak is kept for one to two of these: longer than anybody scrapes.
constexpr int64_t kPeakSpanMs = 300'000;
// Names come from vendors' files and from clients' requests; what nobody sells is not counted by
// its name.
constexpr size_t kNamesMax = 10'000;
// Requests whose clients went away are forgotten with their connection; this bounds the rest.
constexpr size_t kRequestsMax = 100'000;
constexpr double kMicro = 1e-6;
constexpr double kMsPerSecond = 1e3;

using Labels = std::vector<ClientMetric::Label>;

MetricFamily& Family(std::vector<MetricFamily>* page, const char* name, const char* help,
                     MetricType type = MetricType::Gauge) {
  page->push_back({name, help, type, {}});
  return page->back();
}

void Add(MetricFamily* family, double value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (family->type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family->metric.push_back(std::move(metric));
}

void AddGauge(std::vector<MetricFamily>* page, const char* name, const char* help, double value) {
  Add(&Family(page, name, help), value);
}

Labels OfFeature(const v1::Feature& feature) {
  return {{"feature", feature.name()}, {"vendor", feature.vendor()}};
}

// The moment after the last day; nullopt: it has none.
std::optional<double> ExpiryOf(const std::string& text) {
  absl::Time day;
  std::string error;
  if (!absl::ParseTime("%d-%b-%Y", text, &day, &error)) return std::nullopt;
  return static_cast<double>(absl::ToUnixSeconds(day + absl::Hours(24)));
}

void AddNode(const Snapshot& snapshot, std::vector<MetricFamily>* page) {
  const v1::NodeStatus& status = snapshot.status;
  Add(&Family(page, "triad_build_info", "1; the version is its label"), 1,
      {{"version", status.version()}});
  Add(&Family(page, "triad_node_info", "1; which node this is, and what it does, are its labels"),
      1, {{"node", absl::StrCat(status.slot())}, {"role", status.role()}});
  AddGauge(page, "triad_quorum", "1 if licenses can be granted through this node",
           status.quorum() ? 1 : 0);
  AddGauge(page, "triad_leader", "the node that leads, 0 if this one knows of none",
           status.leader());
  AddGauge(page, "triad_term", "the term of the log", static_cast<double>(status.term()));
  MetricFamily& connected =
      Family(page, "triad_node_connected", "1 if this node's connection to the other stands");
  uint64_t waivers = 0;
  for (const auto& node : status.nodes()) {
    Add(&connected, node.connected() ? 1 : 0, {{"node", absl::StrCat(node.slot())}});
    waivers += node.waiver() ? 1 : 0;
  }
  AddGauge(page, "triad_waivers", "nodes that run on other hardware than was licensed",
           static_cast<double>(waivers));
  MetricFamily& ends = Family(page, "triad_waiver_end_timestamp_seconds",
                              "when the waiver of a node on other hardware ends, or has ended");
  for (const auto& node : status.nodes()) {
    if (!node.waiver() || node.waiver_ends_wall_ms() == 0) continue;
    Add(&ends, static_cast<double>(node.waiver_ends_wall_ms()) / kMsPerSecond,
        {{"node", absl::StrCat(node.slot())}});
  }
  AddGauge(page, "triad_draining", "1 if this node was told to lead no more",
           status.draining() ? 1 : 0);
  AddGauge(page, "triad_warnings", "lines of warning that triad status shows",
           status.warnings_size());
  AddGauge(page, "triad_sessions", "applications that are known to the license server",
           static_cast<double>(status.sessions()));
  AddGauge(page, "triad_log_commit_index", "the last entry that a majority has",
           static_cast<double>(status.commit()));
  AddGauge(page, "triad_log_applied_index", "the last entry that this node has applied",
           static_cast<double>(status.applied()));
  AddGauge(page, "triad_log_lag_entries", "committed entries that this node has not applied yet",
           static_cast<double>(status.commit() - std::min(status.commit(), status.applied())));
  if (snapshot.free_bytes >= 0) {
    AddGauge(page, "triad_disk_free_bytes", "free on the disk of this node's data",
             static_cast<double>(snapshot.free_bytes));
  }
  if (snapshot.certificate_s > 0) {
    AddGauge(page, "triad_certificate_expiry_timestamp_seconds",
             "when this node's certificate expires", static_cast<double>(snapshot.certificate_s));
  }
}

}  // namespace

int64_t MonotonicUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Metrics::Raise(Peak* peak, uint64_t used) const {
  const int64_t span = clock_->NowMs() / kPeakSpanMs;
  if (span != peak->span) {
    peak->before = span == peak->span + 1 ? peak->now : 0;
    peak->now = 0;
    peak->span = span;
  }
  peak->now = std::max(peak->now, used);
}

void Metrics::OnRecord(const v1::UsageRecord& record) {
  absl::MutexLock lock(&mutex_);
  if (record.number() <= last_record_) return;  // given again after a crash
  last_record_ = record.number();
  if (peaks_.size() < kNamesMax || peaks_.count(record.feature()) > 0) {
    if (record.kind() == v1::UsageRecord::CHECKED_OUT)
      Raise(&peaks_[record.feature()], record.used());
  }
  if (record.kind() == v1::UsageRecord::CHECKED_OUT && checkouts_.size() < kNamesMax) {
    ++checkouts_[record.feature()];
  }
  if (record.kind() != v1::UsageRecord::DENIED) return;
  // An unknown feature's name is whatever a client said.
  const bool known = record.licensed() > 0 || record.uncounted();
  const std::pair<std::string, int32_t> key = {known ? record.feature() : "", record.code()};
  if (denials_.size() < kNamesMax || denials_.count(key) > 0) ++denials_[key];
}

void Metrics::OnLeader(uint32_t leader, uint64_t term) {
  absl::MutexLock lock(&mutex_);
  if (leader != 0 && (leader != leader_ || term != term_)) {
    ++elections_;
    leader_ = leader;
    term_ = term;
  }
}

void Metrics::AddCounts(std::vector<MetricFamily>* page) {
  const auto add_histogram = [page](const char* name, const char* help,
                                    const prometheus::Histogram& histogram) {
    Family(page, name, help, MetricType::Histogram).metric.push_back(histogram.Collect());
  };
  add_histogram("triad_log_sync_seconds", "from a write to the log until it is on the disk", sync_);
  add_histogram("triad_request_seconds",
                "from a client's request until its answer left, on the node that it came to",
                request_);
  absl::MutexLock lock(&mutex_);
  Add(&Family(page, "triad_elections_total", "leaders that this node has seen begin",
              MetricType::Counter),
      static_cast<double>(elections_));
  MetricFamily& denials =
      Family(page, "triad_denials_total",
             "checkouts that were refused, by FlexNet's number; feature is \"\" for unknown ones",
             MetricType::Counter);
  for (const auto& [key, count] : denials_) {
    Add(&denials, static_cast<double>(count),
        {{"feature", key.first},
         {"code", absl::StrCat(key.second)},
         {"reason",
          std::string(license::DenialText(static_cast<license::DenialCode>(key.second)))}});
  }
  MetricFamily& checkouts =
      Family(page, "triad_checkouts_total", "checkouts that were granted", MetricType::Counter);
  for (const auto& [feature, count] : checkouts_) {
    Add(&checkouts, static_cast<double>(count), {{"feature", feature}});
  }
}

void Metrics::AddFeatures(const Snapshot& snapshot, std::vector<MetricFamily>* page) {
  struct Column {
    const char* name;
    const char* help;
    uint64_t (*value)(const v1::Feature&);
  };
  static constexpr Column kColumns[] = {
      {"triad_feature_issued", "licenses that are valid today; -1 stands for uncounted",
       [](const v1::Feature& feature) { return feature.issued(); }},
      {"triad_feature_used", "licenses that are out",
       [](const v1::Feature& feature) { return feature.used(); }},
      {"triad_feature_free", "licenses that anybody could have",
       [](const v1::Feature& feature) { return feature.free(); }},
      {"triad_feature_reserved", "licenses that are set aside and not out",
       [](const v1::Feature& feature) { return feature.reserved(); }},
      {"triad_feature_queued", "checkouts that wait",
       [](const v1::Feature& feature) { return feature.queued(); }},
  };
  for (const Column& column : kColumns) {
    MetricFamily& family = Family(page, column.name, column.help);
    for (const v1::Feature& feature : snapshot.usage.features()) {
      const bool endless = feature.uncounted() && &column == &kColumns[0];
      Add(&family, endless ? -1 : static_cast<double>(column.value(feature)), OfFeature(feature));
    }
  }
  MetricFamily& peaks = Family(page, "triad_feature_used_peak",
                               "the most that were out at once in the last 5 to 10 minutes");
  {
    absl::MutexLock lock(&mutex_);
    for (const v1::Feature& feature : snapshot.usage.features()) {
      if (peaks_.size() >= kNamesMax && peaks_.count(feature.name()) == 0) continue;
      Peak& peak = peaks_[feature.name()];
      Raise(&peak, feature.used());
      Add(&peaks, static_cast<double>(std::max(peak.now, peak.before)), OfFeature(feature));
    }
  }
  MetricFamily& expiry = Family(page, "triad_feature_expiry_timestamp_seconds",
                                "when the first of its licenses expire; none if all are permanent");
  for (const v1::Feature& feature : snapshot.usage.features()) {
    std::optional<double> first;
    for (const v1::Pool& pool : feature.pools()) {
      const auto day = ExpiryOf(pool.expires());
      if (day && (!first || *day < *first)) first = day;
    }
    if (first) Add(&expiry, *first, OfFeature(feature));
  }
}

std::string Metrics::Page(const std::optional<Snapshot>& snapshot) {
  std::vector<MetricFamily> page;
  AddGauge(&page, "triad_up", "1 if the node's own loop answers", snapshot ? 1 : 0);
  if (snapshot) {
    AddNode(*snapshot, &page);
    AddFeatures(*snapshot, &page);
  }
  AddCounts(&page);
  return prometheus::TextSerializer().Serialize(page);
}

void MeteredUsage::OnRecords(const std::vector<license::UsageRow>& rows) {
  for (const license::UsageRow& row : rows) {
    if (record_.ParseFromString(row.bytes)) metrics_->OnRecord(record_);
  }
  next_->OnRecords(rows);
}

void MeteredLog::Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
                       std::optional<quorum::LogStart> start, std::vector<quorum::Entry> entries) {
  {
    absl::MutexLock lock(&mutex_);
    begun_us_[write_id] = MonotonicUs();
  }
  next_->Write(write_id, hard_state, start, std::move(entries));
}

void MeteredLog::OnDurable(uint64_t write_id) {
  const int64_t now_us = MonotonicUs();
  absl::MutexLock lock(&mutex_);
  const auto end = begun_us_.upper_bound(write_id);
  for (auto it = begun_us_.begin(); it != end; it = begun_us_.erase(it)) {
    metrics_->OnSync(static_cast<double>(now_us - it->second) * kMicro);
  }
}

void MeteredClients::OnRequest(ConnectionId connection, uint64_t message, int64_t begun_us) {
  if (begun_us_.size() < kRequestsMax) begun_us_.try_emplace({connection, message}, begun_us);
}

void MeteredClients::OnClosed(ConnectionId connection) {
  const auto from = begun_us_.lower_bound({connection, 0});
  const auto to = begun_us_.upper_bound({connection, std::numeric_limits<uint64_t>::max()});
  begun_us_.erase(from, to);
}

void MeteredClients::Send(ConnectionId connection, v1::ServerMessage message) {
  const auto it = begun_us_.find({connection, message.id()});
  if (it != begun_us_.end()) {
    metrics_->OnRequest(static_cast<double>(MonotonicUs() - it->second) * kMicro);
    begun_us_.erase(it);
  }
  next_->Send(connection, std::move(message));
}

}  // namespace triad::server
