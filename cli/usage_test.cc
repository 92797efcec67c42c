#include "cli/usage.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

using v1::UsageRecord;

UsageRecord Record() {
  UsageRecord record;
  record.set_number(1);
  record.set_wall_ms(1'781'524'800'123);
  record.set_utc_offset_s(7200);
  record.set_kind(UsageRecord::CHECKED_OUT);
  record.set_feature("tserver");
  record.set_count(3);
  record.set_user("ann");
  record.set_host("pc1");
  record.set_handle(101);
  return record;
}

TEST(UsageLine, ACheckoutSaysWhoAndHowMany) {
  EXPECT_EQ(UsageLine(Record()),
            "2026-06-15 14:00:00  checked out       tserver 3  ann@pc1  handle 101");
}

TEST(UsageLine, ADenialSaysWhyAndWhoHadThem) {
  UsageRecord record = Record();
  record.set_kind(UsageRecord::DENIED);
  record.clear_handle();
  record.set_reason("all licenses in use");
  record.set_code(-4);
  record.set_held_by("bob@pc2 (10)");
  EXPECT_EQ(UsageLine(record),
            "2026-06-15 14:00:00  denied            tserver 3  ann@pc1  all licenses in use (-4), "
            "held by bob@pc2 (10)");
}

TEST(UsageLine, WhatAnAdministratorDidHasHisName) {
  UsageRecord record;
  record.set_kind(UsageRecord::ADMIN);
  record.set_reason("remove f handle 7");
  record.set_who("root (uid 0)\n");
  EXPECT_EQ(UsageLine(record),
            "1970-01-01 00:00:00  admin             remove f handle 7  by root (uid 0)?");
}

}  // namespace
}  // namespace triad::cli
