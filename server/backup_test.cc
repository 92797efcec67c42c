#include "server/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/backup_file.h"
#include "license/ledger_testing.h"
#include "server/limits.h"
#include "server/snapshots.h"

namespace triad::server {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kView = 5;

v1::BackupHead Known() {
  v1::BackupHead head;
  head.set_cluster_id(std::string(32, 'c'));
  head.set_node(2);
  return head;
}

// A ledger with records, its rows in two chunks.
class BackupMakerTest : public ::testing::Test {
 protected:
  BackupMakerTest() {
    v1::Command version;
    version.mutable_set_cluster_version()->set_version(license::kCommandVersion);
    v1::Command install;
    *install.mutable_install() = license::testing::SetOf("FEATURE f acme 1.0 permanent 2\n", 0);
    for (const v1::Command& command :
         {version, install, license::testing::OpenOf("ann"),
          license::testing::CheckoutOf("ann", 1, {license::testing::ItemOf("f")})}) {
      v1::LogRecord record;
      record.mutable_stamp()->set_wall_ms(license::testing::kNoonMs);
      *record.mutable_command() = command;
      ledger_.Apply({++index_, 3}, &record, nullptr);
    }
    rows_ = ledger_.TakeChanges();
    usage_ = ledger_.TakeUsage().rows;
  }

  v1::SnapshotChunk Chunk(size_t from, size_t to) const {
    v1::SnapshotChunk chunk;
    chunk.set_id(kView);
    chunk.set_index(index_);
    chunk.set_term(3);
    for (size_t i = from; i < to; ++i) {
      chunk.add_rows()->set_key(rows_[i].key);
      chunk.mutable_rows()->rbegin()->set_value(*rows_[i].value);
    }
    chunk.set_last(to == rows_.size());
    if (chunk.last()) chunk.set_digest(ledger_.Digest());
    return chunk;
  }

  license::Ledger ledger_;
  uint64_t index_ = 0;
  std::vector<license::RowChange> rows_;
  std::vector<license::UsageRow> usage_;
  std::vector<v1::BackupPiece> pieces_;
};

TEST_F(BackupMakerTest, WhatItMakesIsAWholeBackup) {
  ASSERT_GE(rows_.size(), 4u);
  ASSERT_GE(usage_.size(), 2u);
  BackupMaker maker(Known());
  EXPECT_EQ(maker.NextRows()->id(), 0u);
  EXPECT_FALSE(maker.NextUsage().has_value()) << "rows come first";
  ASSERT_TRUE(maker.AddRows(Chunk(0, 2), &pieces_).ok());
  EXPECT_EQ(maker.NextRows()->id(), kView);
  EXPECT_EQ(maker.NextRows()->after(), rows_[1].key);
  ASSERT_TRUE(maker.AddRows(Chunk(2, rows_.size()), &pieces_).ok());
  EXPECT_FALSE(maker.NextRows().has_value());
  ASSERT_TRUE(maker.NextUsage().has_value());
  EXPECT_EQ(maker.NextUsage()->after, 0u);
  // One record came after the view was taken.
  UsageRead read;
  read.rows = usage_;
  read.rows.push_back({usage_.size() + 1, "later"});
  read.last = true;
  maker.AddUsage(std::move(read), &pieces_);
  EXPECT_FALSE(maker.NextUsage().has_value());
  pieces_.push_back(maker.End());
  license::BackupWriter writer;
  license::BackupReader reader([](const v1::BackupPiece&) { return absl::OkStatus(); });
  for (const auto& piece : pieces_) ASSERT_TRUE(reader.Add(writer.Piece(piece)).ok());
  ASSERT_TRUE(reader.Add(writer.Finish()).ok());
  ASSERT_TRUE(reader.Finish().ok());
  EXPECT_EQ(reader.head().index(), index_);
  EXPECT_EQ(reader.head().node(), 2u);
  EXPECT_EQ(reader.head().wall_ms(), license::testing::kNoonMs);
  EXPECT_EQ(reader.head().cluster_version(), license::kCommandVersion);
  EXPECT_EQ(reader.end().rows(), rows_.size());
  EXPECT_EQ(reader.end().sessions(), 1u);
  EXPECT_EQ(reader.end().checkouts(), 1u);
  EXPECT_EQ(reader.end().usage_records(), usage_.size());
}

TEST_F(BackupMakerTest, RecordsThatTheNodeLacksAreLeftOut) {
  BackupMaker maker(Known());
  ASSERT_TRUE(maker.AddRows(Chunk(0, rows_.size()), &pieces_).ok());
  pieces_.clear();
  UsageRead read;
  read.rows.push_back(usage_.front());
  maker.AddUsage(std::move(read), &pieces_);
  ASSERT_TRUE(maker.NextUsage().has_value());
  EXPECT_EQ(maker.NextUsage()->after, 1u);
  UsageRead rest;
  rest.rows.push_back(usage_.back());
  maker.AddUsage(std::move(rest), &pieces_);
  EXPECT_FALSE(maker.NextUsage().has_value()) << "that was the last";
  ASSERT_EQ(pieces_.size(), 2u);
  EXPECT_EQ(pieces_[1].usage().first(), usage_.back().number);
  EXPECT_EQ(maker.End().end().usage_records(), 2u);
}

TEST_F(BackupMakerTest, AClosedViewAndARefusalEndIt) {
  BackupMaker maker(Known());
  EXPECT_THAT(maker.AddRows(RefusedChunk("not now"), &pieces_).message(), HasSubstr("not now"));
  ASSERT_TRUE(maker.AddRows(Chunk(0, 2), &pieces_).ok());
  const absl::Status gone = maker.AddRows(v1::SnapshotChunk(), &pieces_);
  EXPECT_TRUE(absl::IsUnavailable(gone));
  EXPECT_THAT(gone.message(), HasSubstr("begin anew"));
}

}  // namespace
}  // namespace triad::server
