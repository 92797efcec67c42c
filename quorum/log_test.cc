#include "quorum/log.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Log LogOf(std::initializer_list<uint64_t> terms, uint64_t applied = 0) {
  return Log(Index(), Term(), MakeLog(terms), Index(applied));
}

std::vector<Entry> Entries(uint64_t first, std::initializer_list<uint64_t> terms) {
  std::vector<Entry> entries;
  for (uint64_t term : terms) entries.push_back(MakeEntry(first++, term));
  return entries;
}

std::vector<uint64_t> TermsIn(const Log& log) {
  std::vector<uint64_t> terms;
  for (Index i = log.snapshot_index() + 1; i <= log.last_index(); ++i) {
    terms.push_back(log.At(i).term.value());
  }
  return terms;
}

TEST(Log, AnEmptyLogEndsAtIndexZeroOfTermZero) {
  const Log log = LogOf({});
  EXPECT_EQ(log.last_index(), Index(0));
  EXPECT_EQ(log.last_term(), Term(0));
  EXPECT_EQ(log.TermAt(Index(0)), Term(0));
  EXPECT_EQ(log.TermAt(Index(1)), std::nullopt);
}

TEST(Log, AfterACompactionItKnowsTheTermOfTheSnapshotButNothingBefore) {
  const Log log(Index(10), Term(3), Entries(11, {3, 4}), Index(10));
  EXPECT_EQ(log.last_index(), Index(12));
  EXPECT_EQ(log.TermAt(Index(9)), std::nullopt);
  EXPECT_EQ(log.TermAt(Index(10)), Term(3));
  EXPECT_EQ(log.TermAt(Index(12)), Term(4));
  EXPECT_EQ(log.commit_index(), Index(10));
}

TEST(Log, UpToDateMeansTheHigherLastTermThenTheLongerLog) {
  const Log log = LogOf({1, 2, 2});
  EXPECT_TRUE(log.IsUpToDate(Index(3), Term(2)));
  EXPECT_TRUE(log.IsUpToDate(Index(4), Term(2)));
  EXPECT_TRUE(log.IsUpToDate(Index(1), Term(3)));
  EXPECT_FALSE(log.IsUpToDate(Index(2), Term(2)));
  EXPECT_FALSE(log.IsUpToDate(Index(9), Term(1)));
}

TEST(Log, EntriesThatAreThereAlreadyChangeNothing) {
  Log log = LogOf({1, 1, 2});
  log.AppendAfter(Index(0), Entries(1, {1, 1}));
  EXPECT_THAT(TermsIn(log), ElementsAre(1, 1, 2)) << "the tail behind them must stay";
  EXPECT_FALSE(log.HasUnsaved());
}

TEST(Log, ATrueConflictCutsTheLogThereAndNotBefore) {
  Log log = LogOf({1, 1, 2, 2});
  log.AppendAfter(Index(1), Entries(2, {1, 3}));
  EXPECT_THAT(TermsIn(log), ElementsAre(1, 1, 3));
  EXPECT_EQ(log.durable_index(), Index(2));
  const std::vector<Entry> unsaved = log.TakeUnsaved(1);
  ASSERT_EQ(unsaved.size(), 1u);
  EXPECT_EQ(unsaved[0].index, Index(3));
}

TEST(Log, EntriesBelowTheSnapshotAreSkipped) {
  Log log(Index(10), Term(3), Entries(11, {3}), Index(10));
  log.AppendAfter(Index(8), Entries(9, {3, 3, 3, 4}));
  EXPECT_THAT(TermsIn(log), ElementsAre(3, 4));
  log.AppendAfter(Index(5), Entries(6, {2}));
  EXPECT_THAT(TermsIn(log), ElementsAre(3, 4));
}

TEST(LogDeathTest, ACommittedEntryIsNeverCut) {
  Log log = LogOf({1, 1}, /*applied=*/2);
  EXPECT_DEATH(log.AppendAfter(Index(1), Entries(2, {2})), "replaces committed entry 2");
}

TEST(LogDeathTest, ALedgerAheadOfTheLogIsFoundOut) {
  EXPECT_DEATH(LogOf({1}, /*applied=*/2), "ledger is ahead of the log");
}

TEST(LogDeathTest, ALogWithAHoleIsFoundOut) {
  EXPECT_DEATH(Log(Index(), Term(), Entries(2, {1}), Index()), "hole");
}

TEST(Log, OnlyAFinishedWriteMakesEntriesDurable) {
  Log log = LogOf({});
  log.Append(MakeEntry(1, 1));
  EXPECT_EQ(log.TakeUnsaved(1).size(), 1u);
  log.Append(MakeEntry(2, 1));
  EXPECT_EQ(log.TakeUnsaved(2).size(), 1u);
  EXPECT_EQ(log.durable_index(), Index(0));
  log.WriteDone(1);
  EXPECT_EQ(log.durable_index(), Index(1));
  log.WriteDone(2);
  EXPECT_EQ(log.durable_index(), Index(2));
}

