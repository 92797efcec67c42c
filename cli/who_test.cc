#include "cli/who.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace triad::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Fri 11/20/2026 16:02 UTC.
constexpr int64_t kNow = 1'795'190'523'000;

v1::Usage Sample() {
  v1::Usage usage;
  usage.set_index(42);
  usage.set_now_wall_ms(kNow);
  v1::Feature* feature = usage.add_features();
  feature->set_name("f1");
  feature->set_vendor("genesys.d");
  v1::Pool* pool = feature->add_pools();
  pool->set_version("8.0");
  for (const char* user : {"ann", "bob\x1b"}) {
    v1::Use* use = pool->add_uses();
    use->set_user(user);
    use->set_host("pc1");
    use->set_display("/dev/tty");
    use->set_node(2);
    use->mutable_holding()->set_count(3);
    use->mutable_holding()->set_handle(101);
    use->mutable_holding()->set_start_wall_ms(kNow);
  }
  pool->mutable_uses(1)->set_node(0);
  pool->mutable_uses(1)->set_linger_ms(60'000);
  pool->mutable_uses(1)->set_lingered_ms(20'000);
  pool->mutable_uses(1)->mutable_holding()->set_violation("expired");
  v1::PoolReservation* reservation = pool->add_reservations();
  reservation->set_type("GROUP");
  reservation->set_name("devs");
  reservation->set_count(4);
  reservation->set_used(1);
  v1::Waiter* waiter = feature->add_waiting();
  waiter->set_user("cid");
  waiter->set_host("pc3");
  waiter->set_count(2);
  waiter->set_position(1);
  waiter->set_ticket(102);
  waiter->set_since_wall_ms(kNow);
  usage.add_features()->set_name("f2");
  return usage;
}

TEST(Who, TheTableNamesHoldersAndWhatIsSetAside) {
  EXPECT_EQ(
      WhoText(Sample(), {}),
      "feature  version  user  host  display   count  node  since             handle  state\n"
      "f1       8.0      ann   pc1   /dev/tty      3     2  2026-11-20 16:02     101  held\n"
      "f1       8.0      bob?  pc1   /dev/tty      3     -  2026-11-20 16:02     101  lingering  "
      "for 40 s more, violation: expired\n"
      "\n"
      "feature  reserved  of  for           reservation\n"
      "f1              3   4  GROUP  devs  options file\n");
  EXPECT_THAT(WhoText(Sample(), {"f2"}), Not(HasSubstr("ann")));
}

TEST(Who, TheJsonIsStable) {
  EXPECT_THAT(
      WhoJson(Sample(), {}),
      HasSubstr("{\"uses\":[{\"feature\":\"f1\",\"vendor\":\"genesys.d\",\"version\":\"\","
                "\"pool_version\":\"8.0\",\"user\":\"ann\",\"host\":\"pc1\",\"display\":\"/dev/"
                "tty\",\"pid\":0,\"project\":\"\",\"checkout_data\":\"\",\"count\":3,\"handle\":"
                "101,\"node\":2,\"since\":\"2026-11-20T16:02:03Z\",\"state\":\"held\","
                "\"violation\":\"\"}"));
  EXPECT_THAT(WhoJson(Sample(), {}),
              HasSubstr("\"reservations\":[{\"feature\":\"f1\",\"type\":\"GROUP\",\"name\":"
                        "\"devs\",\"count\":4,\"used\":1,\"reservation\":0}],\"index\":42,"
                        "\"at\":\"2026-11-20T16:02:03Z\"}"));
}

TEST(Queue, WhoWaitsIsNamedWithThePlace) {
  EXPECT_EQ(QueueText(Sample(), {}),
            "feature  place  user  host  count  version  since             ticket\n"
            "f1           1  cid   pc3       2  any      2026-11-20 16:02     102\n");
  EXPECT_EQ(QueueJson(Sample(), {}),
            "{\"queue\":[{\"feature\":\"f1\",\"position\":1,\"user\":\"cid\",\"host\":\"pc3\","
            "\"display\":\"\",\"pid\":0,\"count\":2,\"version\":\"\",\"checkout_data\":\"\","
            "\"since\":\"2026-11-20T16:02:03Z\",\"ticket\":102,\"node\":0}],\"index\":42,"
            "\"at\":\"2026-11-20T16:02:03Z\"}");
}

}  // namespace
}  // namespace triad::cli
