#include "client/borrow_store.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "client/machine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Store : public ::testing::Test {
 protected:
  Store() {
    char pattern[] = "/tmp/triad-borrow-XXXXXX";
    directory_ = mkdtemp(pattern);
  }
  ~Store() override { std::filesystem::remove_all(directory_); }

  BorrowRecord Record(uint64_t count) const {
    BorrowRecord record;
    record.license.feature = "f";
    record.license.count = count;
    record.license.handle = 7;
    record.borrowed_ms = WallMs();
    record.license.until_ms = record.borrowed_ms + 3'600'000;
    record.license.user = here_.user;
    record.license.host = here_.host;
    record.machine = here_.machine;
    return record;
  }
  BorrowStore Open() const { return BorrowStore(directory_ + "/deep/er", here_, {}); }
  static CheckoutRequest Want(uint64_t count, CountMode mode = CountMode::kExact) {
    CheckoutRequest request;
    request.feature = "f";
    request.count = count;
    request.mode = mode;
    return request;
  }

  std::string directory_;
  const Borrower here_{"alice", "laptop", "m"};
};

TEST_F(Store, WritesForItsOwnerAloneAndFindsItAgain) {
  const BorrowStore store = Open();
  const absl::StatusOr<std::string> path = store.Write(Record(2));
  ASSERT_TRUE(path.ok()) << path.status();
  struct stat info = {};
  ASSERT_EQ(stat(path->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_THAT(store.List(nullptr), SizeIs(1));
  EXPECT_EQ(store.List(nullptr)[0].license.record, *path);
  store.Remove(*path);
  EXPECT_THAT(store.List(nullptr), IsEmpty());
}

TEST_F(Store, WhatOthersMayReadIsNotTrusted) {
  const BorrowStore store = Open();
  const std::string path = *store.Write(Record(2));
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  std::vector<std::string> problems;
  EXPECT_THAT(store.List(&problems), IsEmpty());
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0], HasSubstr("0600"));
}

TEST_F(Store, NoMoreAreUsedThanWereBorrowedAndEachUseEnds) {
  const BorrowStore store = Open();
  ASSERT_TRUE(store.Write(Record(3)).ok());
  uint64_t count = 0;
  auto two = store.Use(Want(2), &count);
  ASSERT_NE(two, nullptr);
  EXPECT_EQ(store.Use(Want(2), &count), nullptr);
  auto one = store.Use(Want(2, CountMode::kUpTo), &count);
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(store.Use(Want(1), &count), nullptr);
  EXPECT_FALSE(store.Seize(one->record().license.record).ok()) << "in use";
  two.reset();
  EXPECT_NE(store.Use(Want(2, CountMode::kAll), &count), nullptr);
  EXPECT_EQ(count, 2u);
  one.reset();
  EXPECT_TRUE(store.Seize(store.List(nullptr)[0].license.record).ok());
}

TEST_F(Store, ADirectoryThatCannotBeMadeIsAnError) {
  std::ofstream(directory_ + "/file") << "x";
  const BorrowStore store(directory_ + "/file/under", here_, {});
  EXPECT_FALSE(store.Write(Record(1)).ok());
  EXPECT_THAT(store.List(nullptr), IsEmpty());
  EXPECT_FALSE(store.Seize(directory_ + "/file").ok());
}

}  // namespace
}  // namespace triad::client
