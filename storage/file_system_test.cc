// The machine's own files, and the disk of the tests: that it forgets what it must.
#include "storage/file_system.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/test_file_system.h"

namespace triad::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  const std::string dir_ = ::testing::TempDir() + "/triad_file_system_test";
  FileSystem* const files_ = PosixFileSystem();
};

TEST_F(PosixFileSystemTest, WhatIsWrittenIsReadAndTheEndOfTheFileCutsTheRead) {
  auto file = files_->Open(dir_ + "/a", true);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(3, "defg").ok());
  ASSERT_TRUE((*file)->WriteAt(0, "abc").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(*(*file)->ReadAt(1, 3), "bcd");
  EXPECT_EQ(*(*file)->ReadAt(5, 100), "fg");
  EXPECT_EQ(*(*file)->ReadAt(50, 1), "");
  EXPECT_EQ(*(*file)->Size(), 7u);
}

TEST_F(PosixFileSystemTest, PreallocateZeroFillsAndNeverShortens) {
  auto file = files_->Open(dir_ + "/a", true);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(0, "abc").ok());
  ASSERT_TRUE((*file)->Preallocate(600'000).ok());
  ASSERT_TRUE((*file)->Preallocate(10).ok());
  EXPECT_EQ(*(*file)->ReadAt(0, 1'000'000), "abc" + std::string(600'000 - 3, '\0'));
  // Written, not only reserved: the blocks are there.
  EXPECT_GE(std::filesystem::file_size(dir_ + "/a"), 600'000u);
  ASSERT_TRUE((*file)->Truncate(2).ok());
  EXPECT_EQ(*(*file)->ReadAt(0, 10), "ab");
}

TEST_F(PosixFileSystemTest, NamesAreCreatedRenamedRemovedAndListedInOrder) {
  ASSERT_TRUE(files_->Open(dir_ + "/b", true).ok());
  ASSERT_TRUE(files_->Open(dir_ + "/a", true).ok());
  EXPECT_THAT(*files_->List(dir_), ElementsAre("a", "b"));
  ASSERT_TRUE(files_->Rename(dir_ + "/a", dir_ + "/c").ok());
  ASSERT_TRUE(files_->Remove(dir_ + "/b").ok());
  ASSERT_TRUE(files_->SyncDirectory(dir_).ok());
  EXPECT_THAT(*files_->List(dir_), ElementsAre("c"));
  EXPECT_TRUE(files_->Exists(dir_ + "/c"));
  EXPECT_FALSE(files_->Exists(dir_ + "/a"));
}

TEST_F(PosixFileSystemTest, ErrorsNameThePathAndTheReason) {
  const std::string path = dir_ + "/none";
  for (const absl::Status& status :
       {files_->Open(path, false).status(), files_->List(path).status(), files_->Remove(path),
        files_->Rename(path, path + "2"), files_->SyncDirectory(path)}) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    EXPECT_THAT(std::string(status.message()), HasSubstr("No such file"));
  }
}

TEST_F(PosixFileSystemTest, AFullDiskIsResourceExhausted) {
  // The only full disk that every machine has.
  auto file = files_->Open("/dev/full", false);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(absl::IsResourceExhausted((*file)->WriteAt(0, "x")));
}

// The oldest, the newest of everything that a crash may leave.
uint32_t Oldest(uint32_t) {
  return 0;
}
uint32_t Newest(uint32_t bound) {
  return bound - 1;
}

// A file of two sectors that is on the disk, and two more writes that are not.
std::unique_ptr<TestFileSystem> DiskWithUnsyncedWrites() {
  auto disk = std::make_unique<TestFileSystem>();
  auto file = disk->Open("/d/a", true);
  EXPECT_TRUE((*file)->WriteAt(0, std::string(1024, 'a')).ok());
  EXPECT_TRUE((*file)->Sync().ok());
  EXPECT_TRUE(disk->SyncDirectory("/d").ok());
  EXPECT_TRUE((*file)->WriteAt(256, std::string(512, 'b')).ok());
  EXPECT_TRUE((*file)->WriteAt(256, std::string(10, 'c')).ok());
  return disk;
}

TEST(TestFileSystem, ACrashMayLoseAnySectorThatWasNotSynced) {
  const std::string old(256, 'a'), b(256, 'b'), c = std::string(10, 'c') + std::string(246, 'b');
  const std::vector<std::string> first = {old + old, old + b, old + c};
  const std::vector<std::string> second = {old + old, b + old};
  for (uint32_t i = 0; i < first.size(); ++i) {
    for (uint32_t k = 0; k < second.size(); ++k) {
      std::unique_ptr<TestFileSystem> disk = DiskWithUnsyncedWrites();
      uint32_t call = 0;
      disk->Crash([&](uint32_t) {
        const uint32_t choices[] = {i, k};  // each sector
        return choices[call++];
      });
      EXPECT_EQ(disk->Content("/d/a"), first[i] + second[k]);
    }
  }
}

TEST(TestFileSystem, ARestartLosesNothingButTheNextCrashDoes) {
  std::unique_ptr<TestFileSystem> disk = DiskWithUnsyncedWrites();
  const std::string now = disk->Content("/d/a");
  disk->Restart();
  EXPECT_EQ(disk->Content("/d/a"), now);
  disk->Crash(Oldest);
  EXPECT_EQ(disk->Content("/d/a"), std::string(1024, 'a'));
}

TEST(TestFileSystem, AFailedSyncLosesWhatItShouldHaveWrittenForGood) {
  std::unique_ptr<TestFileSystem> disk = DiskWithUnsyncedWrites();
  auto file = disk->Open("/d/a", false);
  disk->FailAt(disk->operation_count(), absl::DataLossError("input/output error"));
  EXPECT_FALSE((*file)->Sync().ok());
  EXPECT_EQ(disk->Content("/d/a")[256], 'c');  // the lie: it is still read
  EXPECT_TRUE((*file)->Sync().ok());           // and the second sync finds nothing to do
  disk->Crash(Newest);
  EXPECT_EQ(disk->Content("/d/a"), std::string(1024, 'a'));
}

TEST(TestFileSystem, ANameNeedsASyncOfItsDirectory) {
  TestFileSystem disk;
  auto file = disk.Open("/d/a", true);
  ASSERT_TRUE((*file)->WriteAt(0, "x").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  std::unique_ptr<TestFileSystem> copy = disk.Copy();
  copy->Crash(Oldest);
  EXPECT_FALSE(copy->Exists("/d/a"));
  ASSERT_TRUE(disk.SyncDirectory("/d").ok());
  ASSERT_TRUE(disk.Rename("/d/a", "/d/b").ok());
  copy = disk.Copy();
  copy->Crash(Oldest);
  EXPECT_THAT(*copy->List("/d"), ElementsAre("a"));
  disk.Crash(Newest);
  EXPECT_THAT(*disk.List("/d"), ElementsAre("b"));
  ASSERT_TRUE(disk.Remove("/d/b").ok());
  copy = disk.Copy();
  copy->Crash(Oldest);
  EXPECT_EQ(copy->Content("/d/b"), "x");
  disk.Crash(Newest);
  EXPECT_THAT(*disk.List("/d"), IsEmpty());
}

TEST(TestFileSystem, AfterAStopNothingWorksUntilTheCrashAndOldFilesNeverDo) {
  TestFileSystem disk;
  auto file = disk.Open("/d/a", true);
  ASSERT_TRUE(disk.SyncDirectory("/d").ok());
  disk.StopAt(2);
  EXPECT_TRUE(absl::IsUnavailable((*file)->WriteAt(0, "x")));
  EXPECT_TRUE(absl::IsUnavailable((*file)->ReadAt(0, 1).status()));
  EXPECT_TRUE(absl::IsUnavailable(disk.List("/d").status()));
  EXPECT_EQ(disk.operation_count(), 2u);
  disk.Crash(Newest);
  EXPECT_EQ(disk.Content("/d/a"), "");
  EXPECT_FALSE((*file)->WriteAt(0, "x").ok());
  EXPECT_TRUE((*disk.Open("/d/a", false))->WriteAt(0, "x").ok());
}

TEST(TestFileSystem, WhatWasCutOffComesBackAsZerosOnly) {
  TestFileSystem disk;
  auto file = disk.Open("/d/a", true);
  ASSERT_TRUE((*file)->WriteAt(0, std::string(2000, 'a')).ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE(disk.SyncDirectory("/d").ok());
  ASSERT_TRUE((*file)->Truncate(100).ok());
  ASSERT_TRUE((*file)->Preallocate(2000).ok());
  EXPECT_EQ(disk.Content("/d/a"), std::string(100, 'a') + std::string(1900, '\0'));
  ASSERT_TRUE((*file)->Sync().ok());
  disk.Crash(Oldest);
  EXPECT_EQ(disk.Content("/d/a"), std::string(100, 'a') + std::string(1900, '\0'));
}

TEST(TestFileSystem, AfterAFailedSyncASectorGoesToTheDiskAsItIsInMemory) {
  std::unique_ptr<TestFileSystem> disk = DiskWithUnsyncedWrites();
  auto file = disk->Open("/d/a", false);
  disk->FailAt(disk->operation_count(), absl::DataLossError("input/output error"));
  EXPECT_FALSE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->WriteAt(0, "x").ok());
  EXPECT_TRUE((*file)->Sync().ok());
  const std::string now = disk->Content("/d/a");
  disk->Crash(Oldest);
  // The second sector was not touched again: it is lost.
  EXPECT_EQ(disk->Content("/d/a"), now.substr(0, 512) + std::string(512, 'a'));
}

TEST(TestFileSystem, AFullDiskRefusesToGrowAndWhatIsRemovedIsFreeAgain) {
  TestFileSystem disk;
  auto file = disk.Open("/d/a", true);
  disk.SetFreeBytes(1000);
  ASSERT_TRUE((*file)->WriteAt(0, std::string(600, 'a')).ok());
  EXPECT_TRUE(absl::IsResourceExhausted((*file)->Preallocate(2000)));
  EXPECT_TRUE(absl::IsResourceExhausted((*file)->WriteAt(600, std::string(500, 'a'))));
  EXPECT_TRUE((*file)->WriteAt(0, std::string(600, 'b')).ok());
  ASSERT_TRUE(disk.Remove("/d/a").ok());
  EXPECT_GE(*disk.free_bytes(), 1000);
}

TEST(TestFileSystem, ALateMisdirectedSectorIsSeenWhenALaterSyncHasFinished) {
  for (const bool again : {false, true}) {
    TestFileSystem disk;
    auto file = *disk.Open("/d/a", /*create=*/true);
    ASSERT_TRUE(file->WriteAt(0, std::string(4 * 512, 'o')).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(disk.SyncDirectory("/d").ok());
    disk.MisdirectNextSync("/d/a", 0, 2, /*late=*/true);
    ASSERT_TRUE(file->WriteAt(0, std::string(512, 'n')).ok());
    ASSERT_TRUE(file->Sync().ok());
    if (again) {
      ASSERT_TRUE(file->WriteAt(512, std::string(512, 'm')).ok());
      ASSERT_TRUE(file->Sync().ok());
    }
    disk.Crash([](uint32_t) { return 0; });
    const std::string content = disk.Content("/d/a");
    EXPECT_EQ(content[0], again ? 'o' : 'n');
    EXPECT_EQ(content[1'024], again ? 'n' : 'o');
  }
}

TEST(TestFileSystem, AMisdirectedSectorIsSeenAfterTheNextCrash) {
  TestFileSystem disk;
  auto file = disk.Open("/d/a", true);
  ASSERT_TRUE((*file)->WriteAt(0, std::string(2048, 'a')).ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE(disk.SyncDirectory("/d").ok());
  disk.MisdirectNextSync("/d/a", 1, 2);
  ASSERT_TRUE((*file)->WriteAt(0, std::string(1024, 'b')).ok());
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(disk.Content("/d/a"), std::string(1024, 'b') + std::string(1024, 'a'));
  disk.Crash(Newest);
  EXPECT_EQ(disk.Content("/d/a"),
            std::string(512, 'b') + std::string(1024, 'a') + std::string(512, 'b'));
}

TEST(TestFileSystem, ADirectoryIsRenamedAtOnceOrNotAtAll) {
  for (const bool there : {false, true}) {
    TestFileSystem disk;
    for (const char* path : {"/d/a/x", "/d/a/y"}) {
      ASSERT_TRUE((*disk.Open(path, true))->Sync().ok());
    }
    ASSERT_TRUE(disk.Rename("/d/a", "/d/b").ok());
    EXPECT_FALSE(disk.Exists("/d/a"));
    EXPECT_THAT(*disk.List("/d/b"), ElementsAre("x", "y"));
    if (there) {
      ASSERT_TRUE(disk.SyncDirectory("/d").ok());
    }
    disk.Crash(Oldest);
    EXPECT_THAT(*disk.List(there ? "/d/b" : "/d/a"), ElementsAre("x", "y"));
    EXPECT_FALSE(disk.Exists(there ? "/d/a" : "/d/b"));
  }
}

TEST(TestFileSystem, AnOrderedFileIsAlwaysABeginningOfWhatWasWritten) {
  const std::string all = std::string(600, 'a') + std::string(700, 'b');
  for (uint32_t choice = 0; choice < 2000; choice += 7) {
    TestFileSystem disk;
    disk.SetOrdered("/a");
    auto file = disk.Open("/d/a", true);
    ASSERT_TRUE(disk.SyncDirectory("/d").ok());
    ASSERT_TRUE((*file)->WriteAt(0, all.substr(0, 600)).ok());
    ASSERT_TRUE((*file)->WriteAt(600, all.substr(600)).ok());
    disk.Crash([&](uint32_t bound) { return choice % bound; });
    EXPECT_EQ(disk.Content("/d/a"), all.substr(0, disk.Content("/d/a").size()));
  }
}

TEST(TestFileSystem, AFlippedBitIsOnTheDisk) {
  TestFileSystem disk;
  auto file = disk.Open("/d/a", true);
  ASSERT_TRUE((*file)->WriteAt(0, "aaa").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE(disk.SyncDirectory("/d").ok());
  disk.FlipBit("/d/a", 8 + 1);
  EXPECT_EQ(*(*file)->ReadAt(0, 3), "aca");
  disk.Crash(Oldest);
  EXPECT_EQ(disk.Content("/d/a"), "aca");
}

}  // namespace
}  // namespace triad::storage