TEST(Log, AWriteFromBeforeATruncationDoesNotMakeNewEntriesDurable) {
  Log log = LogOf({1});
  log.AppendAfter(Index(1), Entries(2, {1, 1, 1}));
  log.TakeUnsaved(1);  // entries 2 to 4 of term 1 are being written
  log.AppendAfter(Index(2), Entries(3, {2, 2}));
  log.TakeUnsaved(2);
  log.WriteDone(1);
  EXPECT_EQ(log.durable_index(), Index(2)) << "entry 3 of term 2 is not synced yet";
  log.WriteDone(2);
  EXPECT_EQ(log.durable_index(), Index(4));
}

TEST(Log, ATruncationOfWhatWasNotHandedOutYetWritesOnlyTheNewEntries) {
  Log log = LogOf({1});
  log.AppendAfter(Index(1), Entries(2, {1, 1}));
  log.AppendAfter(Index(1), Entries(2, {2}));
  EXPECT_THAT(TermsOf(log.TakeUnsaved(1)), ElementsAre(2));
}

TEST(Log, EntriesAreAppliedOnceInOrderWhenCommittedAndDurable) {
  Log log = LogOf({1, 1}, /*applied=*/1);
  EXPECT_THAT(log.TakeApplicable(), IsEmpty());
  log.Append(MakeEntry(3, 1));
  log.CommitTo(Index(3));
  std::vector<Entry> applicable = log.TakeApplicable();
  ASSERT_EQ(applicable.size(), 1u) << "entry 3 is committed but not durable here";
  EXPECT_EQ(applicable[0].index, Index(2));
  log.TakeUnsaved(1);
  log.WriteDone(1);
  ASSERT_TRUE(log.HasApplicable());
  EXPECT_EQ(log.TakeApplicable().at(0).index, Index(3));
  EXPECT_FALSE(log.HasApplicable());
}

TEST(Log, TheCommitIndexNeverGoesBack) {
  Log log = LogOf({1, 1});
  log.CommitTo(Index(2));
  log.CommitTo(Index(1));
  EXPECT_EQ(log.commit_index(), Index(2));
}

TEST(Log, NoMoreThanTheLimitIsGivenOutForApplyAtOnce) {
  std::vector<Entry> entries;
  for (uint64_t i = 1; i <= kCommittedEntriesMax + 1; ++i) entries.push_back(MakeEntry(i, 1));
  Log log(Index(), Term(), std::move(entries), Index());
  log.CommitTo(log.last_index());
  EXPECT_EQ(log.TakeApplicable().size(), kCommittedEntriesMax);
  EXPECT_EQ(log.TakeApplicable().size(), 1u);
}

TEST(Log, ACopyForAMessageKeepsToItsLimitsButHasAtLeastOneEntry) {
  Log log = LogOf({});
  log.Append(MakeEntry(1, 1, kAppendBytesMax + 1));
  log.Append(MakeEntry(2, 1, kAppendBytesMax / 2));
  log.Append(MakeEntry(3, 1, kAppendBytesMax / 2));
  std::vector<Entry> out;
  log.CopyTo(Index(1), kInflightBytesMax, out);
  EXPECT_EQ(out.size(), 1u) << "too big for a message, but it must travel";
  log.CopyTo(Index(2), kInflightBytesMax, out);
  EXPECT_EQ(out.size(), 1u) << "two halves and what they cost beside are more than a message";
  EXPECT_EQ(log.CopyTo(Index(1), kAppendBytesMax, out), 0u);
  EXPECT_THAT(out, IsEmpty()) << "the window has no room for it";
}

TEST(Log, ACopyForAMessageHasNoMoreThanSoManyEntries) {
  Log log = LogOf({});
  for (uint64_t i = 1; i <= kAppendEntriesMax + 1; ++i) log.Append(MakeEntry(i, 1, 0));
  std::vector<Entry> out;
  log.CopyTo(Index(1), kInflightBytesMax, out);
  EXPECT_EQ(out.size(), kAppendEntriesMax);
}

TEST(Log, TheMeetingPointIsTheLastEntryWhoseTermIsNotAbove) {
  const Log log = LogOf({1, 1, 4, 4, 6});
  EXPECT_EQ(log.LastIndexNotAbove(Index(9), Term(9)), Index(5));
  EXPECT_EQ(log.LastIndexNotAbove(Index(5), Term(5)), Index(4));
  EXPECT_EQ(log.LastIndexNotAbove(Index(5), Term(3)), Index(2));
  EXPECT_EQ(log.LastIndexNotAbove(Index(1), Term(6)), Index(1));
  EXPECT_EQ(log.LastIndexNotAbove(Index(5), Term(0)), Index(0));
}

TEST(Log, TheMeetingPointBeforeTheSnapshotIsNotGuessed) {
  const Log log(Index(10), Term(3), Entries(11, {5}), Index(10));
  EXPECT_EQ(log.LastIndexNotAbove(Index(11), Term(4)), Index(10));
  EXPECT_EQ(log.LastIndexNotAbove(Index(11), Term(2)), Index(0));
  EXPECT_EQ(log.LastIndexNotAbove(Index(7), Term(9)), Index(7));
}

}  // namespace
}  // namespace triad::quorum
