#include "cli/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/files.h"
#include "cli/servers_testing.h"
#include "license/backup_file.h"

namespace triad::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    directory_ = ::testing::TempDir() + "/backup_test";
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    path_ = directory_ + "/b";
    v1::BackupPiece piece;
    piece.mutable_head()->set_format(license::kBackupFormat);
    piece.mutable_head()->set_index(12);
    cluster_.one.backup.push_back(piece);
    piece.mutable_end()->set_digest(license::RowHash().value());
    piece.mutable_end()->set_checkouts(4);
    cluster_.one.backup.push_back(piece);
  }
  ~BackupTest() override { std::filesystem::remove_all(directory_); }

  int Backup(std::vector<std::string> arguments) {
    return BackupVerb(cluster_.With(std::move(arguments)));
  }
  bool NothingIsThere() const { return std::filesystem::is_empty(directory_); }

  std::string directory_;
  std::string path_;
  FakeCluster cluster_{1};
};

TEST_F(BackupTest, WritesOneFileForItsOwnerOnly) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(Backup({path_, "--json"}), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("\"index\":12"));
  struct stat info = {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  license::BackupReader reader([](const v1::BackupPiece&) { return absl::OkStatus(); });
  ASSERT_TRUE(reader.Add(*ReadFile(path_)).ok());
  EXPECT_TRUE(reader.Finish().ok());
  EXPECT_EQ(reader.end().checkouts(), 4u);
}

TEST_F(BackupTest, NeverOverwritesAFile) {
  ASSERT_TRUE(WriteNewFile(path_, "mine", 0600).ok());
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Backup({path_}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("File exists"));
  EXPECT_EQ(*ReadFile(path_), "mine");
}

TEST_F(BackupTest, LeavesNothingBehindWhenItFails) {
  cluster_.one.backup_result = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the view is gone");
  EXPECT_EQ(Backup({path_}), 3);
  EXPECT_TRUE(NothingIsThere());
  cluster_.one.backup_result = grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                                            "you are not a license administrator (-63)");
  EXPECT_EQ(Backup({path_}), 1);
  EXPECT_TRUE(NothingIsThere());
  // The stream ends as if all were well, and the end is missing.
  cluster_.one.backup_result = grpc::Status::OK;
  cluster_.one.backup.pop_back();
  EXPECT_EQ(Backup({path_}), 1);
  EXPECT_TRUE(NothingIsThere());
  EXPECT_EQ(Backup({directory_ + "/no/such/place"}), 1);
}

TEST_F(BackupTest, UsageIsChecked) {
  EXPECT_EQ(Backup({}), 2);
  EXPECT_EQ(Backup({"a", "b"}), 2);
  EXPECT_EQ(RestoreVerb({"a"}), 2);
  EXPECT_EQ(RestoreVerb({"--data-dir=/x"}), 2);
  EXPECT_EQ(RestoreVerb({"a", "--data-dir=/x", "--frobnicate"}), 2);
}

TEST(Restore, IsTheDaemonsWork) {
  const auto command = RestoreCommand("/usr/bin/triadd", {"b", "--data-dir", "/d", "--node=2"});
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_THAT(*command,
              ElementsAre("/usr/bin/triadd", "restore", "b", "--data-dir=/d", "--node=2"));
}

}  // namespace
}  // namespace triad::cli
