#include "cli/denials.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(Denials, EachHasItsReasonAndWhoHadTheLicenses) {
  v1::UsageRecord denial;
  denial.set_kind(v1::UsageRecord::DENIED);
  denial.set_wall_ms(1'795'190'523'000);
  denial.set_feature("f1");
  denial.set_count(2);
  denial.set_user("ann");
  denial.set_host("pc1");
  denial.set_reason("all licenses in use");
  denial.set_code(-4);
  denial.set_held_by("bob@pc2 (3)");
  denial.set_used(3);
  denial.set_licensed(3);
  denial.set_number(17);
  EXPECT_EQ(DenialsText({denial}),
            "time                 feature  count  user  host  reason                    held by\n"
            "2026-11-20 16:02:03  f1           2  ann   pc1   all licenses in use (-4)  bob@pc2 "
            "(3)\n");
  EXPECT_EQ(DenialsJson({denial}),
            "{\"denials\":[{\"at\":\"2026-11-20T16:02:03Z\",\"feature\":\"f1\",\"vendor\":\"\","
            "\"count\":2,\"version\":\"\",\"user\":\"ann\",\"host\":\"pc1\",\"display\":\"\","
            "\"project\":\"\",\"application\":\"\",\"reason\":\"all licenses in use\",\"code\":-4,"
            "\"held_by\":\"bob@pc2 (3)\",\"used\":3,\"issued\":3,\"record\":17}]}");
  EXPECT_EQ(DenialsJson({}), "{\"denials\":[]}");
}

}  // namespace
}  // namespace triad::cli
