#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Slot 3 in its second incarnation.
Members Renewed(bool voter) {
  Members members = MakeMembers(3);
  members.list[2] = {Slot::k3, Incarnation(Slot::k3, 'b'), voter};
  return members;
}

// Leads term 2 with a committed no-op at 1, which both others hold.
TestNode MakeLeader() {
  TestNode node(At(1));
  node.LeadConfirmed();
  node.Ack(Slot::k3, 1);
  node.TakeMessages();
  return node;
}

bool Has(const absl::Status& status, absl::StatusCode code) {
  return status.code() == code;
}

TEST(Membership, AChangeIsInForceFromTheMomentItIsAppended) {
  TestNode node = MakeLeader();
  const auto position = node->ProposeMembers(EncodeMembers(Renewed(false)));
  ASSERT_TRUE(position.ok()) << position.status();
  EXPECT_EQ(position->first_index, Index(2));
  EXPECT_EQ(node->members(), Renewed(false));
  EXPECT_EQ(node->members_index(), Index(2));
  EXPECT_FALSE(node->members_committed());
  node.Settle();
  ASSERT_THAT(node.stored(), SizeIs(2));
  EXPECT_EQ(node.stored()[1].kind, EntryKind::kMembers);
  node.Ack(Slot::k2, 2, 2);
  EXPECT_TRUE(node->members_committed());
}

TEST(Membership, OnlyALeaderWithACommittedEntryOfItsTermMayChangeThem) {
  TestNode node(At(1));
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(false))).status(),
                  absl::StatusCode::kFailedPrecondition));
  node.Lead();
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(false))).status(),
                  absl::StatusCode::kFailedPrecondition))
      << "Ongaro's erratum";
  node.Ack(Slot::k2, 1);
  EXPECT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(false))).ok());
}

TEST(Membership, TheNextChangeWaitsForTheOneBefore) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(false))).ok());
  node.Settle();
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(true))).status(),
                  absl::StatusCode::kFailedPrecondition))
      << "C1 and C3 have majorities without a common node";
}

}  // namespace
}  // namespace triad::quorum
