// A node's whole directory on the real log and the real RocksDB: a fixed workload stopped at every
// write and sync, with many outcomes of what was not synced, and damage to the database's files.
// After each, the start finds a log and a ledger that belong together. Prints what it counted.
//
// TRIAD_ENUMERATION=deep: more outcomes, more damages.
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "license/ledger_testing.h"
#include "server/data_directory.h"
#include "server/ledger_disk.h"
#include "storage/crash_states.h"
#include "storage/ledger_db.h"
#include "storage/log_testing.h"
#include "storage/shared_disk.h"

namespace triad::server {
namespace {

using license::Ledger;
using license::LogPosition;
using license::RowChange;
using quorum::Entry;
using quorum::Index;
using quorum::Term;
using storage::CrashLimits;
using storage::CrashStates;
using storage::DeepEnumeration;
using storage::LogModel;
using storage::LogStep;
using storage::SharedDisk;
using storage::TestFileSystem;

constexpr char kDir[] = "/data";
constexpr uint64_t kEntries = 150;
constexpr uint64_t kTerm = 3;
// RocksDB takes 10 ms to open, so of what was not synced: all, nothing, a part by chance.
constexpr CrashLimits kFew = {.all_max = 4, .pairs_max = 0, .singles_max = 0, .random = 1};

// What was said, for the message of a failure.
class LastWords final : public Logger {
 public:
  void Log(LogLevel, absl::string_view line) override { absl::StrAppend(&text, line, "\n"); }
  std::string text;
};

// Entries 1, 2, ... and the ledger after each. Sessions with long names, so that RocksDB's memory
// (64 KB is its least) fills and flushes many times.
class History {
 public:
  History() {
    Ledger ledger;
    digests_.push_back(ledger.Digest());
    for (uint64_t i = 1; i <= kEntries; ++i) {
      v1::LogRecord record;
      if (i % 5 == 0) {
        record.mutable_command()->mutable_close()->set_session(
            license::testing::SessionNamed(absl::StrCat("s", i - 3)));
      } else {
        *record.mutable_command() = license::testing::OpenOf(absl::StrCat("s", i));
        v1::Identity& identity = *record.mutable_command()->mutable_open()->mutable_identity();
        for (int k = 0; k < 10; ++k) {
          identity.add_host_ids(std::string(200 + (i * 7 + static_cast<uint64_t>(k)) % 50,
                                            static_cast<char>('a' + (i + k) % 26)));
        }
      }
      auto payload = std::make_shared<std::string>();
      record.SerializeToString(payload.get());
      entries_.push_back({Term(kTerm), Index(i), quorum::EntryKind::kCommand, payload});
      Apply(entries_.back(), &ledger);
      digests_.push_back(ledger.Digest());
    }
  }
  static void Apply(const Entry& entry, Ledger* ledger) {
    v1::LogRecord record;
    ASSERT_TRUE(record.ParseFromString(*entry.payload));
    ledger->Apply({entry.index.value(), entry.term.value()}, &record, nullptr);
  }
  std::vector<Entry> Range(uint64_t first, uint64_t last) const {
    return {entries_.begin() + static_cast<ptrdiff_t>(first) - 1,
            entries_.begin() + static_cast<ptrdiff_t>(last)};
  }
  std::unique_ptr<Ledger> At(uint64_t index) const {
    auto ledger = std::make_unique<Ledger>();
    for (const Entry& entry : Range(1, index)) Apply(entry, ledger.get());
    return ledger;
  }
  uint64_t digest(uint64_t index) const { return digests_.at(index); }

