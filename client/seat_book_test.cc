// Each test is a sentence of the guide's sections on what applications do with their licenses, or a
// promise of triad/seat_pool.h.
#include "client/seat_book.h"

#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMinuteMs = 60'000;

// The events since the last call, as a log has them.
std::vector<std::string> Lines(SeatBook& book) {
  std::vector<std::string> lines;
  for (const LicensingEvent& event : book.TakeEvents()) lines.push_back(event.ToString());
  return lines;
}

std::string Violation(const std::string& reason, const std::string& agent) {
  return "00-07100 Licensing Violation: f: " + reason + ": agent " + agent;
}

std::string Restored(const std::string& reason, const std::string& agent) {
  return "00-07101 Licensing Restored: f: " + reason + ": agent " + agent;
}

TEST(SeatBook, AllocatesToEachAgentOneOfTheLicenses) {
  SeatBook book("f", 2);
  const Seat seat = book.Allocate("alice", 0);
  EXPECT_TRUE(seat.licensed);
  EXPECT_FALSE(seat.shared);
  EXPECT_TRUE(book.Allocate("bob", 0).licensed);
  EXPECT_EQ(book.counts().licensed, 2u);
  EXPECT_THAT(Lines(book), IsEmpty());
}

TEST(SeatBook, TheSameAgentTwiceSharesOneLicense) {
  SeatBook book("f", 1);
  book.Allocate("alice", 0);
  const Seat again = book.Allocate("alice", 0);
  EXPECT_TRUE(again.licensed);
  EXPECT_TRUE(again.shared);
  EXPECT_EQ(book.counts().agents, 1u);
  EXPECT_TRUE(book.Release("alice", 0));
  EXPECT_TRUE(book.Licensed("alice")) << "it has the seat once more";
  EXPECT_TRUE(book.Release("alice", 0));
  EXPECT_FALSE(book.Licensed("alice"));
  EXPECT_FALSE(book.Release("alice", 0));
  EXPECT_THAT(Lines(book), IsEmpty());
}

TEST(SeatBook, EachAgentBeyondTheCountIsAViolationAndStillGetsIn) {
  SeatBook book("f", 1);
  book.Allocate("alice", 0);
  EXPECT_FALSE(book.Allocate("bob", 0).licensed);
  EXPECT_FALSE(book.Allocate("carol", 0).licensed);
  EXPECT_EQ(book.counts().agents, 3u);
  EXPECT_THAT(book.Beyond(), ElementsAre("bob", "carol"));
  EXPECT_THAT(Lines(book), ElementsAre(Violation("usage level exceeded", "bob"),
                                       Violation("usage level exceeded", "carol")));
}

TEST(SeatBook, AnAgentInViolationIsReportedOnceHoweverOftenItComes) {
  SeatBook book("f", 0);
  book.Allocate("alice", 0);
  const Seat again = book.Allocate("alice", 0);
  EXPECT_FALSE(again.licensed);
  EXPECT_TRUE(again.shared);
  EXPECT_EQ(Lines(book).size(), 1u);
}

TEST(SeatBook, AFreedLicenseIsReusedByTheAgentThatWaitsLongest) {
  SeatBook book("f", 1);
  for (const char* agent : {"alice", "bob", "carol"}) book.Allocate(agent, 0);
  book.TakeEvents();
  EXPECT_TRUE(book.Release("alice", 0));
  EXPECT_TRUE(book.Licensed("bob"));
  EXPECT_THAT(Lines(book), ElementsAre(Restored("usage level exceeded", "bob")));
  EXPECT_THAT(book.Beyond(), ElementsAre("carol"));
}

TEST(SeatBook, TheViolationOfAnAgentThatLeavesIsRestored) {
  SeatBook book("f", 1);
  for (const char* agent : {"alice", "bob", "carol"}) book.Allocate(agent, 0);
  book.TakeEvents();
  EXPECT_TRUE(book.Release("carol", 0));
  EXPECT_THAT(Lines(book), ElementsAre(Restored("usage level exceeded", "carol")));
  EXPECT_THAT(book.Beyond(), ElementsAre("bob"));
}

TEST(SeatBook, ADisabledPersonGivesEverythingBack) {
  SeatBook book("f", 1);
  book.Allocate("alice", 0);
  book.Allocate("alice", 0);
  book.AllocateFor("alice", kMinuteMs, 0);
  EXPECT_TRUE(book.ReleaseAll("alice", 0));
  EXPECT_FALSE(book.ReleaseAll("alice", 0));
  EXPECT_EQ(book.counts().agents, 0u);
  book.Allocate("bob", 0);
  book.Advance(2 * kMinuteMs);
  EXPECT_TRUE(book.Licensed("bob")) << "time that was given back does not end later";
}

