// A data directory and a backup that a released version wrote are opened by this one, and hold what
// they held.
//
// TRIAD_RECORD=DIR writes them anew: for a release, into a directory of its own (node/, backup,
// expected.txt). What is in them: every kind of row and record that the ledger knows, entries that
// only the log has, so that they are replayed, and a change of members.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/backup_file.h"
#include "license/ledger_testing.h"
#include "server/backup.h"
#include "server/data_directory.h"
#include "server/membership.h"
#include "server/restore.h"
#include "server/test_seams.h"
#include "storage/file_system.h"
#include "storage/ledger_db.h"

namespace triad::server {
namespace {

namespace fs = std::filesystem;
using license::testing::CheckinOf;
using license::testing::CheckoutOf;
using license::testing::ItemOf;
using license::testing::OpenAs;
using license::testing::OpenOf;
using quorum::Entry;
using quorum::EntryKind;
using quorum::Index;
using quorum::Term;

constexpr const char* kReleases[] = {"0.1.0"};
constexpr uint64_t kTerm = 3;
// Rows are written up to here; what follows stands in the log alone.
constexpr size_t kRowsUpTo = 14;
constexpr uint64_t kSegmentBytes = 32u << 10;

using Quiet = testing::QuietLogger;
using Counting = testing::CountingRandom;

struct Opened {
  std::unique_ptr<license::LedgerHome> home;
  DataPlace place;
};

Opened PlaceIn(const std::string& dir) {
  Opened opened;
  opened.home = storage::NewRocksLedgerHome(dir + "/ledger", storage::LedgerDbOptions());
  opened.place.files = storage::PosixFileSystem();
  opened.place.home = opened.home.get();
  opened.place.dir = dir;
  opened.place.log.segment_bytes = kSegmentBytes;
  return opened;
}

// What a later version must find; one line each.
std::string Describe(const license::Ledger& ledger) {
  std::string text =
      absl::StrCat("applied ", ledger.applied().index, " digest ", absl::Hex(ledger.Digest()),
                   "\nversion ", ledger.cluster_version(), " set ", ledger.license_set_number(),
                   " records ", ledger.usage_chain().count(), "\n");
  for (const auto& [id, session] : ledger.sessions()) {
    absl::StrAppend(&text, "session ", session->identity.user(), "@", session->identity.host(), " ",
                    ledger.StateOf(*session).holdings_size(), " held, ", session->waiting.size(),
                    " waited for\n");
  }
  for (const auto& [handle, checkout] : ledger.checkouts()) {
    absl::StrAppend(&text, "checkout ", handle, " of ", checkout->count, "\n");
  }
  for (const auto& node : ledger.members().nodes()) {
    absl::StrAppend(&text, "node ", node.slot(), node.voter() ? " votes" : " learns",
                    node.waiver() ? absl::StrCat(" on a waiver for ", node.host_id()) : "", "\n");
  }
  return text;
}

void ApplyRest(OpenedData* opened) {
  for (const Entry& entry : opened->recovered.entries) {
    if (entry.index.value() <= opened->ledger->applied().index) continue;
    v1::LogRecord record;
    const bool is_command = entry.kind != EntryKind::kNoop;
    if (is_command) {
      ASSERT_TRUE(record.ParseFromString(*entry.payload));
    }
    opened->ledger->Apply({entry.index.value(), entry.term.value()}, is_command ? &record : nullptr,
                          nullptr);
  }
}

// --- Recording

v1::Command Waits(absl::string_view name, uint64_t seq, const v1::Checkout::Item& item) {
  v1::Command command = CheckoutOf(name, seq, {item});
  command.mutable_request()->mutable_checkout()->set_wait(true);
  return command;
}

std::vector<v1::Command> History() {
  v1::Command version;
  version.mutable_set_cluster_version()->set_version(license::kCommandVersion);
  v1::Command install;
  *install.mutable_install() = license::testing::SetOf(
      "FEATURE f acme 1.0 permanent 5 DUP_GROUP=U\nFEATURE g acme 2.0 31-dec-2031 3 BORROW=200\n"
      "FEATURE free acme 1.0 permanent uncounted HOSTID=ANY\n",
      "LINGER g 3600\nMAX 4 f USER ann\n", 0);
  v1::Command members;
  for (uint32_t slot = 1; slot <= 3; ++slot) {
    auto* node = members.mutable_members()->add_nodes();
    node->set_slot(slot);
    node->set_incarnation(std::string(16, static_cast<char>('a' + slot)));
    node->set_voter(true);
  }
  members.mutable_members()->mutable_nodes(2)->set_incarnation(std::string(16, 'z'));
  members.mutable_members()->mutable_nodes(2)->set_waiver(true);
  members.mutable_members()->mutable_nodes(2)->set_host_id("0019d1aabbdd");
  v1::Command borrow;
  borrow.mutable_request()->set_session(license::testing::SessionNamed("bob"));
  borrow.mutable_request()->set_seq(1);
  *borrow.mutable_request()->mutable_borrow()->mutable_item() = ItemOf("g");
  borrow.mutable_request()->mutable_borrow()->set_until_wall_ms(license::testing::kNoonMs +
                                                                24 * 3'600'000);
  v1::Command stop;
  stop.mutable_admin()->set_who("root");
  stop.mutable_admin()->set_id(std::string(16, 'i'));
  stop.mutable_admin()->mutable_stop_vendor()->set_vendor("other");
  return {version, install, OpenOf("ann"), OpenAs("bob", "bob", "desk2"),
          OpenAs("eve", "eve", "desk3"), CheckoutOf("ann", 1, {ItemOf("f", 3)}),
          CheckoutOf("ann", 2, {ItemOf("g", 1)}), borrow, CheckinOf("ann", 3, 102),
          CheckoutOf("eve", 1, {ItemOf("f", 2), ItemOf("free")}), Waits("bob", 2, ItemOf("f", 2)),
          license::testing::ReserveOf("g", 1, "USER", "eve"),
          CheckoutOf("eve", 2, {ItemOf("none")}), members,
          // In the log alone:
          OpenAs("joe", "joe", "desk4"), CheckoutOf("joe", 1, {ItemOf("free", 1)}), stop,
          license::testing::TimePassesNow(), CheckoutOf("ann", 4, {ItemOf("f", 9)}, 3)};
}

std::vector<Entry> EntriesOf(const std::vector<v1::Command>& history) {
  std::vector<Entry> entries;
  for (const v1::Command& command : history) {
    v1::LogRecord record;
    record.set_version(license::RequiredVersion(command));
    record.mutable_stamp()->set_cluster_ms(1'000 * (entries.size() + 1));
    record.mutable_stamp()->set_wall_ms(license::testing::kNoonMs +
                                        1'000 * static_cast<int64_t>(entries.size() + 1));
    record.mutable_stamp()->set_utc_offset_s(3'600);
    *record.mutable_command() = command;
    entries.push_back({Term(kTerm), Index(entries.size() + 1),
                       command.has_members() ? EntryKind::kMembers : EntryKind::kCommand,
                       std::make_shared<const std::string>(record.SerializeAsString())});
  }
  return entries;
}

void RecordNode(const std::string& dir) {
  fs::create_directories(dir);
  Opened node = PlaceIn(dir);
  storage::Identity identity;
  identity.slot = 1;
  identity.server_set = std::string(32, 's');
  for (int slot = 1; slot <= 3; ++slot) {
    identity.members.push_back({slot, std::string(16, static_cast<char>('a' + slot))});
  }
  identity.incarnation = identity.members[0].incarnation;
  identity.cluster_id = ClusterId(identity.members);
  ASSERT_TRUE(storage::WriteIdentity(node.place.files, dir, identity).ok());
  const std::vector<Entry> entries = EntriesOf(History());
  storage::Log::Found found;
  auto log = storage::Log::Open(node.place.files, dir, node.place.log, &found);
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE((*log)->Append(quorum::HardState{Term(kTerm), quorum::Slot::k1}, entries).ok());
  ASSERT_TRUE((*log)->Idle().ok());
  auto store = node.home->Open();
  ASSERT_TRUE(store.ok()) << store.status();
  license::Ledger ledger;
  for (size_t i = 0; i < kRowsUpTo; ++i) {
    v1::LogRecord record;
    ASSERT_TRUE(record.ParseFromString(*entries[i].payload));
    ledger.Apply({i + 1, kTerm}, &record, nullptr);
    (*store)->AddUsage(ledger.TakeUsage());
    ASSERT_TRUE((*store)->Write(ledger.TakeChanges(), ledger.applied()).ok());
  }
  ASSERT_TRUE((*store)->Sync().ok());
}

// Of the rows in the store.
std::string BackupOf(const std::string& dir) {
  Opened node = PlaceIn(dir);
  auto store = node.home->Open();
  EXPECT_TRUE(store.ok()) << store.status();
  auto view = (*store)->TakeView();
  std::vector<license::RowChange> rows;
  bool last = false;
  EXPECT_TRUE((*view)->Read("", 1u << 20, &rows, &last).ok() && last);
  v1::SnapshotChunk chunk;
  chunk.set_id(1);
  chunk.set_index((*view)->applied().index);
  chunk.set_term((*view)->applied().term);
  chunk.set_last(true);
  license::RowHash hash;
  for (const license::RowChange& row : rows) {
    hash.Add(row.key);
    hash.Add(*row.value);
    chunk.add_rows()->set_key(row.key);
    chunk.mutable_rows()->rbegin()->set_value(*row.value);
  }
  chunk.set_digest(hash.value());
  v1::BackupHead known;
  known.set_node(1);
  known.set_nodes(3);
  known.set_program("0.1.0");
  known.set_cluster_id(std::string(32, 'c'));
  BackupMaker maker(known);
  std::vector<v1::BackupPiece> pieces;
  EXPECT_TRUE(maker.AddRows(std::move(chunk), &pieces).ok());
  while (maker.NextUsage()) {
    UsageRead read;
    EXPECT_TRUE((*store)->ReadUsage(1, 1u << 20, &read.rows, &read.last).ok());
    maker.AddUsage(std::move(read), &pieces);
  }
  pieces.push_back(maker.End());
  license::BackupWriter writer;
  std::string bytes;
  for (const auto& piece : pieces) bytes += writer.Piece(piece);
  return bytes + writer.Finish();
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A copy, because opening writes; closed again when it goes.
class Copy {
 public:
  explicit Copy(const std::string& from) : dir_(::testing::TempDir() + "/compatibility") {
    fs::remove_all(dir_);
    if (from.empty()) {
      fs::create_directories(dir_);
    } else {
      fs::copy(from, dir_, fs::copy_options::recursive);
    }
  }
  ~Copy() { fs::remove_all(dir_); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  const std::string& dir() const { return dir_; }

 private:
  const std::string dir_;
};

std::string DescribeNode(const std::string& dir) {
  const Copy copy(dir);
  Opened node = PlaceIn(copy.dir());
  Quiet quiet;
  auto opened = OpenData(node.place, &quiet);
  EXPECT_TRUE(opened.ok()) << opened.status();
  if (!opened.ok()) return "";
  EXPECT_FALSE(opened->damage.has_value()) << *opened->damage;
  EXPECT_EQ(opened->ledger->applied().index, kRowsUpTo) << "the rows were not thrown away";
  EXPECT_EQ(opened->recovered.hard_state.voted_for, quorum::Slot::k1);
  EXPECT_EQ(opened->store->usage().missing.size(), 0u);
  EXPECT_EQ(opened->store->usage().next, opened->ledger->usage_chain().count() + 1);
  ApplyRest(&*opened);
  EXPECT_TRUE(opened->ledger->CheckInvariants().ok());
  return Describe(*opened->ledger);
}

std::string DescribeBackup(const std::string& path) {
  const Copy empty("");
  Opened node = PlaceIn(empty.dir());
  auto file = node.place.files->Open(path, /*create=*/false);
  EXPECT_TRUE(file.ok()) << file.status();
  if (!file.ok()) return "";
  const auto contents = ReadBackup(file->get());
  EXPECT_TRUE(contents.ok()) << contents.status();
  if (!contents.ok()) return "";
  Quiet quiet;
  Counting random;
  RestoreAs as;
  as.slot = 1;
  const auto identity = Restore(node.place, file->get(), *contents, as, &random, &quiet);
  EXPECT_TRUE(identity.ok()) << identity.status();
  auto opened = OpenData(node.place, &quiet);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? absl::StrCat(contents->Describe(), "\n", Describe(*opened->ledger)) : "";
}

TEST(Compatibility, WhatReleasedVersionsHaveStoredIsReadWithNothingLost) {
  if (const char* directory = std::getenv("TRIAD_RECORD")) {
    const std::string dir = directory;
    RecordNode(dir + "/node");
    for (const char* name : {"/node/ledger/LOG", "/node/ledger/LOCK"}) fs::remove(dir + name);
    const Copy copy(dir + "/node");
    std::ofstream(dir + "/backup", std::ios::binary) << BackupOf(copy.dir());
    std::ofstream(dir + "/expected.txt")
        << DescribeNode(dir + "/node") << DescribeBackup(dir + "/backup");
    return;
  }
  for (const std::string release : kReleases) {
    SCOPED_TRACE(release);
    const std::string dir = absl::StrCat(TRIAD_RECORDED, "/", release);
    EXPECT_EQ(DescribeNode(dir + "/node") + DescribeBackup(dir + "/backup"),
              ReadAll(dir + "/expected.txt"));
  }
}

}  // namespace
}  // namespace triad::server
