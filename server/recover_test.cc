#include "server/recover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger_testing.h"
#include "quorum/members.h"
#include "server/membership.h"
#include "server/test_seams.h"
#include "storage/memory_ledger.h"
#include "storage/test_file_system.h"

namespace triad::server {
namespace {

using quorum::Entry;
using quorum::EntryKind;
using quorum::Index;
using quorum::Slot;
using quorum::Term;
using ::testing::HasSubstr;

using Quiet = testing::QuietLogger;
using Counting = testing::CountingRandom;

// One node of a formed cluster, on a disk in memory: two sessions, one of which holds a license;
// the last entry is not known to be agreed.
struct Host {
  Host() {
    place.files = &disk;
    place.home = &home;
    place.dir = "/data";
    place.log.segment_bytes = 16 << 10;
    identity.slot = 2;
    identity.incarnation = std::string(16, 'b');
    identity.server_set = std::string(32, 's');
    identity.members = {
        {1, std::string(16, 'a')}, {2, identity.incarnation}, {3, std::string(16, 'c')}};
    identity.cluster_id = ClusterId(identity.members);
    EXPECT_TRUE(storage::WriteIdentity(&disk, place.dir, identity).ok());
    Fill();
  }

  void Fill() {
    v1::Command install;
    *install.mutable_install() = license::testing::SetOf("FEATURE f acme 1.0 permanent 2\n", 0);
    const std::vector<v1::Command> commands = {
        install, license::testing::OpenOf("ann"),
        license::testing::CheckoutOf("ann", 1, {license::testing::ItemOf("f")}),
        license::testing::OpenOf("ben")};
    std::vector<Entry> entries;
    license::Ledger ledger;
    for (const v1::Command& command : commands) {
      v1::LogRecord record;
      record.mutable_stamp()->set_cluster_ms(1'000);
      record.mutable_stamp()->set_wall_ms(license::testing::kNoonMs);
      *record.mutable_command() = command;
      const uint64_t index = entries.size() + 1;
      entries.push_back({Term(7), Index(index), EntryKind::kCommand,
                         std::make_shared<const std::string>(record.SerializeAsString())});
      if (index < commands.size()) ledger.Apply({index, 7}, &record, nullptr);
    }
    storage::Log::Found found;
    auto log = storage::Log::Open(&disk, place.dir, place.log, &found);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE((*log)->Append(quorum::HardState{Term(9), Slot::k3}, entries).ok());
    auto store = home.Open();
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE((*store)->Write(ledger.TakeChanges(), ledger.applied()).ok());
    ASSERT_TRUE((*store)->Sync().ok());
  }

  absl::StatusOr<storage::Identity> RecoverIt() { return Recover(place, as, &random, &quiet); }
  absl::StatusOr<OpenedData> Open() { return OpenData(place, &quiet); }

  storage::TestFileSystem disk;
  storage::MemoryLedgerHome home;
  Quiet quiet;
  Counting random;
  DataPlace place;
  RecoverAs as{.session_ttl_ms = 30'000, .host_id = "00aa", .host_id_matches = true, .how = ""};
  storage::Identity identity;
};

v1::LogRecord RecordOf(const Entry& entry) {
  v1::LogRecord record;
  EXPECT_TRUE(record.ParseFromString(*entry.payload));
  return record;
}

// A new cluster with node 2 as its only voter, which holds all that it held, and the hold.
void ExpectRecovered(Host& host) {
  auto opened = host.Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_NE(opened->identity.cluster_id, host.identity.cluster_id);
  EXPECT_EQ(opened->identity.cluster_id, ClusterId(opened->identity.members));
  EXPECT_EQ(opened->identity.members,
            (std::vector<storage::Member>{{2, opened->identity.incarnation}}));
  const auto& entries = opened->recovered.entries;
  ASSERT_GE(entries.size(), 6u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(entries[i].term, Term(7)) << "nothing was cut";
  const Entry& members_entry = entries[entries.size() - 2];
  EXPECT_EQ(members_entry.kind, EntryKind::kMembers);
  const auto members = quorum::DecodeMembers(*members_entry.payload);
  ASSERT_TRUE(members.has_value());
  EXPECT_EQ(*members, BirthMembers(opened->identity));
  EXPECT_EQ(RecordOf(entries.back()).command().recovered().hold_ms(), 30'000u);
  EXPECT_GE(entries.back().term, Term(10));
  EXPECT_EQ(opened->recovered.hard_state.term, entries.back().term);
  EXPECT_EQ(opened->recovered.hard_state.voted_for, Slot::k2);
  license::Ledger& ledger = *opened->ledger;
  for (const Entry& entry : entries) {
    if (entry.index.value() <= ledger.applied().index) continue;
    const v1::LogRecord record = RecordOf(entry);
    ledger.Apply({entry.index.value(), entry.term.value()}, &record, nullptr);
  }
  EXPECT_EQ(ledger.sessions().size(), 2u);
  EXPECT_EQ(ledger.checkouts().size(), 1u);
  EXPECT_EQ(ledger.no_grants_until_ms(), 1'000u + 60'000u) << "the longest time to live it knows";
  EXPECT_EQ(ledger.members().nodes_size(), 1);
}

TEST(Recover, SaysWhatMayBeLostAndChangesNothing) {
  Host host;
  const auto outlook = LookBeforeRecover(host.place, 30'000, &host.quiet);
  ASSERT_TRUE(outlook.ok()) << outlook.status();
  EXPECT_EQ(outlook->slot, 2);
  EXPECT_TRUE(outlook->was_voter);
  EXPECT_EQ(outlook->last_index, 4u);
  EXPECT_EQ(outlook->uncertain, 1u);
  EXPECT_EQ(outlook->sessions, 2u);
  EXPECT_EQ(outlook->checkouts, 1u);
  EXPECT_EQ(outlook->hold_ms, 60'000u);
  EXPECT_THAT(outlook->Explain(), HasSubstr("after entry 4 is lost"));
  auto opened = host.Open();
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->identity, host.identity);
  EXPECT_EQ(opened->recovered.entries.size(), 4u);
}

TEST(Recover, MakesAClusterOfOneThatHoldsBack) {
  Host host;
  const auto identity = host.RecoverIt();
  ASSERT_TRUE(identity.ok()) << identity.status();
  ExpectRecovered(host);
  EXPECT_FALSE(host.disk.Exists(RecoveringPath("/data")));
}

TEST(Recover, RefusesWhereThereIsNothingToGoOnWith) {
  Host host;
  storage::Identity identity = host.identity;
  identity.members.clear();
  identity.cluster_id.clear();
  ASSERT_TRUE(storage::WriteIdentity(&host.disk, "/data", identity).ok());
  EXPECT_THAT(host.RecoverIt().status().message(), HasSubstr("belongs to no cluster yet"));
  identity.rejoining = true;
  ASSERT_TRUE(storage::WriteIdentity(&host.disk, "/data", identity).ok());
  EXPECT_THAT(host.RecoverIt().status().message(), HasSubstr("waits to be let in"));
  ASSERT_TRUE(storage::WriteIdentity(&host.disk, "/data", host.identity).ok());
  const auto names = host.disk.List("/data");
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    if (name == "identity") continue;
    ASSERT_TRUE(host.disk.Remove("/data/" + name).ok());
  }
  EXPECT_THAT(host.RecoverIt().status().message(), HasSubstr("its log is damaged"));
  EXPECT_FALSE(host.disk.Exists(RecoveringPath("/data")));
}

TEST(Recover, ANodeThatWasALearnerIsToldSo) {
  Host host;
  storage::Identity identity = host.identity;
  identity.incarnation = std::string(16, 'n');
  ASSERT_TRUE(storage::WriteIdentity(&host.disk, "/data", identity).ok());
  const auto outlook = LookBeforeRecover(host.place, 30'000, &host.quiet);
  ASSERT_TRUE(outlook.ok());
  EXPECT_FALSE(outlook->was_voter);
  EXPECT_THAT(outlook->Explain(), HasSubstr("no voter"));
}

// The power fails before each operation, and of what was not synced the oldest, the newest or
// something between is left.
TEST(Recover, EveryStopIsGoneOnFrom) {
  uint64_t first = 0, last = 0;
  {
    Host host;
    first = host.disk.operation_count();
    ASSERT_TRUE(host.RecoverIt().ok());
    last = host.disk.operation_count();
  }
  ASSERT_GT(last, first + 8);
  int refused = 0;
  for (uint64_t stop = first; stop <= last; ++stop) {
    for (uint32_t kind = 0; kind < 4; ++kind) {
      SCOPED_TRACE(absl::StrCat("stop ", stop, ", kind ", kind));
      Host host;
      host.disk.StopAt(stop);
      (void)host.RecoverIt();
      uint32_t drawn = 0;
      host.disk.Crash([kind, &drawn](uint32_t bound) {
        if (kind < 2) return kind == 0 ? 0 : bound - 1;
        return (++drawn * 7 + kind) % bound;
      });
      host.home.Restart();
      // A daemon is started: it finds the old cluster as it was, or the new one whole, or refuses.
      if (auto opened = host.Open(); !opened.ok()) {
        ++refused;
        EXPECT_THAT(opened.status().message(), HasSubstr("was interrupted"));
      } else if (opened->identity == host.identity) {
        EXPECT_EQ(opened->recovered.entries.size(), 4u);
        EXPECT_EQ(opened->recovered.hard_state.term, Term(9));
      } else {
        opened = absl::UnavailableError("closed");
        ExpectRecovered(host);
      }
      const auto again = host.RecoverIt();
      ASSERT_TRUE(again.ok()) << again.status();
      ExpectRecovered(host);
    }
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace triad::server