 private:
  std::vector<Entry> entries_;
  std::vector<uint64_t> digests_;
};

const History& TheHistory() {
  static const History* const history = new History;
  return *history;
}

// A directory's disk as a program sees it.
struct Mount {
  explicit Mount(std::unique_ptr<TestFileSystem> files)
      : disk(std::move(files)), env(storage::NewEnvOver(&disk)) {
    storage::LedgerDbOptions options;
    options.env = env.get();
    options.write_buffer_bytes = 64 << 10;
    home = storage::NewRocksLedgerHome(absl::StrCat(kDir, "/ledger"), options);
    place.files = &disk;
    place.home = home.get();
    place.dir = kDir;
    place.log.segment_bytes = 64 << 10;
  }
  SharedDisk disk;
  std::unique_ptr<rocksdb::Env> env;
  std::unique_ptr<license::LedgerHome> home;
  DataPlace place;
};

// What holds from one point of the record on.
struct Mark {
  size_t effects = 0;
  std::string before, after;  // the log's content without and with the call under way
  uint64_t synced = 0;        // the ledger is not older than that
  bool identity = true;
};

// Does the fixed workload and notes, before each of its calls, what must hold if it stops there.
class Workload {
 public:
  explicit Workload(Mount* mount) : mount_(*mount) {}

  void Run() {
    Before({}, /*identity=*/false);
    storage::Identity identity;
    identity.slot = 1;
    identity.incarnation = std::string(16, 'a');
    identity.server_set = std::string(32, 's');
    ASSERT_TRUE(storage::WriteIdentity(mount_.place.files, kDir, identity).ok());
    Before({});
    auto opened = OpenData(mount_.place, &logger_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    log_ = std::move(opened->log);
    LedgerDisk disk(mount_.home.get(), std::move(opened->store));
    disk_ = &disk;
    identity.cluster_id = std::string(32, 'c');
    identity.members = {{1, identity.incarnation}};
    Before({});
    ASSERT_TRUE(storage::WriteIdentity(mount_.place.files, kDir, identity).ok());

    for (uint64_t i = 1; i <= 37; i += 4) ASSERT_NO_FATAL_FAILURE(Append(i, i + 3));
    ASSERT_NO_FATAL_FAILURE(SyncAndTrim(30));
    for (uint64_t i = 41; i <= 57; i += 4) ASSERT_NO_FATAL_FAILURE(Append(i, i + 3));
    ASSERT_NO_FATAL_FAILURE(Snapshot(100));
    for (uint64_t i = 101; i <= 137; i += 4) ASSERT_NO_FATAL_FAILURE(Append(i, i + 3));
    ASSERT_NO_FATAL_FAILURE(SyncAndTrim(120));
    // A second snapshot of which only a part arrives.
    const std::vector<RowChange> rows = TheHistory().At(150)->TakeChanges();
    Before({});
    ASSERT_TRUE(disk.StageRows(true, {rows.begin(), rows.begin() + 20}, std::nullopt).ok());
    ASSERT_NO_FATAL_FAILURE(Append(141, 141));
    disk_ = nullptr;
    Before({});
  }

  std::vector<Mark> marks;
  LogModel model;

 private:
  // A call begins, which changes the log as `step` says.
  void Before(const LogStep& step, bool identity = true) {
    Mark mark;
    mark.effects = mount_.disk.effects();
    mark.before = model.Text();
    model.Do(step);
    mark.after = model.Text();
    mark.synced = synced_;
    mark.identity = identity;
    marks.push_back(mark);
  }
  void Append(uint64_t first, uint64_t last) {
    LogStep step;
    step.entries = TheHistory().Range(first, last);
    if (first % 8 == 1) step.hard_state = quorum::HardState{Term(kTerm), quorum::Slot::k1};
    Before(step);
    ASSERT_TRUE(step.Do(log_.get()).ok());
    Before({});
    for (const Entry& entry : step.entries) History::Apply(entry, ledger_.get());
    ASSERT_TRUE(disk_->Write(ledger_->TakeChanges(), ledger_->applied()).ok());
  }
  void SyncAndTrim(uint64_t index) {
    Before({});
    ASSERT_TRUE(disk_->Sync().ok());
    synced_ = ledger_->applied().index;
    Trim(index);
  }
  void Trim(uint64_t index) {
    LogStep step;
    step.what = LogStep::kTrim;
    step.index = Index(index);
    step.term = Term(kTerm);
    Before(step);
    ASSERT_TRUE(step.Do(log_.get()).ok());
  }
  void Snapshot(uint64_t index) {
    std::unique_ptr<Ledger> sent = TheHistory().At(index);
    const std::vector<RowChange> rows = sent->TakeChanges();
    const auto part = static_cast<ptrdiff_t>(rows.size() / 3);
    Before({});
    ASSERT_TRUE(disk_->StageRows(true, {rows.begin(), rows.begin() + part}, std::nullopt).ok());
    ASSERT_TRUE(
        disk_->StageRows(false, {rows.begin() + part, rows.begin() + 2 * part}, std::nullopt).ok());
    auto staged =
        disk_->StageRows(false, {rows.begin() + 2 * part, rows.end()}, LogPosition{index, kTerm});
    ASSERT_TRUE(staged.ok());
    ASSERT_NE(*staged, nullptr);
    Trim(index);
    synced_ = index;
    Before({});
    ASSERT_TRUE(disk_->AdoptStaged().ok());
    ledger_ = *std::move(staged);
  }

  Mount& mount_;
  LastWords logger_;
  std::unique_ptr<storage::Log> log_;
  std::unique_ptr<Ledger> ledger_ = std::make_unique<Ledger>();
  LedgerDisk* disk_ = nullptr;
  uint64_t synced_ = 0;
};

class DataEnumeration : public ::testing::Test {
 protected:
  // The start must go well, and find a log and a ledger that belong together.
  void Check(Mount* mount, const Mark& mark) {
    logger_.text.clear();
    auto opened = OpenData(mount->place, &logger_);
    if (!mark.identity && absl::IsNotFound(opened.status())) return;
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_EQ(opened->damage.value_or("none"), "none");
    const quorum::Recovered& log = opened->recovered;
    const std::string text =
        LogModel{log.hard_state, log.snapshot_index, log.snapshot_term, log.entries}.Text();
    if (text != mark.before) {
      ASSERT_EQ(text, mark.after);
    }
    ASSERT_FALSE(log.ledger_missing) << logger_.text;
    Ledger& ledger = *opened->ledger;
    const uint64_t applied = ledger.applied().index;
    ASSERT_GE(applied, mark.synced) << logger_.text;
    ASSERT_GE(applied, log.snapshot_index.value()) << "trimmed before it was synced";
    ASSERT_EQ(ledger.Digest(), TheHistory().digest(applied)) << "at " << applied;
    EXPECT_EQ(log.applied, Index(applied));
    uint64_t last = applied;
    for (const Entry& entry : log.entries) {
      if (entry.index.value() <= applied) continue;
      History::Apply(entry, &ledger);
      last = entry.index.value();
    }
    EXPECT_EQ(ledger.Digest(), TheHistory().digest(last));
  }

