#include "client/examples/seat_table.h"

#include <string>

#include "gtest/gtest.h"

namespace triad::examples {
namespace {

std::string Wanted(const std::string& num_of_licenses, const std::string& num_sdn_licenses) {
  Count of;
  Count sdn;
  EXPECT_TRUE(ParseCount(num_of_licenses, &of));
  EXPECT_TRUE(ParseCount(num_sdn_licenses, &sdn));
  const SeatsWanted wanted = SeatsToAskFor(of, sdn);
  return wanted.controlled ? CountText(wanted.count) : "not controlled";
}

TEST(SeatTable, EveryRowOfTheTable) {
  EXPECT_EQ(Wanted("max", "max"), "max");
  EXPECT_EQ(Wanted("0", "max"), "max");
  EXPECT_EQ(Wanted("max", "1000"), "1000");
  EXPECT_EQ(Wanted("0", "1000"), "1000");
  EXPECT_EQ(Wanted("max", "0"), "not controlled");
  EXPECT_EQ(Wanted("0", "0"), "not controlled");
  EXPECT_EQ(Wanted("1000", "max"), "1000");
  EXPECT_EQ(Wanted("1000", "400"), "400");
  EXPECT_EQ(Wanted("400", "1000"), "400");
  EXPECT_EQ(Wanted("1000", "0"), "not controlled");
}

}  // namespace
}  // namespace triad::examples
