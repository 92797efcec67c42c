#include "server/restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/backup_file.h"
#include "license/ledger_testing.h"
#include "server/backup.h"
#include "server/membership.h"
#include "server/test_seams.h"
#include "storage/memory_ledger.h"
#include "storage/test_file_system.h"

namespace triad::server {
namespace {

using ::testing::HasSubstr;

using Quiet = testing::QuietLogger;
using Counting = testing::CountingRandom;

class Bytes final : public storage::File {
 public:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::Status WriteAt(uint64_t, absl::string_view) override { return absl::OkStatus(); }
  absl::StatusOr<std::string> ReadAt(uint64_t offset, size_t size) override {
    return offset >= bytes_.size() ? std::string() : bytes_.substr(offset, size);
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::Status Preallocate(uint64_t) override { return absl::OkStatus(); }
  absl::Status Truncate(uint64_t) override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> Size() override { return bytes_.size(); }

 private:
  const std::string bytes_;
};

// A cluster's ledger up to entry 40, in which two sessions are open and one of them holds.
license::Ledger Lived() {
  v1::Command install;
  *install.mutable_install() = license::testing::SetOf("FEATURE f acme 1.0 permanent 2\n", 0);
  const std::vector<v1::Command> commands = {
      install, license::testing::OpenOf("ann"),
      license::testing::CheckoutOf("ann", 1, {license::testing::ItemOf("f")}),
      license::testing::OpenOf("ben")};
  license::Ledger ledger;
  for (uint64_t index = 1; index <= 40; ++index) {
    v1::LogRecord record;
    record.mutable_stamp()->set_cluster_ms(1'000);
    record.mutable_stamp()->set_wall_ms(license::testing::kNoonMs);
    if (index <= commands.size()) *record.mutable_command() = commands[index - 1];
    ledger.Apply({index, 7}, index <= commands.size() ? &record : nullptr, nullptr);
  }
  return ledger;
}

std::string BackupOf(license::Ledger ledger) {
  v1::SnapshotChunk chunk;
  chunk.set_id(1);
  chunk.set_index(ledger.applied().index);
  chunk.set_term(ledger.applied().term);
  chunk.set_digest(ledger.Digest());
  chunk.set_last(true);
  for (license::RowChange& row : ledger.TakeChanges()) {
    chunk.add_rows()->set_key(row.key);
    chunk.mutable_rows()->rbegin()->set_value(*row.value);
  }
  v1::BackupHead known;
  known.set_cluster_id(std::string(32, 'c'));
  known.set_node(2);
  BackupMaker maker(known);
  std::vector<v1::BackupPiece> pieces;
  EXPECT_TRUE(maker.AddRows(std::move(chunk), &pieces).ok());
  pieces.push_back(maker.End());
  license::BackupWriter writer;
  std::string bytes;
  for (const auto& piece : pieces) bytes += writer.Piece(piece);
  return bytes + writer.Finish();
}

struct Host {
  explicit Host(std::string bytes = BackupOf(Lived())) : file(std::move(bytes)) {
    place.files = &disk;
    place.home = &home;
    place.dir = "/data";
    place.log.segment_bytes = 16 << 10;
    as.slot = 1;
    as.recover = {.session_ttl_ms = 30'000, .host_id = "00aa", .host_id_matches = true, .how = "b"};
    as.others = {"lock"};
  }

  absl::StatusOr<storage::Identity> RestoreIt() {
    const auto contents = ReadBackup(&file);
    if (!contents.ok()) return contents.status();
    return Restore(place, &file, *contents, as, &random, &quiet);
  }
  absl::StatusOr<OpenedData> Open() { return OpenData(place, &quiet); }

  storage::TestFileSystem disk;
  storage::MemoryLedgerHome home;
  Quiet quiet;
  Counting random;
  DataPlace place;
  RestoreAs as;
  Bytes file;
};

// What the backup held, as a new cluster with one voter, which holds new grants back.
void ExpectRestored(Host& host) {
  auto opened = host.Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_FALSE(opened->damage.has_value());
  EXPECT_NE(opened->identity.cluster_id, std::string(32, 'c'));
  EXPECT_EQ(opened->identity.slot, 1);
  EXPECT_EQ(opened->identity.members,
            (std::vector<storage::Member>{{1, opened->identity.incarnation}}));
  EXPECT_EQ(opened->recovered.snapshot_index, quorum::Index(40));
  ASSERT_EQ(opened->recovered.entries.size(), 2u);
  EXPECT_EQ(opened->recovered.hard_state.term, quorum::Term(8));
  license::Ledger& ledger = *opened->ledger;
  EXPECT_EQ(ledger.applied().index, 40u);
  EXPECT_EQ(ledger.Digest(), Lived().Digest());
  for (const quorum::Entry& entry : opened->recovered.entries) {
    v1::LogRecord record;
    ASSERT_TRUE(record.ParseFromString(*entry.payload));
    ledger.Apply({entry.index.value(), entry.term.value()}, &record, nullptr);
  }
  EXPECT_EQ(ledger.sessions().size(), 2u);
  EXPECT_EQ(ledger.checkouts().size(), 1u);
  EXPECT_GT(ledger.no_grants_until_ms(), 0u);
  ASSERT_EQ(ledger.members().nodes_size(), 1);
  EXPECT_EQ(ledger.members().nodes(0).incarnation(), opened->identity.incarnation);
  EXPECT_EQ(ledger.members().nodes(0).host_id(), "00aa");
  EXPECT_FALSE(host.disk.Exists(RestoringPath("/data")));
}

TEST(Restore, MakesANewClusterOfOneNodeThatKnowsWhatTheBackupHeld) {
  Host host;
  const auto identity = host.RestoreIt();
  ASSERT_TRUE(identity.ok()) << identity.status();
  ExpectRestored(host);
}

TEST(Restore, ABackupSaysInOneLineWhatItIs) {
  Host host;
  const auto contents = ReadBackup(&host.file);
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->servers.size(), 1u);
  const std::string line = contents->Describe();
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_THAT(line, HasSubstr("by node 2 of cluster 636363636363: entry 40 of term 7, 2 sessions "
                              "that hold 1 checkouts"));
}

TEST(Restore, RefusesADirectoryThatHoldsSomething) {
  Host host;
  ASSERT_TRUE(host.disk.Open("/data/precious", true).ok());
  const auto refused = host.RestoreIt();
  EXPECT_THAT(refused.status().message(), HasSubstr("holds something already (precious)"));
  EXPECT_FALSE(host.disk.Exists(RestoringPath("/data")));
  host.as.others.emplace_back("precious");
  EXPECT_TRUE(host.RestoreIt().ok());
  EXPECT_THAT(host.RestoreIt().status().message(), HasSubstr("holds something already"));
}

TEST(Restore, WithoutALicenseSetOrFromANewerClusterItIsRefused) {
  license::Ledger empty;
  empty.Apply({1, 1}, nullptr, nullptr);
  Host none(BackupOf(std::move(empty)));
  EXPECT_THAT(none.RestoreIt().status().message(), HasSubstr("holds no license set"));
  license::Ledger newer = Lived();
  v1::LogRecord record;
  record.mutable_command()->mutable_set_cluster_version()->set_version(license::kCommandVersion +
                                                                       1);
  newer.Apply({41, 7}, &record, nullptr);
  Host later(BackupOf(std::move(newer)));
  EXPECT_THAT(later.RestoreIt().status().message(), HasSubstr("upgrade triadd first"));
}

// Every sum is right, and yet the rows are no ledger's.
TEST(Restore, RowsThatMakeNoLedgerAreRefused) {
  license::BackupWriter writer;
  const std::string good = BackupOf(Lived());
  std::string bytes;
  license::RowHash hash;
  license::BackupReader reader([&](v1::BackupPiece piece) {
    for (auto& row : *piece.mutable_rows()->mutable_rows()) {
      if (row.key()[0] == 'U') row.set_value("nonsense");
      hash.Add(row.key());
      hash.Add(row.value());
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(reader.Add(good).ok());
  license::BackupReader copier([&](v1::BackupPiece piece) {
    if (piece.has_rows()) {
      for (auto& row : *piece.mutable_rows()->mutable_rows()) {
        if (row.key()[0] == 'U') row.set_value("nonsense");
      }
    }
    if (piece.has_end()) piece.mutable_end()->set_digest(hash.value());
    bytes += writer.Piece(piece);
    return absl::OkStatus();
  });
  ASSERT_TRUE(copier.Add(good).ok());
  bytes += writer.Finish();
  Host host(bytes);
  const auto refused = host.RestoreIt();
  EXPECT_TRUE(absl::IsDataLoss(refused.status())) << refused.status();
  EXPECT_THAT(refused.status().message(), HasSubstr("make no ledger"));
  EXPECT_THAT(host.Open().status().message(), HasSubstr("was interrupted"));
}

TEST(Restore, EveryTruncatedBackupIsRefusedBeforeAnythingIsTouched) {
  const std::string whole = BackupOf(Lived());
  for (size_t size = 0; size < whole.size(); ++size) {
    Bytes file(whole.substr(0, size));
    ASSERT_FALSE(ReadBackup(&file).ok()) << size;
  }
}

// The power fails before each operation, and of what was not synced the oldest, the newest or
// something between is left.
TEST(Restore, EveryStopIsGoneOnFrom) {
  uint64_t first = 0, last = 0;
  const std::string bytes = BackupOf(Lived());
  {
    Host host(bytes);
    first = host.disk.operation_count();
    ASSERT_TRUE(host.RestoreIt().ok());
    last = host.disk.operation_count();
  }
  ASSERT_GT(last, first + 8);
  int refused = 0;
  for (uint64_t stop = first; stop <= last; ++stop) {
    for (uint32_t kind = 0; kind < 4; ++kind) {
      SCOPED_TRACE(absl::StrCat("stop ", stop, ", kind ", kind));
      Host host(bytes);
      host.disk.StopAt(stop);
      (void)host.RestoreIt();
      uint32_t drawn = 0;
      host.disk.Crash([kind, &drawn](uint32_t bound) {
        if (kind < 2) return kind == 0 ? 0 : bound - 1;
        return (++drawn * 7 + kind) % bound;
      });
      host.home.Restart();
      // A daemon is started: it refuses, or finds all of it.
      if (const auto opened = host.Open(); !opened.ok()) {
        ++refused;
        EXPECT_THAT(opened.status().message(),
                    ::testing::AnyOf(HasSubstr("was interrupted"), HasSubstr("no identity")));
        const auto again = host.RestoreIt();
        ASSERT_TRUE(again.ok()) << again.status();
      }
      ExpectRestored(host);
    }
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace triad::server
