#include "server/log_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

namespace triad::server {
namespace {

class LogFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
    Begin();
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // As a new process does.
  void Begin(bool append = true, uint64_t rollover_bytes = 0) {
    file_.reset();
    file_ =
        std::make_unique<LogFile>(LogFile::Config{path_, append, dir_ + "/place", rollover_bytes});
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  const std::string dir_ = ::testing::TempDir() + "/triad_log_file_test";
  const std::string path_ = dir_ + "/debug.log";
  std::unique_ptr<LogFile> file_;
};

TEST_F(LogFileTest, ItKnowsItsPlaceAfterARestart) {
  ASSERT_TRUE(file_->Write("a\n", 7, "").ok());
  ASSERT_TRUE(file_->Write("note\n", 0, "").ok());
  Begin();
  EXPECT_EQ(file_->number(), 7u);
  ASSERT_TRUE(file_->Write("b\n", 8, "").ok());
  EXPECT_EQ(Read(path_), "a\nnote\nb\n");
}

TEST_F(LogFileTest, ABatchThatACrashCutIsTakenBack) {
  ASSERT_TRUE(file_->Write("a\n", 7, "").ok());
  ASSERT_TRUE(file_->Write("bbbb\ncccc\n", 9, "").ok());
  std::filesystem::resize_file(path_, 5);
  Begin();
  EXPECT_EQ(file_->number(), 7u);
  EXPECT_EQ(Read(path_), "a\n");
}

TEST_F(LogFileTest, WithoutAPlusItBeginsEmptyButKnowsWhatWasWritten) {
  ASSERT_TRUE(file_->Write("a\n", 7, "").ok());
  Begin(/*append=*/false);
  EXPECT_EQ(file_->number(), 7u);
  ASSERT_TRUE(file_->Write("b\n", 8, "").ok());
  ASSERT_TRUE(file_->Write("c\n", 9, "").ok());
  EXPECT_EQ(Read(path_), "b\nc\n");
}

TEST_F(LogFileTest, AFileThatWasMovedAwayIsMadeAnew) {
  ASSERT_TRUE(file_->Write("a\n", 1, "").ok());
  std::filesystem::rename(path_, path_ + ".1");
  ASSERT_TRUE(file_->Write("b\n", 2, "").ok());
  EXPECT_EQ(Read(path_ + ".1"), "a\n");
  EXPECT_EQ(Read(path_), "b\n");
}

TEST_F(LogFileTest, WhatCannotBeWrittenIsCountedAndWritingGoesOnAfterwards) {
  const std::string away = dir_ + "/away";
  const std::string logs = dir_ + "/logs";
  std::filesystem::create_directory(logs);
  LogFile file({logs + "/debug.log", true, "", 0});
  ASSERT_TRUE(file.Write("a\n", 1, "").ok());
  std::filesystem::rename(logs, away);
  EXPECT_FALSE(file.Write("b\nc\n", 3, "").ok());
  EXPECT_FALSE(file.Write("d\n", 4, "").ok());
  EXPECT_EQ(file.lost_lines(), 3u);
  EXPECT_EQ(file.number(), 4u);
  std::filesystem::create_directory(logs);
  EXPECT_TRUE(file.Write("e\n", 5, "").ok());
  EXPECT_EQ(file.TakeLost(), 3u);
  EXPECT_EQ(file.lost_lines(), 0u);
  EXPECT_EQ(Read(logs + "/debug.log"), "e\n");
}

TEST_F(LogFileTest, AFullDiskLeavesNoHalfLine) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP();
  LogFile file({"/dev/full", true, "", 0});
  EXPECT_FALSE(file.Write("a\n", 1, "").ok());
  EXPECT_EQ(file.lost_lines(), 1u);
}

TEST_F(LogFileTest, ItRollsOverAtItsSize) {
  Begin(true, 6);
  ASSERT_TRUE(file_->Write("1234\n", 1, "20260615").ok());
  ASSERT_TRUE(file_->Write("5678\n", 2, "20260615").ok());
  ASSERT_TRUE(file_->Write("9012\n", 3, "20260615").ok());
  EXPECT_EQ(Read(path_ + ".20260615"), "1234\n");
  EXPECT_EQ(Read(path_ + ".20260615.1"), "5678\n");
  EXPECT_EQ(Read(path_), "9012\n");
}

TEST_F(LogFileTest, ASwitchGoesOnElsewhereOrNotAtAll) {
  ASSERT_TRUE(file_->Write("a\n", 1, "").ok());
  EXPECT_FALSE(file_->Switch(dir_ + "/none/x").ok());
  ASSERT_TRUE(file_->Write("b\n", 2, "").ok());
  const auto old = file_->Switch(dir_ + "/new.log");
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(*old, path_);
  ASSERT_TRUE(file_->Write("c\n", 3, "").ok());
  EXPECT_EQ(Read(path_), "a\nb\n");
  EXPECT_EQ(Read(dir_ + "/new.log"), "c\n");
}

}  // namespace
}  // namespace triad::server