TEST(SeatBook, ATimedSeatIsFreeAfterSixtyMinutesAndNotBefore) {
  SeatBook book("f", 1);
  EXPECT_TRUE(book.AllocateFor("callback 1", 60 * kMinuteMs, 1'000).licensed);
  book.Advance(1'000 + 60 * kMinuteMs - 1);
  EXPECT_EQ(book.counts().licensed, 1u);
  book.Advance(1'000 + 60 * kMinuteMs);
  EXPECT_EQ(book.counts().licensed, 0u);
  EXPECT_THAT(Lines(book), IsEmpty());
}

TEST(SeatBook, ATimedSeatBeyondTheCountIsRestoredWhenAnotherEndsOrItself) {
  SeatBook book("f", 1);
  book.AllocateFor("callback 1", 60 * kMinuteMs, 0);
  book.AllocateFor("callback 2", 60 * kMinuteMs, 30 * kMinuteMs);
  book.AllocateFor("callback 3", 10 * kMinuteMs, 30 * kMinuteMs);
  EXPECT_EQ(Lines(book).size(), 2u);
  book.Advance(40 * kMinuteMs);
  EXPECT_THAT(Lines(book), ElementsAre(Restored("usage level exceeded", "callback 3")));
  book.Advance(60 * kMinuteMs);
  EXPECT_THAT(Lines(book), ElementsAre(Restored("usage level exceeded", "callback 2")));
  EXPECT_TRUE(book.Licensed("callback 2"));
  book.Advance(90 * kMinuteMs);
  EXPECT_EQ(book.counts().agents, 0u);
  EXPECT_THAT(Lines(book), IsEmpty());
}

TEST(SeatBook, MoreTimeForTheSameAgentLastsUntilTheLaterEnd) {
  SeatBook book("f", 1);
  book.AllocateFor("alice", 60 * kMinuteMs, 0);
  EXPECT_TRUE(book.AllocateFor("alice", 10 * kMinuteMs, 0).shared);
  book.Advance(30 * kMinuteMs);
  EXPECT_TRUE(book.Licensed("alice"));
  book.AllocateFor("alice", 60 * kMinuteMs, 30 * kMinuteMs);
  book.Advance(60 * kMinuteMs);
  EXPECT_TRUE(book.Licensed("alice"));
  book.Advance(90 * kMinuteMs);
  EXPECT_FALSE(book.Licensed("alice"));
}

TEST(SeatBook, AnAgentWithTimeAndWithoutStaysUntilBothAreOver) {
  SeatBook book("f", 1);
  book.AllocateFor("alice", kMinuteMs, 0);
  EXPECT_FALSE(book.Release("alice", 0)) << "time is not given back by Release";
  book.Allocate("alice", 0);
  book.Advance(kMinuteMs);
  EXPECT_TRUE(book.Licensed("alice"));
  EXPECT_TRUE(book.Release("alice", kMinuteMs));
  EXPECT_FALSE(book.Licensed("alice"));
}

TEST(SeatBook, AClockThatStepsBackShortensNoTimeAndEndsNone) {
  SeatBook book("f", 1);
  book.Advance(100 * kMinuteMs);
  book.AllocateFor("alice", 60 * kMinuteMs, 10 * kMinuteMs);
  book.Advance(20 * kMinuteMs);
  EXPECT_TRUE(book.Licensed("alice"));
  book.Advance(160 * kMinuteMs);
  EXPECT_FALSE(book.Licensed("alice"));
}

TEST(SeatBook, EndedTimeMakesRoomForTheAgentThatComesNext) {
  SeatBook book("f", 1);
  book.AllocateFor("alice", kMinuteMs, 0);
  EXPECT_TRUE(book.Allocate("bob", kMinuteMs).licensed) << "nobody has to call Advance";
  EXPECT_THAT(Lines(book), IsEmpty());
}

TEST(SeatBook, ADecreaseInTheConfigurationIsAViolationOfTheLatestAgents) {
  SeatBook book("f", 3);
  for (const char* agent : {"alice", "bob", "carol"}) book.Allocate(agent, 0);
  book.SetLicenses(1, kReasonDecreasedInConfiguration);
  EXPECT_TRUE(book.Licensed("alice"));
  EXPECT_THAT(Lines(book), ElementsAre(Violation("decreased in configuration", "carol"),
                                       Violation("decreased in configuration", "bob")));
  EXPECT_THAT(book.Beyond(), ElementsAre("bob", "carol"));
}

TEST(SeatBook, ADecreaseThatLeavesEnoughIsNoViolation) {
  SeatBook book("f", 3);
  book.Allocate("alice", 0);
  book.SetLicenses(1, kReasonDecreasedInConfiguration);
  EXPECT_THAT(Lines(book), IsEmpty());
}

TEST(SeatBook, AnIncreaseRestoresThoseThatWaitLongestFirst) {
  SeatBook book("f", 1);
  for (const char* agent : {"alice", "bob", "carol", "dave"}) book.Allocate(agent, 0);
  book.TakeEvents();
  book.SetLicenses(3, kReasonDecreasedInConfiguration);
  EXPECT_THAT(Lines(book), ElementsAre(Restored("usage level exceeded", "bob"),
                                       Restored("usage level exceeded", "carol")));
  EXPECT_THAT(book.Beyond(), ElementsAre("dave"));
}

TEST(SeatBook, AgentsBeyondForDifferentReasonsAreEachRestoredWithTheirOwn) {
  SeatBook book("f", 2);
  for (const char* agent : {"alice", "bob", "carol"}) book.Allocate(agent, 0);
  book.SetLicenses(1, kReasonDecreasedInConfiguration);
  book.TakeEvents();
  book.SetLicenses(3, kReasonDecreasedInConfiguration);
  EXPECT_THAT(Lines(book), ElementsAre(Restored("decreased in configuration", "bob"),
                                       Restored("usage level exceeded", "carol")));
}

TEST(SeatBook, ACauseOfTheWholeFeatureIsReportedOnceAndTakesNoSeatAway) {
  SeatBook book("f", 1);
  book.Allocate("alice", 0);
  book.BeginViolation(kReasonExpired, "");
  book.BeginViolation(kReasonExpired, "");
  EXPECT_TRUE(book.Licensed("alice"));
  EXPECT_THAT(Lines(book), ElementsAre("00-07100 Licensing Violation: f: expired"));
  book.EndViolation(kReasonExpired, "");
  book.EndViolation(kReasonExpired, "");
  EXPECT_THAT(Lines(book), ElementsAre("00-07101 Licensing Restored: f: expired"));
}

TEST(SeatBook, EveryCauseEndsByItself) {
  SeatBook book("f", 0);
  book.BeginViolation(kReasonExpired, "");
  book.BeginViolation(kReasonDecreasedInFile, "");
  book.BeginViolation(kReasonUnlicensedMode, "call 1");
  book.Allocate("alice", 0);
  book.TakeEvents();
  book.SetLicenses(1, kReasonDecreasedInConfiguration);
  EXPECT_THAT(Lines(book), ElementsAre(Restored("usage level exceeded", "alice")));
  book.EndViolation(kReasonUnlicensedMode, "call 1");
  EXPECT_THAT(Lines(book), ElementsAre(Restored("unlicensed mode", "call 1")));
  book.EndViolation(kReasonDecreasedInFile, "");
  EXPECT_THAT(Lines(book),
              ElementsAre("00-07101 Licensing Restored: f: decreased in license file"));
  book.EndViolation(kReasonExpired, "");
  EXPECT_THAT(Lines(book), ElementsAre("00-07101 Licensing Restored: f: expired"));
}

TEST(SeatBook, TheTextOfEachReasonIsTheDocumentedOne) {
  const std::vector<std::string> reasons = {kReasonExpired,
                                            kReasonDecreasedInFile,
                                            kReasonDecreasedInConfiguration,
                                            kReasonUsageLevelExceeded,
                                            kReasonUnlicensedMode,
                                            kReasonDeniedAtStart,
                                            kReasonLost};
  EXPECT_THAT(reasons,
              ElementsAre("expired", "decreased in license file", "decreased in configuration",
                          "usage level exceeded", "unlicensed mode", "denied at start", "lost"));
  const LicensingEvent event{true, "f", kReasonLost, ""};
  EXPECT_STREQ(event.number(), "00-07101");
}

// After any calls: nobody is beyond while a license is free, and every agent that is beyond has
// exactly one violation that is not restored; nobody else has any.
TEST(SeatBook, ViolationsAndRestorationsPairUpWhateverHappens) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 draw(seed);
    SeatBook book("f", draw() % 4);
    std::set<std::string> violating;
    int64_t now_ms = 0;
    for (int step = 0; step < 200; ++step) {
      const std::string agent(1, static_cast<char>('a' + draw() % 8));
      switch (draw() % 7) {
        case 0:
        case 1:
          book.Allocate(agent, now_ms);
          break;
        case 2:
          book.AllocateFor(agent, draw() % 20, now_ms);
          break;
        case 3:
          book.Release(agent, now_ms);
          break;
        case 4:
          book.ReleaseAll(agent, now_ms);
          break;
        case 5:
          book.Advance(now_ms += draw() % 10);
          break;
        default:
          book.SetLicenses(draw() % 6, kReasonDecreasedInConfiguration);
      }
      for (const LicensingEvent& event : book.TakeEvents()) {
        if (event.restored) {
          EXPECT_EQ(violating.erase(event.agent), 1u) << event.ToString();
        } else {
          EXPECT_TRUE(violating.insert(event.agent).second) << event.ToString();
        }
      }
      const SeatCounts counts = book.counts();
      EXPECT_EQ(counts.licensed, std::min(counts.licenses, counts.agents));
      EXPECT_EQ(counts.licensed + counts.beyond, counts.agents);
      const std::vector<std::string> beyond = book.Beyond();
      EXPECT_EQ(std::set<std::string>(beyond.begin(), beyond.end()), violating);
    }
  }
}

}  // namespace
}  // namespace triad::client
