#include "cli/features.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

v1::Usage Sample() {
  v1::Usage usage;
  usage.set_index(123);
  usage.set_now_wall_ms(0);
  v1::Feature* counted = usage.add_features();
  counted->set_name("tserver_sdn");
  counted->set_vendor("genesys.d");
  counted->set_issued(10);
  counted->set_used(6);
  counted->set_lingering(2);
  counted->set_borrowed(1);
  counted->set_free(4);
  counted->set_expires("permanent");
  v1::Feature* uncounted = usage.add_features();
  uncounted->set_name("site");
  uncounted->set_vendor("genesys.d");
  uncounted->set_uncounted(true);
  uncounted->set_expires("31-dec-2030");
  return usage;
}

TEST(Features, TheTableHasARowForEachName) {
  EXPECT_EQ(FeaturesText(Sample()),
            "feature      vendor        issued  used  reserved  lingering  borrowed  free  queued"
            "  expires\n"
            "tserver_sdn  genesys.d         10     3         0          2         1     4       0"
            "  permanent\n"
            "site         genesys.d  uncounted     0         0          0         0     -       0"
            "  31-dec-2030\n");
}

TEST(Features, InJsonUncountedIsMinusOne) {
  EXPECT_EQ(FeaturesJson(Sample()),
            "{\"features\":["
            "{\"name\":\"tserver_sdn\",\"vendor\":\"genesys.d\",\"issued\":10,\"used\":3,"
            "\"reserved\":0,\"queued\":0,\"expires\":\"permanent\",\"lingering\":2,"
            "\"borrowed\":1,\"free\":4,\"overdrafted\":0},"
            "{\"name\":\"site\",\"vendor\":\"genesys.d\",\"issued\":-1,\"used\":0,"
            "\"reserved\":0,\"queued\":0,\"expires\":\"31-dec-2030\",\"lingering\":0,"
            "\"borrowed\":0,\"free\":0,\"overdrafted\":0}],"
            "\"index\":123,\"at\":\"1970-01-01T00:00:00Z\"}");
}

}  // namespace
}  // namespace triad::cli