  // The start itself is stopped.
  void CrashAgain(const TestFileSystem& crashed, const Mark& mark) {
    std::vector<SharedDisk::Effect> effects;
    {
      Mount mount(crashed.Copy());
      Check(&mount, mark);
      mount.home.reset();
      effects = mount.disk.TakeEffects();
    }
    storage::Replay replay(effects, crashed.Copy());
    const size_t stride = DeepEnumeration() ? 1 : 5;
    do {
      if (HasFailure()) return;
      if (replay.at() % stride != 0) continue;
      ++second_stops_;
      SCOPED_TRACE(absl::StrCat("the start stopped at effect ", replay.at()));
      TryAll(replay.disk(), mark, kFew, /*again=*/false, &second_outcomes_);
    } while (replay.Next());
  }

  // Every outcome of a crash; those that leave the same disk once.
  void TryAll(const TestFileSystem& disk, const Mark& mark, const CrashLimits& limits, bool again,
              uint64_t* count) {
    CrashStates(disk, limits, *count).ForEach([&](std::unique_ptr<TestFileSystem> crashed) {
      if (HasFailure()) return;
      ++*count;
      if (!seen_.insert(storage::Fingerprint(*crashed)).second) return;
      ++distinct_;
      if (again && distinct_ % (DeepEnumeration() ? 40 : 100) == 7) CrashAgain(*crashed, mark);
      Mount mount(std::move(crashed));
      Check(&mount, mark);
    });
  }

