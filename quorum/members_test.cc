#include "quorum/members.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

Members With(Members members, Slot slot, char life, bool voter) {
  for (Member& member : members.list) {
    if (member.slot == slot) member = {slot, Incarnation(slot, life), voter};
  }
  return members;
}

bool Allowed(const Members& now, const Members& next) {
  return CheckMembersChange(now, next).ok();
}

TEST(Members, AMajorityIsCountedFromThoseWhoVote) {
  EXPECT_EQ(MakeMembers(1).Majority(), 1u);
  EXPECT_EQ(MakeMembers(3).Majority(), 2u);
  const Members two = With(MakeMembers(3), Slot::k3, 'b', false);
  EXPECT_EQ(two.voters(), 2u);
  EXPECT_EQ(two.Majority(), 2u) << "of two both are needed";
  EXPECT_TRUE(two.IsVoter(Slot::k1));
  EXPECT_FALSE(two.IsVoter(Slot::k3));
}

TEST(Members, TheyComeOutOfAPayloadAsTheyWentIn) {
  Members members = With(MakeMembers(3), Slot::k2, 'b', false);
  EXPECT_EQ(DecodeMembers(*EncodeMembers(members)), members);
  std::swap(members.list[0], members.list[2]);
  EXPECT_EQ(DecodeMembers(*EncodeMembers(members))->list[0].slot, Slot::k1) << "sorted";
}

TEST(Members, APayloadThatNamesNoMembersIsRefused) {
  EXPECT_EQ(DecodeMembers("no protobuf at all \xff\xff"), std::nullopt);
  EXPECT_EQ(DecodeMembers(""), std::nullopt);
  EXPECT_EQ(DecodeMembers(*EncodeMembers({})), std::nullopt) << "nobody";
  EXPECT_EQ(DecodeMembers(*EncodeMembers({{{Slot::k1, "x", false}}})), std::nullopt)
      << "nobody votes";
  EXPECT_EQ(DecodeMembers(*EncodeMembers({{{Slot::k1, "x", true}, {Slot::k1, "y", true}}})),
            std::nullopt)
      << "a slot twice";
  EXPECT_EQ(DecodeMembers(*EncodeMembers({{{Slot::kNone, "x", true}}})), std::nullopt);
  EXPECT_EQ(DecodeMembers(*EncodeMembers({{{static_cast<Slot>(4), "x", true}}})), std::nullopt);
  EXPECT_EQ(DecodeMembers(*EncodeMembers({{{Slot::k1, "", true}}})), std::nullopt);
}

TEST(MembersChange, ANewIncarnationBeginsAsALearnerAndThenVotes) {
  const Members c1 = MakeMembers(3);
  const Members c2 = With(c1, Slot::k3, 'b', false);
  const Members c3 = With(c1, Slot::k3, 'b', true);
  EXPECT_TRUE(Allowed(c1, c2));
  EXPECT_TRUE(Allowed(c2, c3));
  EXPECT_FALSE(Allowed(c1, c3)) << "their majorities share nobody";
  EXPECT_TRUE(Allowed(c2, With(c1, Slot::k3, 'c', false))) << "the learner was lost as well";
}

TEST(MembersChange, OneStepAtATime) {
  const Members c1 = MakeMembers(3);
  EXPECT_FALSE(Allowed(c1, c1));
  EXPECT_FALSE(Allowed(c1, With(With(c1, Slot::k3, 'b', false), Slot::k2, 'b', false)));
  EXPECT_FALSE(Allowed(c1, With(c1, Slot::k3, 'a', false))) << "no voter becomes a learner";
  Members fewer = c1;
  fewer.list.pop_back();
  EXPECT_FALSE(Allowed(c1, fewer));
}

TEST(MembersChange, OfTwoVotersNeitherIsReplaced) {
  const Members two = With(MakeMembers(3), Slot::k3, 'b', false);
  EXPECT_FALSE(Allowed(two, With(two, Slot::k2, 'b', false)));
}

TEST(MembersChange, TheOneLeftAfterALossTakesTheOthersInAgain) {
  const Members alone = MakeMembers(1);
  Members next = alone;
  next.list.push_back({Slot::k2, Incarnation(Slot::k2, 'b'), false});
  EXPECT_TRUE(Allowed(alone, next));
  next.list[1].voter = true;
  EXPECT_FALSE(Allowed(alone, next));
}

TEST(MembersLog, TheNewestInTheLogIsInForceAndACutRestoresTheOneBefore) {
  const Members c1 = MakeMembers(3);
  const Members c2 = With(c1, Slot::k3, 'b', false);
  MembersLog log(Index(4), c1);
  log.Append(Index(9), c2);
  EXPECT_EQ(log.in_force(), c2);
  EXPECT_EQ(log.index(), Index(9));
  EXPECT_EQ(log.At(Index(8)), c1);
  log.TruncateFrom(Index(10));
  EXPECT_EQ(log.in_force(), c2);
  log.TruncateFrom(Index(9));
  EXPECT_EQ(log.in_force(), c1);
  EXPECT_EQ(log.index(), Index(4));
}

TEST(MembersLog, ACompactionForgetsOnlyWhatANewerOneReplaced) {
  const Members c1 = MakeMembers(3);
  const Members c2 = With(c1, Slot::k3, 'b', false);
  MembersLog log(Index(4), c1);
  log.Append(Index(9), c2);
  log.CompactTo(Index(8));
  EXPECT_EQ(log.At(Index(8)), c1);
  log.CompactTo(Index(9));
  log.TruncateFrom(Index(5));
  EXPECT_EQ(log.in_force(), c2);
}

TEST(MembersLog, AfterAJumpTheSnapshotSpeaksAndLaterChangesStayIfTheirEntriesDo) {
  const Members c1 = MakeMembers(3);
  const Members c2 = With(c1, Slot::k3, 'b', false);
  const Members c3 = With(c1, Slot::k3, 'b', true);
  for (const bool keep : {true, false}) {
    MembersLog log(Index(4), c1);
    log.Append(Index(7), c2);
    log.Append(Index(9), c3);
    log.Jump(Index(8), c2, keep);
    EXPECT_EQ(log.in_force(), keep ? c3 : c2);
    EXPECT_EQ(log.At(Index(8)), c2);
  }
}

}  // namespace
}  // namespace triad::quorum
