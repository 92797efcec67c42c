#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Compaction, TheNextReadySaysWhereTheLogBegins) {
  TestNode node(At(1, MakeLog({1, 1, 1}), /*applied=*/3));
  node->Compact(Index(2));
  Ready ready = node.Take();
  EXPECT_EQ(ready.start, (LogStart{Index(2), Term(1)}));
  EXPECT_NE(ready.write_id, 0u);
  EXPECT_EQ(node->snapshot_index(), Index(2));
  node->Compact(Index(1));
  EXPECT_FALSE(node->HasReady());
}

TEST(Snapshot, ANodeBehindTheLeadersLogIsToldAndGoesOnFromTheJump) {
  TestNode node(At(1, MakeLog({1, 1}), 2));
  Message append = AppendFrom(Slot::k2, 1, 10, 1);
  std::get<AppendRequest>(append.body).log_start = Index(10);
  node.Step(append);
  EXPECT_EQ(node->snapshot_source(), Slot::k2);
  node->InstallSnapshot(Index(12), Term(1), MakeMembers(3));
  Ready ready = node.Take();
  EXPECT_EQ(ready.start, (LogStart{Index(12), Term(1)}));
  node.Release(ready);
  EXPECT_EQ(node->applied_index(), Index(12));
  EXPECT_EQ(node->snapshot_source(), Slot::kNone);
  node.TakeMessages();
  node.Step(AppendFrom(Slot::k2, 1, 12, 1, {MakeEntry(13, 1)}, 13));
  EXPECT_EQ(node.TakeSent<AppendResponse>().at(0).match, Index(13));
  ASSERT_THAT(node.applied(), SizeIs(1));
}

}  // namespace
}  // namespace triad::quorum