  LastWords logger_;
  std::set<uint64_t> seen_;
  uint64_t stops_ = 0, outcomes_ = 0, distinct_ = 0, second_stops_ = 0, second_outcomes_ = 0;
};

TEST_F(DataEnumeration, StoppedAnywhereLogAndLedgerBelongTogether) {
  Mount mount(std::make_unique<TestFileSystem>());
  Workload workload(&mount);
  ASSERT_NO_FATAL_FAILURE(workload.Run());
  const std::vector<SharedDisk::Effect> effects = mount.disk.TakeEffects();
  // FORMAT.md, "The ledger", says what RocksDB counts on here.
  auto disk = std::make_unique<TestFileSystem>();
  disk->SetOrdered("/MANIFEST-");
  storage::Replay replay(effects, std::move(disk));
  CrashLimits limits = {.all_max = 16, .pairs_max = 0, .singles_max = 2, .random = 2};
  if (DeepEnumeration()) limits = {.all_max = 64, .pairs_max = 0, .singles_max = 16, .random = 8};
  size_t mark = 0;
  do {
    while (mark + 1 < workload.marks.size() && workload.marks[mark + 1].effects <= replay.at()) {
      ++mark;
      seen_.clear();
    }
    // Opening and closing a file leave nothing that a crash could lose.
    if (replay.at() > 0 && effects[replay.at() - 1].kind == SharedDisk::Effect::kClose) continue;
    ++stops_;
    SCOPED_TRACE(absl::StrCat("stopped at effect ", replay.at(), " in call ", mark));
    TryAll(replay.disk(), workload.marks[mark], limits, /*again=*/true, &outcomes_);
    if (HasFailure()) return;
  } while (replay.Next());
  std::printf(
      "log and RocksDB: %lu stops with %lu outcomes of what was not synced (%lu different "
      "disks); %lu stops with %lu outcomes in the starts after them\n",
      stops_, outcomes_, distinct_, second_stops_, second_outcomes_);
  EXPECT_GE(stops_, 400u);
}

// --- Damage to what RocksDB has synced

class LedgerDamage : public ::testing::Test {
 protected:
  // A disk on which ledger and log end at entry 60, everything synced. `closed`: RocksDB was closed
  // and opened once more; else it just stopped, with its newest rows in the write-ahead log.
  std::unique_ptr<TestFileSystem> Make(bool closed, uint64_t trimmed) {
    Mount mount(std::make_unique<TestFileSystem>());
    storage::Identity identity;
    identity.slot = 1;
    identity.incarnation = std::string(16, 'a');
    identity.server_set = std::string(32, 's');
    EXPECT_TRUE(storage::WriteIdentity(mount.place.files, kDir, identity).ok());
    std::unique_ptr<TestFileSystem> copy;
    {
      auto opened = OpenData(mount.place, &logger_);
      EXPECT_TRUE(opened->log
                      ->Append(quorum::HardState{Term(kTerm), quorum::Slot::k1},
                               TheHistory().Range(1, kLast))
                      .ok());
      Ledger ledger;
      for (uint64_t i = 1; i <= kLast; ++i) {
        History::Apply(TheHistory().Range(i, i)[0], &ledger);
        if (i % 4 != 0) continue;
        EXPECT_TRUE(opened->store->Write(ledger.TakeChanges(), ledger.applied()).ok());
      }
      EXPECT_TRUE(opened->store->Sync().ok());
      if (trimmed > 0) {
        EXPECT_TRUE(opened->log->TrimBefore(Index(trimmed), Term(kTerm)).ok());
      }
      copy = mount.disk.disk()->Copy();
    }
    if (!closed) return copy;
    {
      auto again = OpenData(mount.place, &logger_);
      EXPECT_EQ(again->recovered.applied, Index(kLast));
    }
    return mount.disk.disk()->Copy();
  }

