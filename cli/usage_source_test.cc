#include "cli/usage_source.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "license/usage_json.h"

namespace triad::cli {
namespace {

TEST(ParseTimeArgument, TakesDatesAndRfc3339) {
  setenv("TZ", "UTC", 1);
  EXPECT_EQ(*ParseTimeArgument("2026-06-15T12:00:00Z"), 1'781'524'800'000);
  EXPECT_EQ(*ParseTimeArgument("2026-06-15T14:00:00+02:00"), 1'781'524'800'000);
  EXPECT_TRUE(ParseTimeArgument("2026-06-15").ok());
  EXPECT_FALSE(ParseTimeArgument("yesterday").ok());
  EXPECT_FALSE(ParseTimeArgument("2026-13-01").ok());
  EXPECT_FALSE(ParseTimeArgument("").ok());
}

class UsageFiles : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = ::testing::TempDir() + "/triad_usage_source_" + name;
    std::ofstream(path) << text;
    return path;
  }
  static std::string Line(uint64_t number) {
    v1::UsageRecord record;
    record.set_number(number);
    record.set_wall_ms(static_cast<int64_t>(number) * 1000);
    return license::UsageJson(record, "") + "\n";
  }
};

TEST_F(UsageFiles, AreReadOneAfterTheOtherWithinTheSpan) {
  const std::vector<std::string> paths = {
      Write("a", Line(1) + "{\"lost_lines\":2}\n" + Line(2)),
      Write("b", "{\"missing_from\":3,\"missing_to\":9}\n" + Line(3) + "\n" + Line(4))};
  std::vector<uint64_t> numbers;
  std::vector<std::string> missing;
  const absl::Status status = ReadUsageFiles(
      paths, {2000, 4000},
      [&](const v1::UsageRecord& record, const std::string&) {
        numbers.push_back(record.number());
        return absl::OkStatus();
      },
      &missing);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(missing, (std::vector<std::string>{
                         paths[0] + ":2: 2 records could not be written: triad usage has them",
                         paths[1] + ":1: records 3 to 9 are not here: triad usage has them"}));
  EXPECT_EQ(numbers, (std::vector<uint64_t>{2, 3}));
}

TEST_F(UsageFiles, AWrongLineIsNamed) {
  const std::string path = Write("c", Line(1) + "nonsense\n");
  std::vector<std::string> missing;
  const absl::Status status = ReadUsageFiles(
      {path}, {}, [](const v1::UsageRecord&, const std::string&) { return absl::OkStatus(); },
      &missing);
  EXPECT_EQ(status.message(), path + ":2: this is no usage record");
}

}  // namespace
}  // namespace triad::cli
