#include "license/backup_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace triad::license {
namespace {

using ::testing::HasSubstr;

v1::BackupPiece Head() {
  v1::BackupPiece piece;
  piece.mutable_head()->set_format(kBackupFormat);
  piece.mutable_head()->set_index(7);
  piece.mutable_head()->set_term(2);
  piece.mutable_head()->set_cluster_id(std::string(32, 'c'));
  return piece;
}

v1::BackupPiece Rows(const std::vector<std::string>& keys) {
  v1::BackupPiece piece;
  for (const std::string& key : keys) {
    auto* row = piece.mutable_rows()->add_rows();
    row->set_key(key);
    row->set_value(absl::StrCat("value of ", key));
  }
  if (keys.empty()) piece.mutable_rows();
  return piece;
}

v1::BackupPiece Usage(uint64_t first, int count) {
  v1::BackupPiece piece;
  piece.mutable_usage()->set_first(first);
  for (int i = 0; i < count; ++i) piece.mutable_usage()->add_records("a record");
  return piece;
}

v1::BackupPiece End(const std::vector<std::string>& keys, uint64_t records) {
  RowHash hash;
  for (const std::string& key : keys) {
    hash.Add(key);
    hash.Add(absl::StrCat("value of ", key));
  }
  v1::BackupPiece piece;
  piece.mutable_end()->set_digest(hash.value());
  piece.mutable_end()->set_rows(keys.size());
  piece.mutable_end()->set_usage_records(records);
  piece.mutable_end()->set_sessions(3);
  return piece;
}

std::string Written(const std::vector<v1::BackupPiece>& pieces) {
  BackupWriter writer;
  std::string bytes;
  for (const auto& piece : pieces) bytes += writer.Piece(piece);
  return bytes + writer.Finish();
}

std::string Whole() {
  return Written(
      {Head(), Rows({"a", "b"}), Rows({"c"}), Usage(5, 2), Usage(9, 1), End({"a", "b", "c"}, 3)});
}

absl::Status ReadIn(const std::string& bytes, size_t step, int* pieces = nullptr) {
  int count = 0;
  BackupReader reader([&count](const v1::BackupPiece&) {
    ++count;
    return absl::OkStatus();
  });
  for (size_t at = 0; at < bytes.size(); at += step) {
    if (absl::Status status = reader.Add(bytes.substr(at, step)); !status.ok()) return status;
  }
  if (pieces != nullptr) *pieces = count;
  return reader.Finish();
}

TEST(BackupFile, IsReadAsItWasWrittenInPartsOfAnySize) {
  for (size_t step : {1u, 7u, 64u, 1'000'000u}) {
    int pieces = 0;
    EXPECT_TRUE(ReadIn(Whole(), step, &pieces).ok());
    EXPECT_EQ(pieces, 6);
  }
  BackupReader reader([](const v1::BackupPiece&) { return absl::OkStatus(); });
  ASSERT_TRUE(reader.Add(Whole()).ok());
  ASSERT_TRUE(reader.Finish().ok());
  EXPECT_EQ(reader.head().index(), 7u);
  EXPECT_EQ(reader.end().sessions(), 3u);
}

TEST(BackupFile, OneThatEndsAnywhereEarlierIsRefused) {
  const std::string whole = Whole();
  for (size_t size = 0; size < whole.size(); ++size) {
    const absl::Status status = ReadIn(whole.substr(0, size), 64);
    ASSERT_FALSE(status.ok()) << "at " << size;
    ASSERT_EQ(status.message().find('\n'), absl::string_view::npos);
  }
  EXPECT_EQ(ReadIn(whole.substr(0, 100), 64).message(), "it is cut off: the end is missing");
}

TEST(BackupFile, OneInWhichAnyBitIsAnotherIsRefused) {
  const std::string whole = Whole();
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      ASSERT_FALSE(ReadIn(flipped, 64).ok()) << "byte " << at << ", bit " << bit;
    }
  }
}

TEST(BackupFile, AnythingBehindTheEndIsRefused) {
  EXPECT_THAT(ReadIn(Whole() + "x", 64).message(), HasSubstr("behind its end"));
  EXPECT_THAT(ReadIn(Whole() + Whole(), 64).message(), HasSubstr("behind its end"));
}

TEST(BackupFile, OtherFilesAreNoBackups) {
  for (const std::string& text : {std::string(), std::string("x"), std::string("SERVER a ANY 1\n"),
                                  std::string(1'000, '\0'), std::string(5'000, '\xff')}) {
    EXPECT_EQ(ReadIn(text, 64).message(), "it is no backup of Triad's");
  }
  EXPECT_EQ(ReadIn("triad", 64).message(), "it is cut off: the end is missing");
}

TEST(BackupFile, OneOfANewerProgramIsSaidToBeThat) {
  EXPECT_TRUE(absl::IsUnimplemented(ReadIn("triad backup 2\nwhatever follows", 64)));
  v1::BackupPiece head = Head();
  head.mutable_head()->set_format(kBackupFormat + 1);
  EXPECT_TRUE(absl::IsUnimplemented(ReadIn(Written({head, End({}, 0)}), 64)));
}

// The sum over the file is right each time: these are checks of their own.
TEST(BackupFile, PiecesThatDoNotGoTogetherAreRefused) {
  const std::vector<std::vector<v1::BackupPiece>> wrong = {
      {Head()},
      {End({}, 0)},
      {Rows({"a"}), End({"a"}, 0)},
      {Head(), Head(), End({}, 0)},
      {Head(), End({}, 0), End({}, 0)},
      {Head(), v1::BackupPiece(), End({}, 0)},
      {Head(), Usage(1, 1), Rows({"a"}), End({"a"}, 1)},
      {Head(), Rows({"b", "a"}), End({"b", "a"}, 0)},
      {Head(), Rows({"a"}), Rows({"a"}), End({"a", "a"}, 0)},
      {Head(), Rows({"a", "c"}), End({"a", "b"}, 0)},
      {Head(), Rows({"a"}), End({"a", "b"}, 0)},
      {Head(), Usage(1, 2), Usage(2, 1), End({}, 3)},
      {Head(), Usage(0, 2), End({}, 2)},
      {Head(), Usage(1, 2), End({}, 3)},
  };
  for (size_t i = 0; i < wrong.size(); ++i) {
    EXPECT_TRUE(absl::IsDataLoss(ReadIn(Written(wrong[i]), 64))) << "case " << i;
  }
  EXPECT_TRUE(ReadIn(Written({Head(), Rows({}), End({}, 0)}), 64).ok());
}

TEST(BackupFile, WhoTakesThePiecesMayStop) {
  BackupReader reader([](const v1::BackupPiece&) { return absl::UnavailableError("disk full"); });
  EXPECT_EQ(reader.Add(Whole()).message(), "disk full");
  EXPECT_EQ(reader.Finish().message(), "disk full");
}

}  // namespace
}  // namespace triad::license