  // Whatever is found: the rows are those of the position that they say, or they are thrown away,
  // and made anew or missed. Never taken for a log that has lost entries.
  void Try(const TestFileSystem& good, const std::string& path, std::optional<std::string> content,
           uint64_t trimmed) {
    if (HasFailure()) return;
    ++damages_;
    std::unique_ptr<TestFileSystem> disk = good.Copy();
    disk->Damage(path, std::move(content));
    Mount mount(std::move(disk));
    logger_.text.clear();
    auto opened = OpenData(mount.place, &logger_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_EQ(opened->damage.value_or("none"), "none");
    Ledger& ledger = *opened->ledger;
    const uint64_t applied = ledger.applied().index;
    ASSERT_EQ(ledger.Digest(), TheHistory().digest(applied)) << "at " << applied;
    const quorum::Recovered& log = opened->recovered;
    ASSERT_EQ(log.ledger_missing, applied < trimmed);
    if (applied == kLast) {
      ++harmless_;
    } else if (log.ledger_missing || applied == 0) {
      ++thrown_away_;
    } else {
      ++earlier_;
    }
    if (log.ledger_missing) return;
    for (const Entry& entry : log.entries) {
      if (entry.index.value() > applied) History::Apply(entry, &ledger);
    }
    ASSERT_EQ(ledger.Digest(), TheHistory().digest(kLast));
  }

  static constexpr uint64_t kLast = 60;
  LastWords logger_;
  uint64_t damages_ = 0, harmless_ = 0, thrown_away_ = 0, earlier_ = 0;
};

TEST_F(LedgerDamage, WrongRowsAreNeverTakenForTheLedger) {
  const bool deep = DeepEnumeration();
  for (const bool closed : {false, true}) {
    for (const uint64_t trimmed : {uint64_t{0}, uint64_t{50}}) {
      const std::unique_ptr<TestFileSystem> good = Make(closed, trimmed);
      if (HasFailure()) return;
      for (const std::string& path : good->paths()) {
        if (path.find("/ledger/") == std::string::npos) continue;
        SCOPED_TRACE(
            absl::StrCat(path, closed ? ", closed" : ", stopped", ", trimmed to ", trimmed));
        const std::string content = good->Content(path);
        const uint64_t bits = content.size() * 8;
        const uint64_t flips = deep ? 2'000 : 40;
        for (uint64_t i = 0; i < std::min(flips, bits); ++i) {
          const uint64_t bit = bits <= flips ? i : i * bits / flips + i * 5 % 8;
          SCOPED_TRACE(absl::StrCat("bit ", bit));
          std::string bad = content;
          bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
          Try(*good, path, std::move(bad), trimmed);
        }
        const uint64_t pieces = deep ? 200 : 12;
        const uint64_t step = std::max<uint64_t>(512, content.size() / pieces / 512 * 512);
        for (uint64_t at = 0; at < content.size(); at += step) {
          SCOPED_TRACE(absl::StrCat("at ", at));
          std::string bad = content;
          const uint64_t size = std::min<uint64_t>(at % 1024 == 0 ? 4096 : 512, bad.size() - at);
          bad.replace(at, size, size, '\0');
          Try(*good, path, bad, trimmed);
          Try(*good, path, content.substr(0, at + at / step % 3), trimmed);
          // A sector that was written to a wrong place.
          bad = content;
          bad.replace(at, std::min<uint64_t>(512, bad.size() - at),
                      content.substr(content.size() / 2, 512));
          bad.resize(content.size());
          Try(*good, path, std::move(bad), trimmed);
        }
        if (!content.empty()) Try(*good, path, content.substr(0, content.size() - 1), trimmed);
        Try(*good, path, std::nullopt, trimmed);
        if (HasFailure()) return;
      }
    }
  }
  std::printf(
      "RocksDB: %lu damages: %lu without effect, %lu thrown away, %lu an earlier ledger that "
      "says so\n",
      damages_, harmless_, thrown_away_, earlier_);
  EXPECT_GE(damages_, 500u);
}

}  // namespace
}  // namespace triad::server
