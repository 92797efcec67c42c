#include "gtest/gtest.h"
#include "triad/client.h"

namespace triad {
namespace {

TEST(Status, SaysItInTheFieldsWords) {
  Status status;
  EXPECT_TRUE(status.ok());
  status.kind = ErrorKind::kDenied;
  status.code = -4;
  status.feature = "tserver_sdn";
  status.message = "all licenses in use";
  EXPECT_EQ(status.ToString(), "tserver_sdn: license denied: all licenses in use (-4)");
  EXPECT_FALSE(status.ok());
}

TEST(Status, SaysWhenItMayHaveHappened) {
  Status status;
  status.kind = ErrorKind::kTimedOut;
  status.message = "no answer within 5000 ms";
  status.certain = false;
  EXPECT_EQ(status.ToString(), "no answer within 5000 ms; it may have happened all the same");
}

TEST(Status, EveryEventHasAName) {
  for (auto kind : {Event::Kind::kUnconfirmed, Event::Kind::kReconnected, Event::Kind::kLost,
                    Event::Kind::kRefused, Event::Kind::kViolation, Event::Kind::kRestored}) {
    EXPECT_STRNE(EventName(kind), "unknown");
  }
}

}  // namespace
}  // namespace triad
