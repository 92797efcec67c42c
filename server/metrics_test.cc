#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "triad/v1/usage.pb.h"

namespace triad::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FakeClock final : public Clock {
 public:
  int64_t NowMs() override { return now_ms; }
  int64_t WallMs() override { return now_ms; }
  int32_t UtcOffsetSeconds() override { return 0; }
  int64_t now_ms = 1'000'000;
};

class MetricsTest : public ::testing::Test {
 protected:
  v1::UsageRecord Record(v1::UsageRecord::Kind kind, const std::string& feature, uint64_t used) {
    v1::UsageRecord record;
    record.set_number(++number_);
    record.set_kind(kind);
    record.set_feature(feature);
    record.set_used(used);
    record.set_licensed(10);
    return record;
  }
  v1::UsageRecord Denied(const std::string& feature, int32_t code) {
    v1::UsageRecord record = Record(v1::UsageRecord::DENIED, feature, 0);
    record.set_code(code);
    return record;
  }

  FakeClock clock_;
  Metrics metrics_{&clock_};
  uint64_t number_ = 0;
};

Snapshot Sample() {
  Snapshot snapshot;
  snapshot.free_bytes = 5'000;
  snapshot.certificate_s = 1'900'000'000;
  v1::NodeStatus& status = snapshot.status;
  status.set_slot(2);
  status.set_role("follower");
  status.set_version("1.2.3");
  status.set_quorum(true);
  status.set_leader(1);
  status.set_term(7);
  status.set_commit(120);
  status.set_applied(118);
  status.set_sessions(4);
  status.add_warnings("one");
  for (uint32_t slot = 1; slot <= 3; ++slot) {
    auto* node = status.add_nodes();
    node->set_slot(slot);
    node->set_connected(slot != 3);
    node->set_waiver(slot == 1);
    if (slot == 1) node->set_waiver_ends_wall_ms(1'800'000'000'000);
  }
  v1::Feature* feature = snapshot.usage.add_features();
  feature->set_name("tserver_sdn");
  feature->set_vendor("genesys.d");
  feature->set_issued(10);
  feature->set_used(6);
  feature->set_free(3);
  feature->set_reserved(1);
  feature->set_queued(2);
  feature->add_pools()->set_expires("permanent");
  feature->add_pools()->set_expires("31-dec-2030");
  feature->add_pools()->set_expires("1-jan-2029");
  v1::Feature* endless = snapshot.usage.add_features();
  endless->set_name("odd\"name\\");
  endless->set_vendor("v");
  endless->set_uncounted(true);
  endless->set_used(8);
  endless->add_pools()->set_expires("permanent");
  return snapshot;
}

