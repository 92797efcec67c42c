#include "server/debug_log.h"

#include <gtest/gtest.h>

#include "license/ledger_testing.h"

namespace triad::server {
namespace {

using v1::UsageRecord;

constexpr LogTime kMorning{1'781'524'800'000 - 3 * 3'600'000 + 41'000, 0};  // 9:00:41

UsageRecord RecordOf(UsageRecord::Kind kind, uint64_t count = 1) {
  UsageRecord record;
  record.set_number(5);
  record.set_kind(kind);
  record.set_wall_ms(kMorning.wall_ms);
  record.set_feature("tserver");
  record.set_vendor("genesys.d");
  record.set_count(count);
  record.set_user("ann");
  record.set_host("pc1");
  return record;
}

std::string LineOf(const UsageRecord& record) {
  return DebugLog(false).Record(record, {});
}

// flexnet-facts 4.1: the hour is padded with a blank.
TEST(DebugLog, ACheckoutIsLaidOutAsFlexNetDoes) {
  EXPECT_EQ(LineOf(RecordOf(UsageRecord::CHECKED_OUT)),
            " 9:00:41 (genesys.d) OUT: \"tserver\" ann@pc1  \n");
  EXPECT_EQ(LineOf(RecordOf(UsageRecord::CHECKED_OUT, 3)),
            " 9:00:41 (genesys.d) OUT: \"tserver\" ann@pc1  (3 licenses) \n");
  UsageRecord record = RecordOf(UsageRecord::CHECKED_OUT);
  record.set_utc_offset_s(2 * 3600);
  record.set_checkout_data("APS Base");
  EXPECT_EQ(LineOf(record), "11:00:41 (genesys.d) OUT: \"tserver\" ann@pc1  [APS Base] \n");
}

TEST(DebugLog, ACheckInSaysWhyWhenItsHolderDidNotAsk) {
  UsageRecord record = RecordOf(UsageRecord::CHECKED_IN);
  EXPECT_EQ(LineOf(record), " 9:00:41 (genesys.d) IN: \"tserver\" ann@pc1  \n");
  record.set_reason("silent");
  EXPECT_EQ(LineOf(record), " 9:00:41 (genesys.d) IN: \"tserver\" ann@pc1  (SHUTDOWN)\n");
  record.set_reason("idle");
  EXPECT_EQ(LineOf(record), " 9:00:41 (genesys.d) IN: \"tserver\" ann@pc1  (INACTIVE)\n");
  record.set_reason("removed");
  record.set_count(2);
  EXPECT_EQ(LineOf(record),
            " 9:00:41 (genesys.d) IN: \"tserver\" ann@pc1  (2 licenses) (USER_REMOVED)\n");
}

TEST(DebugLog, ADenialHasFlexNetsWordsAndNumbers) {
  UsageRecord record = RecordOf(UsageRecord::DENIED);
  record.set_code(-4);
  record.set_reason("all licenses in use");
  EXPECT_EQ(LineOf(record),
            " 9:00:41 (genesys.d) DENIED: \"tserver\" ann@pc1  (Licensed number of users already "
            "reached. (-4,342))\n");
  record.set_count(25);
  record.set_code(-24);
  EXPECT_EQ(LineOf(record),
            " 9:00:41 (genesys.d) DENIED: \"tserver\" ann@pc1  (25 licenses) (Users are queued for "
            "this feature. (-24,332))\n");
  record.set_count(1);
  record.set_code(-9);
  record.set_reason("license is locked to another host");
  EXPECT_EQ(LineOf(record),
            " 9:00:41 (genesys.d) DENIED: \"tserver\" ann@pc1  (License is locked to another host. "
            "(-9,0))\n");
}

TEST(DebugLog, AFeatureThatNobodyServesIsUnsupported) {
  UsageRecord record = RecordOf(UsageRecord::DENIED);
  record.set_code(-5);
  EXPECT_EQ(
      LineOf(record),
      " 9:00:41 (genesys.d) UNSUPPORTED: \"tserver\" (PORT_AT_HOST_PLUS   ) ann@pc1  (License "
      "server system does not support this feature. (-18,327))\n");
}

TEST(DebugLog, QueuesUpgradesAndReservationsHaveTheirLines) {
  EXPECT_EQ(LineOf(RecordOf(UsageRecord::QUEUED)),
            " 9:00:41 (genesys.d) QUEUED: \"tserver\" ann@pc1  \n");
  EXPECT_EQ(LineOf(RecordOf(UsageRecord::DEQUEUED)),
            " 9:00:41 (genesys.d) DEQUEUED: \"tserver\" ann@pc1  \n");
  UsageRecord resized = RecordOf(UsageRecord::RESIZED, 2);
  resized.set_count_before(1);
  EXPECT_EQ(LineOf(resized), " 9:00:41 (genesys.d) UPGRADE: \"tserver\" ann@pc1 (1->2 licenses)\n");
  UsageRecord reserved = RecordOf(UsageRecord::RESERVED);
  reserved.set_reason("USER ann");
  EXPECT_EQ(LineOf(reserved), " 9:00:41 (genesys.d) RESERVE tserver for USER ann\n");
  UsageRecord expired = RecordOf(UsageRecord::VIOLATION);
  expired.set_reason("expired");
  EXPECT_EQ(LineOf(expired), " 9:00:41 (genesys.d) EXPIRED: tserver\n");
}

TEST(DebugLog, ARereadIsTheManagers) {
  UsageRecord record = RecordOf(UsageRecord::LICENSES_CHANGED, 2);
  record.set_node(3);
  EXPECT_EQ(LineOf(record),
            " 9:00:41 (lmgrd) REREAD\n"
            " 9:00:41 (lmgrd) Rereading license file\n"
            " 9:00:41 (lmgrd) Done rereading: license set 2 of node 3\n");
}

TEST(DebugLog, NologTakesItsEventsOut) {
  const DebugLog log(false);
  EXPECT_EQ(log.Record(RecordOf(UsageRecord::CHECKED_OUT), {"OUT"}), "");
  EXPECT_NE(log.Record(RecordOf(UsageRecord::CHECKED_IN), {"OUT"}), "");
  UsageRecord unsupported = RecordOf(UsageRecord::DENIED);
  unsupported.set_code(-5);
  EXPECT_EQ(log.Record(unsupported, {"UNSUPPORTED"}), "");
  EXPECT_NE(log.Record(unsupported, {"DENIED"}), "");
}

TEST(DebugLog, ANameCannotBeginALineOfItsOwn) {
  UsageRecord record = RecordOf(UsageRecord::CHECKED_OUT);
  record.set_user("a\n10:00:00 (x) OUT: \"y\" z");
  const std::string line = LineOf(record);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(DebugLog, DatesAreStatedTwiceADayOrInEachLine) {
  EXPECT_EQ(DebugLog(false).Timestamp(kMorning, {"acme"}),
            " 9:00:41 (lmgrd) TIMESTAMP 6/15/2026\n"
            " 9:00:41 (acme) TIMESTAMP 6/15/2026\n");
  EXPECT_EQ(DebugLog(true).Line({kMorning.wall_ms, -5400}, "lmgrd", "Lost quorum"),
            "2026-06-15T07:30:41-01:30 (lmgrd) Lost quorum\n");
}

TEST(DebugLog, AStartSaysWhoWhereAndWhen) {
  DebugLog::Start start;
  start.host = "lic1";
  start.version = "1.0";
  start.pid = 77;
  start.license_files = "/etc/triad/license.dat";
  start.port = 27000;
  EXPECT_EQ(DebugLog(false).Banner(kMorning, start),
            " 9:00:41 (lmgrd) -----------------------------------------------\n"
            " 9:00:41 (lmgrd)   Please Note:\n"
            " 9:00:41 (lmgrd) \n"
            " 9:00:41 (lmgrd)   This log is written by every license server host, in the same "
            "order.\n"
            " 9:00:41 (lmgrd) -----------------------------------------------\n"
            " 9:00:41 (lmgrd) \n"
            " 9:00:41 (lmgrd) Server's System Date and Time: Mon Jun 15 2026 09:00:41 +00:00\n"
            " 9:00:41 (lmgrd) pid 77\n"
            " 9:00:41 (lmgrd) Triad Licensing (v1.0 x64_lsb) started on lic1 (linux) (6/15/2026)\n"
            " 9:00:41 (lmgrd) License file(s): /etc/triad/license.dat\n"
            " 9:00:41 (lmgrd) lmgrd tcp-port 27000\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) ===============================================\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) === LMGRD ===\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) Start-Date: Mon Jun 15 2026 09:00:41 +00:00\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) PID: 77\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) LMGRD Version: v1.0 x64_lsb\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) === Network Info ===\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) Listening port: 27000\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) === Startup Info ===\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) Server Configuration: Single Server\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) License file(s) used: /etc/triad/license.dat\n"
            " 9:00:41 (lmgrd) (@lmgrd-SLOG@) ===============================================\n");
}

TEST(DebugLog, AVendorsDaemonNamesItsFeatures) {
  license::LicenseSources sources;
  const v1::InstallLicenses set = license::testing::SetOf(
      "FEATURE a acme 1.0 permanent 1\nFEATURE b acme 1.0 permanent 1\n"
      "FEATURE c acme 1.0 permanent 1\nFEATURE d acme 1.0 permanent 1\n"
      "FEATURE e acme 1.0 permanent 1\nFEATURE old acme 1.0 1-jan-2020 1\n",
      0);
  sources.license_files.push_back({"license.dat", set.license_files(0).content()});
  sources.keys.emplace("acme", license::testing::AcmeKey().keys.public_key);
  DebugLog::Start start;
  start.host = "lic1";
  start.version = "1.0";
  start.pid = 77;
  start.port = 27000;
  EXPECT_EQ(DebugLog(false).Serving(kMorning, start, license::Catalog::Build(sources),
                                    license::DayAt(kMorning.wall_ms, 0)),
            " 9:00:41 (lmgrd) Starting vendor daemons ... \n"
            " 9:00:41 (lmgrd) Started acme (internet tcp_port 27000 pid 77)\n"
            " 9:00:41 (acme) Triad Licensing version v1.0 started on lic1 (linux) (6/15/2026)\n"
            " 9:00:41 (acme) EXPIRED: old\n"
            " 9:00:41 (acme) Server started on lic1 for:\ta\t\t\n"
            " 9:00:41 (acme) b\t\tc\t\td\t\t\n"
            " 9:00:41 (acme) e\t\t\n"
            " 9:00:41 (acme) EXTERNAL FILTERS are OFF\n"
            " 9:00:41 (lmgrd) acme using TCP-port 27000\n");
}

}  // namespace
}  // namespace triad::server
