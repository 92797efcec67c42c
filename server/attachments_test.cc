#include "server/attachments.h"

#include <gtest/gtest.h>

#include <string>

#include "server/limits.h"

namespace triad::server {
namespace {

v1::SessionReportAnswer AnswerTo(const v1::SessionReport& report) {
  v1::SessionReportAnswer answer;
  answer.set_id(report.id());
  return answer;
}

TEST(Attachments, ABeatIsConfirmedOnlyByTheLeadersAnswer) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  EXPECT_TRUE(attachments.OnBeat(7, "s", 1, 0));
  const auto report = attachments.TakeReport(0);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(attachments.Confirmed("s"), 0u);
  const auto answers = attachments.OnReportAnswer(AnswerTo(*report), 10);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers.at(7).acks(0).number(), 1u);
  EXPECT_EQ(attachments.Confirmed("s"), 1u);
}

TEST(Attachments, AnAnswerConfirmsWhatWasReportedAndNotWhatCameLater) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  attachments.OnBeat(7, "s", 1, 0);
  const auto report = attachments.TakeReport(0);
  attachments.OnBeat(7, "s", 2, 5);
  EXPECT_EQ(attachments.OnReportAnswer(AnswerTo(*report), 10).at(7).acks(0).number(), 1u);
}

TEST(Attachments, ARejectedSessionIsToldThatItIsUnknown) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  attachments.OnBeat(7, "s", 1, 0);
  auto answer = AnswerTo(*attachments.TakeReport(0));
  answer.add_rejected(0);
  const auto answers = attachments.OnReportAnswer(answer, 10);
  EXPECT_TRUE(answers.at(7).acks(0).unknown());
  EXPECT_EQ(attachments.Confirmed("s"), 0u);
}

TEST(Attachments, AnUnansweredReportIsMadeAgain) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  attachments.OnBeat(7, "s", 1, 0);
  const auto first = attachments.TakeReport(0);
  EXPECT_FALSE(attachments.TakeReport(1).has_value());
  const auto second = attachments.TakeReport(10 * kReportIntervalMs);
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(attachments.OnReportAnswer(AnswerTo(*first), 1).empty()) << "given up";
  EXPECT_EQ(attachments.OnReportAnswer(AnswerTo(*second), 1).size(), 1u);
}

TEST(Attachments, ABeatThroughAnotherConnectionDoesNotCount) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  EXPECT_FALSE(attachments.OnBeat(8, "s", 1, 0));
  EXPECT_FALSE(attachments.OnBeat(7, "t", 1, 0));
}

TEST(Attachments, ASessionThatMovedToANewConnectionIsNotLostWithTheOld) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  attachments.Bind(8, "s", 2);
  EXPECT_TRUE(attachments.Close(7).empty());
  const auto lost = attachments.Close(8);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].second, 2u);
}

TEST(Attachments, AnAnswerForAnOlderAttachmentIsNotGivenToTheNewOne) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  attachments.OnBeat(7, "s", 5, 0);
  const auto report = attachments.TakeReport(0);
  attachments.Bind(8, "s", 2);
  EXPECT_TRUE(attachments.OnReportAnswer(AnswerTo(*report), 1).empty());
  EXPECT_EQ(attachments.Confirmed("s"), 0u);
}

TEST(Attachments, HowLongNothingWasAcknowledgedIsKnown) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  EXPECT_EQ(attachments.UnacknowledgedForMs(1000), 0);
  attachments.OnBeat(7, "s", 1, 1000);
  const auto report = attachments.TakeReport(1000);
  EXPECT_EQ(attachments.UnacknowledgedForMs(4000), 3000);
  attachments.OnReportAnswer(AnswerTo(*report), 4000);
  EXPECT_EQ(attachments.UnacknowledgedForMs(5000), 0);
}

TEST(Attachments, WithNobodyAttachedNothingIsWaitedFor) {
  Attachments attachments;
  attachments.Bind(7, "s", 1);
  attachments.OnBeat(7, "s", 1, 1000);
  attachments.Close(7);
  EXPECT_EQ(attachments.UnacknowledgedForMs(9000), 0);
}

TEST(Attachments, AConnectionCarriesALimitedNumberOfSessions) {
  Attachments attachments;
  for (size_t i = 0; i < kSessionsPerConnectionMax; ++i) {
    ASSERT_TRUE(attachments.Bind(7, std::to_string(i), 1));
  }
  EXPECT_FALSE(attachments.Bind(7, "one more", 1));
  EXPECT_TRUE(attachments.Bind(8, "one more", 1));
}

}  // namespace
}  // namespace triad::server