// The page as it stands in testdata; whoever changes a name breaks somebody's alerts.
TEST_F(MetricsTest, ThePageIsTheGoldenOne) {
  metrics_.OnLeader(1, 7);
  metrics_.OnRecord(Record(v1::UsageRecord::CHECKED_OUT, "tserver_sdn", 9));
  metrics_.OnRecord(Denied("tserver_sdn", -4));
  metrics_.OnSync(0.0015);
  metrics_.OnRequest(0.004);
  std::ifstream file(TRIAD_SOURCE_DIR "/server/testdata/metrics.txt");
  const std::string golden{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(metrics_.Page(Sample()), golden);
}

TEST_F(MetricsTest, WithoutAnAnswerOnlyItsOwnCountsAreTold) {
  const std::string page = metrics_.Page(std::nullopt);
  EXPECT_THAT(page, HasSubstr("\ntriad_up 0\n"));
  EXPECT_THAT(page, HasSubstr("triad_elections_total 0\n"));
  EXPECT_THAT(page, Not(HasSubstr("triad_quorum")));
}

TEST_F(MetricsTest, EachLeaderCountsOnce) {
  metrics_.OnLeader(1, 1);
  metrics_.OnLeader(0, 2);
  metrics_.OnLeader(1, 1);
  metrics_.OnLeader(3, 2);
  metrics_.OnLeader(3, 4);
  EXPECT_THAT(metrics_.Page(std::nullopt), HasSubstr("triad_elections_total 3\n"));
}

TEST_F(MetricsTest, RecordsThatAreGivenAgainCountOnce) {
  const v1::UsageRecord record = Denied("tserver_sdn", -4);
  metrics_.OnRecord(record);
  metrics_.OnRecord(record);
  EXPECT_THAT(metrics_.Page(std::nullopt),
              HasSubstr("triad_denials_total{feature=\"tserver_sdn\",code=\"-4\",reason=\"all "
                        "licenses in use\"} 1\n"));
}

TEST_F(MetricsTest, NamesThatClientsMakeUpGiveNoSeriesOfTheirOwn) {
  for (const char* name : {"a", "b", "c"}) {
    v1::UsageRecord record = Denied(name, -5);
    record.set_licensed(0);
    metrics_.OnRecord(record);
  }
  EXPECT_THAT(metrics_.Page(std::nullopt),
              HasSubstr("triad_denials_total{feature=\"\",code=\"-5\""));
  EXPECT_THAT(metrics_.Page(std::nullopt), Not(HasSubstr("feature=\"a\"")));
}

TEST_F(MetricsTest, APeakBetweenTwoScrapesIsSeenAndForgottenLater) {
  const auto peak = [this] {
    const std::string page = metrics_.Page(Sample());
    std::smatch match;
    std::regex_search(page, match,
                      std::regex("used_peak\\{feature=\"tserver_sdn\"[^}]*\\} (\\d+)"));
    return match[1].str();
  };
  metrics_.OnRecord(Record(v1::UsageRecord::CHECKED_OUT, "tserver_sdn", 9));
  EXPECT_EQ(peak(), "9");
  clock_.now_ms += 300'000;
  EXPECT_EQ(peak(), "9");
  clock_.now_ms += 300'000;
  EXPECT_EQ(peak(), "6") << "as many as are out now";
}

class LogNowhere final : public LogWriter {
 public:
  void Write(uint64_t, std::optional<quorum::HardState>, std::optional<quorum::LogStart>,
             std::vector<quorum::Entry>) override {
    ++writes;
  }
  int writes = 0;
};

TEST_F(MetricsTest, AWriteIsMeasuredUntilItIsDurable) {
  LogNowhere log;
  MeteredLog metered(&log, &metrics_);
  for (uint64_t id = 1; id <= 3; ++id) metered.Write(id, std::nullopt, std::nullopt, {});
  metered.OnDurable(2);
  EXPECT_EQ(log.writes, 3);
  EXPECT_THAT(metrics_.Page(std::nullopt), HasSubstr("triad_log_sync_seconds_count 2\n"));
}

class ClientsNowhere final : public ClientTransport {
 public:
  void Send(ConnectionId, v1::ServerMessage) override { ++sent; }
  int sent = 0;
};

TEST_F(MetricsTest, ARequestIsMeasuredUntilItsAnswer) {
  ClientsNowhere clients;
  MeteredClients metered(&clients, &metrics_);
  metered.OnRequest(5, 1, MonotonicUs());
  metered.OnRequest(5, 2, MonotonicUs());
  metered.OnRequest(6, 2, MonotonicUs());
  v1::ServerMessage answer;
  answer.set_id(2);
  metered.Send(5, answer);
  metered.Send(5, answer);  // no request
  metered.OnClosed(5);
  answer.set_id(1);
  metered.Send(5, answer);
  EXPECT_EQ(clients.sent, 3);
  EXPECT_THAT(metrics_.Page(std::nullopt), HasSubstr("triad_request_seconds_count 1\n"));
}

std::set<std::string> NamesIn(const std::string& path) {
  std::ifstream file(TRIAD_SOURCE_DIR "/" + path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_FALSE(text.empty()) << path;
  std::set<std::string> names;
  const std::regex name("triad_[a-z_]+");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), name); it != std::sregex_iterator();
       ++it) {
    std::string found = it->str();
    for (const char* suffix : {"_bucket", "_sum", "_count"}) {
      if (found.size() > 7 + 6 && found.ends_with(suffix))
        found.resize(found.size() - std::string(suffix).size());
    }
    names.insert(found);
  }
  return names;
}

// What the page may have, by the golden one.
std::set<std::string> Known() {
  return NamesIn("server/testdata/metrics.txt");
}

TEST(MetricNames, EveryNameIsDocumented) {
  const std::set<std::string> documented = NamesIn("docs/monitoring.md");
  for (const std::string& name : Known()) EXPECT_EQ(documented.count(name), 1u) << name;
}

TEST(MetricNames, AlertsAndDashboardUseNamesThatThereAre) {
  const std::set<std::string> known = Known();
  for (const char* path : {"deploy/prometheus/triad.rules.yml", "deploy/grafana/triad.json"}) {
    for (const std::string& name : NamesIn(path)) {
      EXPECT_EQ(known.count(name), 1u) << path << ": " << name;
    }
  }
}

}  // namespace
}  // namespace triad::server
