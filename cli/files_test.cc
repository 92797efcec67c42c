#include "cli/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"

namespace triad::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = absl::StrCat(::testing::TempDir(), "/files_test_",
                        ::testing::UnitTest::GetInstance()->current_test_info()->name(), "_",
                        getpid());
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string At(const std::string& name) const { return absl::StrCat(dir_, "/", name); }
  std::string dir_;
};

TEST_F(Files, ANewFileIsNeverPutOverAnother) {
  ASSERT_TRUE(WriteNewFile(At("a"), "one", 0600).ok());
  EXPECT_EQ(WriteNewFile(At("a"), "two", 0600).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*ReadFile(At("a")), "one");
  ASSERT_EQ(symlink(At("b").c_str(), At("link").c_str()), 0);
  EXPECT_FALSE(WriteNewFile(At("link"), "two", 0600).ok());
  EXPECT_FALSE(std::filesystem::exists(At("b")));
}

TEST_F(Files, AFileIsReplacedWholeAndKeepsItsMode) {
  ASSERT_TRUE(WriteNewFile(At("a"), "one", 0640).ok());
  chmod(At("a").c_str(), 0640);
  ASSERT_TRUE(ReplaceFile(At("a"), "two").ok());
  EXPECT_EQ(*ReadFile(At("a")), "two");
  struct stat info = {};
  ASSERT_EQ(stat(At("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  EXPECT_THAT(*ListFiles(dir_, ""), ElementsAre(At("a")));  // nothing else is left behind
}

TEST_F(Files, ErrorsNameTheFile) {
  EXPECT_THAT(std::string(ReadFile(At("none")).status().message()),
              HasSubstr("none: No such file or directory"));
  EXPECT_FALSE(ReplaceFile(At("no/such"), "x").ok());
  EXPECT_FALSE(ListFiles(At("none"), ".pub").ok());
  EXPECT_FALSE(ReadFile(dir_).ok());
}

TEST_F(Files, FilesAreListedBySuffixAndSorted) {
  for (const char* name : {"b.pub", "a.pub", "a.key"}) {
    ASSERT_TRUE(WriteNewFile(At(name), "", 0600).ok());
  }
  EXPECT_THAT(*ListFiles(dir_, ".pub"), ElementsAre(At("a.pub"), At("b.pub")));
}

TEST_F(Files, ADirectoryThatIsThereIsMade) {
  EXPECT_TRUE(MakeDirectory(At("d")).ok());
  EXPECT_TRUE(MakeDirectory(At("d")).ok());
  ASSERT_TRUE(WriteNewFile(At("f"), "", 0600).ok());
  EXPECT_FALSE(MakeDirectory(At("f")).ok());
}

}  // namespace
}  // namespace triad::cli
