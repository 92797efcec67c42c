#include "storage/identity.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/test_file_system.h"
#include "xxhash.h"

namespace triad::storage {
namespace {

using ::testing::HasSubstr;

constexpr char kDir[] = "/data";
constexpr char kPath[] = "/data/identity";

Identity Unborn() {
  Identity identity;
  identity.slot = 2;
  identity.incarnation = "0123456789abcde\n";
  identity.server_set = std::string(32, '\xFE');
  return identity;
}

Identity Born() {
  Identity identity = Unborn();
  identity.cluster_id = std::string(31, 'c') + '\0';
  identity.members = {
      {1, std::string(16, '\1')}, {2, identity.incarnation}, {3, "fedcba9876543210"}};
  return identity;
}

TEST(Identity, ADirectoryWithoutOneSaysSo) {
  TestFileSystem disk;
  const auto read = ReadIdentity(&disk, kDir);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, std::nullopt);
}

TEST(Identity, IsReadBackAsItWasWrittenBeforeAndAfterBirth) {
  TestFileSystem disk;
  for (const Identity& identity : {Unborn(), Born()}) {
    ASSERT_TRUE(WriteIdentity(&disk, kDir, identity).ok());
    const auto read = ReadIdentity(&disk, kDir);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, identity);
  }
}

TEST(Identity, SaysThatItRejoinsBeforeAndAfterItIsLetIn) {
  TestFileSystem disk;
  for (Identity identity : {Unborn(), Born()}) {
    identity.rejoining = true;
    ASSERT_TRUE(WriteIdentity(&disk, kDir, identity).ok());
    EXPECT_THAT(disk.Content(kPath), HasSubstr("\nrejoining yes\n"));
    const auto read = ReadIdentity(&disk, kDir);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, identity);
  }
}

TEST(Identity, IsTextForPeople) {
  TestFileSystem disk;
  ASSERT_TRUE(WriteIdentity(&disk, kDir, Born()).ok());
  EXPECT_THAT(disk.Content(kPath),
              ::testing::StartsWith("triad identity 1\nslot 2\n"
                                    "incarnation 3031323334353637383961626364650a\n"
                                    "server-set fefe"));
}

TEST(Identity, EveryFlippedBitAndEveryLengthIsFound) {
  TestFileSystem disk;
  ASSERT_TRUE(WriteIdentity(&disk, kDir, Born()).ok());
  const std::string good = disk.Content(kPath);
  const auto expect_loss = [&](const std::string& content) {
    disk.Damage(kPath, content);
    const absl::Status status = ReadIdentity(&disk, kDir).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(kPath));
    EXPECT_THAT(std::string(status.message()), HasSubstr("run `triadd rejoin`"));
  };
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      SCOPED_TRACE(absl::StrCat("byte ", at, " bit ", bit));
      std::string bad = good;
      bad[at] ^= static_cast<char>(1 << bit);
      expect_loss(bad);
    }
    expect_loss(good.substr(0, at));
  }
  expect_loss(good + "\n");
  expect_loss(good + good);
}

TEST(Identity, AnEditedFileIsDamageAlsoIfItReadsWell) {
  TestFileSystem disk;
  ASSERT_TRUE(WriteIdentity(&disk, kDir, Born()).ok());
  disk.Damage(kPath, absl::StrReplaceAll(disk.Content(kPath), {{"slot 2", "slot 3"}}));
  EXPECT_TRUE(absl::IsDataLoss(ReadIdentity(&disk, kDir).status()));
}

TEST(Identity, ALaterFormatIsRefusedNotCalledDamage) {
  TestFileSystem disk;
  std::string text = "triad identity 2\nnew things\n";
  absl::StrAppend(&text, "checksum ",
                  absl::Hex(XXH3_64bits(text.data(), text.size()), absl::kZeroPad16), "\n");
  disk.Damage(kPath, text);
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadIdentity(&disk, kDir).status()));
}

TEST(Identity, WhatBreaksTheRulesIsNotWritten) {
  TestFileSystem disk;
  std::vector<Identity> broken(7, Born());
  broken[0].slot = 0;
  broken[1].incarnation.clear();
  broken[2].server_set = "short";
  broken[3].cluster_id.clear();
  broken[4].members.clear();
  std::swap(broken[5].members[0], broken[5].members[1]);
  broken[6].members[2].incarnation = "short";
  for (const Identity& identity : broken) {
    EXPECT_TRUE(absl::IsInvalidArgument(WriteIdentity(&disk, kDir, identity)));
  }
  EXPECT_EQ(disk.operation_count(), 0u);
}

TEST(Identity, ACrashAnywhereLeavesTheOldOneOrTheNewOne) {
  for (uint64_t stop = 0;; ++stop) {
    for (uint32_t seed = 0; seed < 16; ++seed) {
      SCOPED_TRACE(absl::StrCat("stopped at operation ", stop, ", seed ", seed));
      TestFileSystem disk;
      ASSERT_TRUE(WriteIdentity(&disk, kDir, Unborn()).ok());
      // What an earlier attempt left must not shine through.
      ASSERT_TRUE(
          (*disk.Open(absl::StrCat(kPath, ".tmp"), true))->WriteAt(0, std::string(2000, 'x')).ok());
      const uint64_t before = disk.operation_count();
      disk.StopAt(before + stop);
      const bool written = WriteIdentity(&disk, kDir, Born()).ok();
      uint32_t draw = seed;
      disk.Crash([&](uint32_t bound) {
        draw = draw * 1103515245 + 12345;
        return seed == 0 ? 0 : (draw >> 16) % bound;
      });
      const auto read = ReadIdentity(&disk, kDir);
      ASSERT_TRUE(read.ok()) << read.status();
      ASSERT_TRUE(read->has_value());
      EXPECT_TRUE(**read == Born() || (!written && **read == Unborn()));
      if (written && seed == 15) return;
    }
  }
}

class DirectoryLockTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(dir_); }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  const std::string dir_ = ::testing::TempDir() + "/triad_identity_test";
};

TEST_F(DirectoryLockTest, ASecondDaemonIsToldWhoRuns) {
  auto first = DirectoryLock::Take(dir_);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = DirectoryLock::Take(dir_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second));
  EXPECT_EQ(std::string(second.message()),
            absl::StrCat("another triadd runs on ", dir_, " (pid ", getpid(), ")"));
  first->reset();
  EXPECT_TRUE(DirectoryLock::Take(dir_).ok());
}

TEST_F(DirectoryLockTest, IsFreeWhenItsProcessEndsHoweverThatIs) {
  const pid_t child = fork();
  if (child == 0) {
    const bool taken = DirectoryLock::Take(dir_).value().release() != nullptr;
    _exit(taken ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(DirectoryLock::Take(dir_).ok());
}

TEST_F(DirectoryLockTest, ADirectoryThatIsNotThereIsNamed) {
  const absl::Status status = DirectoryLock::Take(dir_ + "/none").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(dir_ + "/none/lock"));
}

}  // namespace
}  // namespace triad::storage
