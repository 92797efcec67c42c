#include "server/usage_logs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "license/ledger_testing.h"
#include "license/usage_json.h"

namespace triad::server {
namespace {

class FakeClock final : public Clock {
 public:
  int64_t NowMs() override { return 0; }
  int64_t WallMs() override { return license::testing::kNoonMs; }
  int32_t UtcOffsetSeconds() override { return 0; }
};

class FakeLogger final : public Logger {
 public:
  void Log(LogLevel, absl::string_view line) override {
    absl::MutexLock lock(&mutex_);
    lines_.emplace_back(line);
  }
  std::vector<std::string> lines() {
    absl::MutexLock lock(&mutex_);
    return lines_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

class UsageLogsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override {
    logs_.reset();
    std::filesystem::remove_all(dir_);
  }
  void Begin(const std::string& debug_log) {
    UsageLogs::Config config;
    config.debug_log = debug_log;
    config.place_dir = dir_;
    config.start.host = "lic1";
    logs_ = std::make_unique<UsageLogs>(std::move(config), &clock_, &logger_);
  }
  // Ends the thread: everything is written then.
  void End() { logs_.reset(); }
  void Licenses(const std::string& options) {
    license::LicenseSources sources;
    const v1::InstallLicenses set = license::testing::SetOf("FEATURE f acme 1.0 permanent 1\n", 0);
    sources.license_files.push_back({"license.dat", set.license_files(0).content()});
    sources.option_files.push_back({"acme", options});
    sources.keys.emplace("acme", license::testing::AcmeKey().keys.public_key);
    catalog_ = license::Catalog::Build(sources);
    logs_->OnLicenses(catalog_);
  }
  void Record(uint64_t number, v1::UsageRecord::Kind kind = v1::UsageRecord::CHECKED_OUT) {
    v1::UsageRecord record;
    record.set_number(number);
    record.set_kind(kind);
    record.set_wall_ms(license::testing::kNoonMs);
    record.set_feature("f");
    record.set_vendor("acme");
    record.set_count(1);
    record.set_user(absl::StrCat("u", number));
    record.set_host("pc");
    logs_->OnRecords({{number, record.SerializeAsString()}});
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  // The lines about licenses.
  std::string Events(const std::string& path) {
    std::stringstream text(Read(path));
    std::string line, events;
    while (std::getline(text, line)) {
      for (const char* word : {"OUT: ", "IN: ", "Events ", "lines are not"}) {
        if (absl::StrContains(line, word)) absl::StrAppend(&events, line, "\n");
      }
    }
    return events;
  }

  const std::string dir_ = ::testing::TempDir() + "/triad_usage_logs_test";
  const std::string path_ = dir_ + "/debug.log";
  FakeClock clock_;
  FakeLogger logger_;
  license::Catalog catalog_;
  std::unique_ptr<UsageLogs> logs_;
};

TEST_F(UsageLogsTest, RecordsBecomeLinesBehindTheBanner) {
  Begin(path_);
  Licenses("");
  Record(1);
  logs_->OnQuorum("Connected to node lic2");
  End();
  const std::string text = Read(path_);
  EXPECT_TRUE(absl::StrContains(text, "12:00:00 (acme) Server started on lic1 for:\tf\t\t\n"))
      << text;
  EXPECT_TRUE(absl::StrContains(text, "12:00:00 (lmgrd) TIMESTAMP 6/15/2026\n")) << text;
  EXPECT_TRUE(absl::EndsWith(text,
                             "12:00:00 (acme) OUT: \"f\" u1@pc  \n"
                             "12:00:00 (lmgrd) Connected to node lic2\n"
                             "12:00:00 (lmgrd) daemon shutdown requested - shutting down\n"
                             "12:00:00 (acme) daemon shutdown requested - shutting down\n"
                             "12:00:00 (acme) EXITING DUE TO SIGNAL 15\n"))
      << text;
}

TEST_F(UsageLogsTest, RecordsThatAreGivenAgainAfterARestartAreNotWrittenAgain) {
  Begin("+" + path_);
  Record(1);
  Record(2);
  End();
  Begin("+" + path_);
  Record(2);
  Record(3);
  End();
  EXPECT_EQ(Events(path_),
            "12:00:00 (acme) OUT: \"f\" u1@pc  \n"
            "12:00:00 (acme) OUT: \"f\" u2@pc  \n"
            "12:00:00 (acme) OUT: \"f\" u3@pc  \n");
}

TEST_F(UsageLogsTest, ANodeThatWasAwayNamesWhatItMissedInOneLine) {
  Begin("+" + path_);
  Record(1);
  End();
  Begin("+" + path_);
  Record(10);
  End();
  EXPECT_EQ(Events(path_),
            "12:00:00 (acme) OUT: \"f\" u1@pc  \n"
            "12:00:00 (lmgrd) Events 2 to 9 are not in this log: they are in the usage records and "
            "in the logs of the other hosts\n"
            "12:00:00 (acme) OUT: \"f\" u10@pc  \n");
}

TEST_F(UsageLogsTest, ADirectoryThatDisappearsStopsNothingAndWhatWasLostIsSaid) {
  const std::string logs = dir_ + "/logs";
  std::filesystem::create_directory(logs);
  Begin("+" + logs + "/debug.log");
  Record(1);
  (void)logs_->Rotate(v1::RotateLogsRequest::REPORT_LOG, "", "", "");  // waits for the thread
  std::filesystem::remove_all(logs);
  Record(2);
  (void)logs_->Rotate(v1::RotateLogsRequest::REPORT_LOG, "", "", "");
  std::filesystem::create_directory(logs);
  Record(3);
  End();
  EXPECT_EQ(Events(logs + "/debug.log"),
            "12:00:00 (lmgrd) 1 lines are not in this log: it could not be written\n"
            "12:00:00 (acme) OUT: \"f\" u3@pc  \n");
  const auto told = logger_.lines();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_TRUE(absl::StrContains(told[0], "licensing goes on")) << told[0];
  EXPECT_TRUE(absl::StrContains(told[1], "1 lines are lost")) << told[1];
}

TEST_F(UsageLogsTest, NologOfTheVendorsOptionsHolds) {
  Begin(path_);
  Licenses("NOLOG OUT\n");
  Record(1);
  Record(2, v1::UsageRecord::CHECKED_IN);
  End();
  EXPECT_EQ(Events(path_), "12:00:00 (acme) IN: \"f\" u2@pc  \n");
}

TEST_F(UsageLogsTest, AReportLogHasARecordALine) {
  Begin("");
  const std::string report = dir_ + "/report.jsonl";
  Licenses(absl::StrCat("REPORTLOG +", report, "\n"));
  Record(1);
  Record(2);
  End();
  std::stringstream text(Read(report));
  std::string line;
  std::vector<std::string> users;
  while (std::getline(text, line)) {
    const auto record = license::ParseUsageJson(line);
    ASSERT_TRUE(record.ok()) << line;
    users.push_back(record->user());
  }
  EXPECT_EQ(users, (std::vector<std::string>{"u1", "u2"}));
}

TEST_F(UsageLogsTest, AReportLogNamesWhatItsNodeMissed) {
  const std::string report = dir_ + "/report.jsonl";
  const std::string options = absl::StrCat("REPORTLOG +", report, "\n");
  Begin("");
  Licenses(options);
  Record(1);
  End();
  Begin("");
  Licenses(options);
  Record(10);
  End();
  const std::string text = Read(report);
  EXPECT_TRUE(absl::StrContains(text, "\n{\"missing_from\":2,\"missing_to\":9}\n{")) << text;
}

TEST_F(UsageLogsTest, AReportLogOfAFullDiskSaysHowManyLinesAreLost) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP();
  const std::string report = dir_ + "/report.jsonl";
  std::filesystem::create_symlink("/dev/full", report);
  Begin("");
  Licenses(absl::StrCat("REPORTLOG +", report, "\n"));
  Record(1);
  (void)logs_->Rotate(v1::RotateLogsRequest::DEBUG_LOG, "", "", "");  // waits for the thread
  Record(2);
  (void)logs_->Rotate(v1::RotateLogsRequest::DEBUG_LOG, "", "", "");
  std::filesystem::remove(report);  // there is room again
  Record(3);
  End();
  const std::string text = Read(report);
  EXPECT_TRUE(absl::StartsWith(text, "{\"lost_lines\":2}\n{\"number\":3,")) << text;
}

TEST_F(UsageLogsTest, ARotatedReportLogGoesOnUnderItsName) {
  Begin("");
  const std::string report = dir_ + "/report.jsonl";
  Licenses(absl::StrCat("REPORTLOG +", report, "\n"));
  Record(1);
  auto old = logs_->Rotate(v1::RotateLogsRequest::REPORT_LOG, "acme", "", report + ".may");
  ASSERT_TRUE(old.ok()) << old.status();
  EXPECT_EQ(*old, std::vector<std::string>{report + ".may"});
  Record(2);
  auto switched = logs_->Rotate(v1::RotateLogsRequest::REPORT_LOG, "", dir_ + "/june", "");
  ASSERT_TRUE(switched.ok()) << switched.status();
  Record(3);
  End();
  EXPECT_TRUE(absl::StrContains(Read(report + ".may"), "\"u1\""));
  EXPECT_TRUE(absl::StrContains(Read(report), "\"u2\""));
  EXPECT_TRUE(absl::StrContains(Read(dir_ + "/june"), "\"u3\""));
}

TEST_F(UsageLogsTest, WhereThereIsNoLogThereIsNothingToRotate) {
  Begin("");
  const auto none = logs_->Rotate(v1::RotateLogsRequest::REPORT_LOG, "", "", "");
  EXPECT_TRUE(absl::IsNotFound(none.status()));
}

TEST_F(UsageLogsTest, AVendorsOwnDebugLogTakesItsLinesOutOfTheCommonOne) {
  Begin(path_);
  const std::string own = dir_ + "/acme.log";
  Licenses(absl::StrCat("DEBUGLOG +", own, "\n"));
  Record(1);
  End();
  EXPECT_EQ(Events(path_), "");
  EXPECT_EQ(Events(own), "12:00:00 (acme) OUT: \"f\" u1@pc  \n");
}

}  // namespace
}  // namespace triad::server
