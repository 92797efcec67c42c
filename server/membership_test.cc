#include "server/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace triad::server {
namespace {

using quorum::Slot;

Membership::Config ConfigOf(int slot, char incarnation, std::string license_hash = "same") {
  Membership::Config config;
  config.identity.slot = slot;
  config.identity.incarnation = std::string(16, incarnation);
  config.identity.server_set = std::string(32, 's');
  config.slots = {Slot::k1, Slot::k2, Slot::k3};
  config.license_hash = std::move(license_hash);
  return config;
}

// `caller` says hello to `host`; both take in what they hear.
bool Meet(Membership& caller, Membership& host) {
  Slot from = Slot::kNone;
  const auto to = static_cast<Slot>(host.identity().slot);
  v1::HelloAnswer answer = host.OnHello(caller.MakeHello(to), &from);
  const auto back = static_cast<Slot>(caller.identity().slot);
  *answer.mutable_hello() = host.MakeHello(back);
  return caller.OnHelloAnswer(to, answer) && from != Slot::kNone;
}

// Until all three know of the birth, as their streams would do it.
void BringAbout(Membership& a, Membership& b, Membership& c) {
  for (int round = 0; round < 3; ++round) {
    Meet(a, b);
    Meet(b, c);
    Meet(c, a);
  }
  ASSERT_TRUE(a.born() && b.born() && c.born());
}

TEST(Membership, AClusterIsBornWhenAllThreeSayTheSameThree) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  EXPECT_TRUE(Meet(a, b));
  EXPECT_FALSE(a.born());
  EXPECT_FALSE(b.born());
  EXPECT_TRUE(a.TakeHelloAgain());
  EXPECT_FALSE(a.TakeHelloAgain());
  EXPECT_EQ(a.unmet(), std::vector<Slot>{Slot::k3});
  EXPECT_TRUE(Meet(a, c));
  EXPECT_FALSE(a.born()) << "b has not said that it has met c";
  EXPECT_TRUE(Meet(b, c));
  EXPECT_TRUE(Meet(b, a));
  EXPECT_TRUE(b.born());
  EXPECT_FALSE(a.born()) << "nor has c, to a";
  EXPECT_TRUE(Meet(c, a));
  ASSERT_TRUE(a.born() && c.born());
  EXPECT_EQ(a.identity().cluster_id, b.identity().cluster_id);
  EXPECT_EQ(a.identity().members, c.identity().members);
  EXPECT_TRUE(a.TakeNewIdentity().has_value());
  EXPECT_FALSE(a.TakeNewIdentity().has_value()) << "it is stored once";
}

TEST(Membership, ANodeThatHearsOfItsOwnClustersBirthAdoptsIt) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  BringAbout(a, b, c);
  Membership late(ConfigOf(2, 'b'));  // it crashed before it stored what it knew
  ASSERT_FALSE(late.born());
  EXPECT_TRUE(Meet(late, a));
  EXPECT_EQ(late.identity().cluster_id, a.identity().cluster_id);
  EXPECT_TRUE(late.TakeNewIdentity().has_value());
}

// Found by thought, true of the first release: node 3 is wiped and initialised again after nodes 1
// and 3 were a cluster, and before node 2 has heard of it.
TEST(Membership, AWipedNodeThatIsInitialisedAgainCannotBeASecondBirth) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  Meet(a, b);
  Meet(b, c);
  Meet(a, c);
  // What b says reaches a and c, and their answers are lost.
  Slot from = Slot::kNone;
  a.OnHello(b.MakeHello(Slot::k1), &from);
  c.OnHello(b.MakeHello(Slot::k3), &from);
  Meet(a, c);
  ASSERT_TRUE(a.born());
  ASSERT_TRUE(c.born());
  ASSERT_FALSE(b.born());
  Membership wiped(ConfigOf(3, 'x'));
  for (int i = 0; i < 3; ++i) {
    Meet(wiped, b);
    Meet(b, wiped);
  }
  EXPECT_FALSE(b.born());
  EXPECT_FALSE(wiped.born());
  EXPECT_TRUE(Meet(b, a)) << "it was part of the first";
  EXPECT_EQ(b.identity().cluster_id, a.identity().cluster_id);
}

TEST(Membership, AnIncarnationThatAnotherOneHasFollowedIsNotGoneBackTo) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c')), x(ConfigOf(3, 'x'));
  Meet(c, a);
  const v1::Hello old = c.MakeHello(Slot::k1);
  Meet(x, a);
  Slot from = Slot::kNone;
  EXPECT_FALSE(a.OnHello(old, &from).accepted());
  BringAbout(a, b, x);
  EXPECT_EQ(a.identity().members[2].incarnation, std::string(16, 'x'));
}

TEST(Membership, ASlotThatWasInitialisedAgainIsToldToRejoinOnBothSides) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  BringAbout(a, b, c);
  Membership wiped(ConfigOf(3, 'x'));
  EXPECT_FALSE(Meet(wiped, a));
  EXPECT_EQ(a.refusals().at(Slot::k3), "slot 3 is known: run triadd rejoin");
  EXPECT_EQ(wiped.fatal(), "slot 3 is known: run triadd rejoin");
  EXPECT_FALSE(wiped.born());
}

TEST(Membership, ABornNodeRefusesAForeignCluster) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  BringAbout(a, b, c);
  Membership d(ConfigOf(1, 'd')), e(ConfigOf(2, 'e')), f(ConfigOf(3, 'f'));
  BringAbout(d, e, f);
  EXPECT_FALSE(Meet(e, a));
  EXPECT_THAT(a.refusals().at(Slot::k2), ::testing::HasSubstr("different clusters"));
}

TEST(Membership, NodesInitialisedWithDifferentLicenseFilesDoNotFormACluster) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b', "other"));
  EXPECT_FALSE(Meet(a, b));
  EXPECT_THAT(b.refusals().at(Slot::k1), ::testing::HasSubstr("different license files"));
}

TEST(Membership, AfterBirthADifferentLicenseFileIsNoObstacle) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  BringAbout(a, b, c);
  Membership::Config stale = ConfigOf(2, 'b', "older");
  stale.identity = b.identity();
  Membership restarted(stale);
  EXPECT_TRUE(Meet(restarted, a));
}

TEST(Membership, ACallerWithThisNodesOwnSlotIsRefused) {
  Membership a(ConfigOf(1, 'a')), twin(ConfigOf(1, 'b'));
  Slot from = Slot::kNone;
  EXPECT_FALSE(a.OnHello(twin.MakeHello(Slot::k1), &from).accepted());
  EXPECT_EQ(from, Slot::kNone);
}

TEST(Membership, ARecordThatIsNotTheHashOfItsMembersIsNotAdopted) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b'));
  v1::Hello forged = b.MakeHello(Slot::k1);
  forged.set_cluster_id(std::string(32, 'f'));
  for (auto [slot, incarnation] : {std::pair{1, 'a'}, {2, 'b'}, {3, 'c'}}) {
    auto* member = forged.add_members();
    member->set_slot(static_cast<uint32_t>(slot));
    member->set_incarnation(std::string(16, incarnation));
  }
  Slot from = Slot::kNone;
  EXPECT_FALSE(a.OnHello(forged, &from).accepted());
  EXPECT_FALSE(a.born());
}

TEST(Membership, AClusterOfOneIsBornAtOnce) {
  Membership::Config config = ConfigOf(1, 'a');
  config.slots = {Slot::k1};
  Membership one(config);
  EXPECT_TRUE(one.born());
  EXPECT_TRUE(one.TakeNewIdentity().has_value());
}

// --------------------------------------------------------------------------------------------
// Coming back

// Three members of one cluster, a newcomer for slot 3, and what the log says.
class ComingBack : public ::testing::Test {
 protected:
  ComingBack() : a_(ConfigOf(1, 'a')), b_(ConfigOf(2, 'b')), c_(ConfigOf(3, 'c')) {
    BringAbout(a_, b_, c_);
  }

  static v1::Members Three(char third, bool voter) {
    v1::Members members;
    for (auto [slot, incarnation] : {std::pair{1, 'a'}, {2, 'b'}, {3, third}}) {
      auto* node = members.add_nodes();
      node->set_slot(static_cast<uint32_t>(slot));
      node->set_incarnation(std::string(16, incarnation));
      node->set_voter(slot != 3 || voter);
    }
    return members;
  }
  static Membership Newcomer(char incarnation) {
    Membership::Config config = ConfigOf(3, incarnation);
    config.identity.rejoining = true;
    return Membership(config);
  }
  // One whose log is damaged, of the same cluster.
  Membership Quarantined(char incarnation) {
    Membership::Config config = ConfigOf(3, 'c');
    config.identity = c_.identity();
    config.quarantine_incarnation = std::string(16, incarnation);
    return Membership(config);
  }
  // The change stands in the log; `committed`: it is applied too.
  static void Append(Membership& node, const v1::Members& members) {
    node.SetMembers(MembersOf(members), v1::Members());
  }
  static void Commit(Membership& node, const v1::Members& members) {
    node.SetMembers(MembersOf(members), members);
  }
  // What the newcomer is told when it asks.
  static v1::HelloAnswer Ask(Membership& newcomer, Membership& host) {
    Slot from = Slot::k1;
    const auto to = static_cast<Slot>(host.identity().slot);
    v1::HelloAnswer answer = host.OnHello(newcomer.MakeHello(to), &from);
    EXPECT_EQ(from, Slot::kNone) << "no messages flow before it is a member";
    EXPECT_FALSE(newcomer.OnHelloAnswer(to, answer));
    return answer;
  }

  Membership a_, b_, c_;
};

TEST_F(ComingBack, ANewcomerBelievesACommittedChangeOnly) {
  Membership newcomer = Newcomer('x');
  EXPECT_EQ(newcomer.standing(), Membership::Standing::kRejoining);
  EXPECT_FALSE(Ask(newcomer, a_).accepted());
  Append(a_, Three('x', false));
  EXPECT_FALSE(Ask(newcomer, a_).accepted()) << "it may be cut away again";
  EXPECT_FALSE(newcomer.TakeAdmission().has_value());
  Commit(a_, Three('x', false));
  EXPECT_TRUE(Ask(newcomer, a_).admitted());
  const auto identity = newcomer.TakeAdmission();
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->cluster_id, a_.identity().cluster_id);
  EXPECT_EQ(identity->members, a_.identity().members);
  EXPECT_EQ(identity->incarnation, std::string(16, 'x'));
  EXPECT_FALSE(identity->rejoining);
  EXPECT_TRUE(newcomer.born());
  EXPECT_FALSE(newcomer.TakeAdmission().has_value());
  EXPECT_FALSE(newcomer.TakeNewIdentity().has_value());
  EXPECT_TRUE(Meet(newcomer, a_)) << "as a member from now on";
  EXPECT_TRUE(BirthMembers(*identity).list.empty()) << "it knows no members before its log does";
}

TEST_F(ComingBack, ANewcomerThatStopsAtAnyStepAsksAgain) {
  Commit(a_, Three('x', false));
  Membership first = Newcomer('x');
  Ask(first, a_);
  Membership again = Newcomer('x');  // nothing was stored
  EXPECT_TRUE(Ask(again, a_).admitted());
  // One in quarantine has lost what it drew, and draws again.
  Membership other = Quarantined('y');
  EXPECT_FALSE(Ask(other, a_).admitted());
  Commit(a_, Three('y', false));
  EXPECT_TRUE(Ask(other, a_).admitted());
  EXPECT_FALSE(Ask(again, a_).admitted()) << "the one before is not in force any more";
}

TEST_F(ComingBack, OneThatVotesMayNotComeBackUnderTheSameIncarnation) {
  Membership newcomer = Newcomer('x');
  Commit(a_, Three('x', true));
  EXPECT_FALSE(Ask(newcomer, a_).admitted());
  EXPECT_THAT(newcomer.refusals().at(Slot::k1), ::testing::HasSubstr("run triadd rejoin again"));
  a_.SetMembers(MembersOf(Three('x', true)), Three('x', false));  // promoted, not committed yet
  EXPECT_FALSE(Ask(newcomer, a_).admitted());
}

TEST_F(ComingBack, FromTheAppendOnTheOldIncarnationIsRefusedAndWithTheCutItIsBack) {
  EXPECT_TRUE(a_.LetIn(Slot::k3, std::string(16, 'c')));
  EXPECT_TRUE(Meet(c_, a_));
  Append(a_, Three('x', false));
  EXPECT_FALSE(a_.LetIn(Slot::k3, std::string(16, 'c')));
  EXPECT_TRUE(a_.LetIn(Slot::k3, std::string(16, 'x')));
  EXPECT_FALSE(Meet(c_, a_));
  EXPECT_EQ(c_.refusals().at(Slot::k1), "slot 3 is known: run triadd rejoin");
  EXPECT_EQ(c_.fatal(), std::nullopt) << "one node's word is not the cluster's";
  a_.SetMembers(BirthMembers(a_.identity()), v1::Members());
  EXPECT_TRUE(Meet(c_, a_));
}

TEST_F(ComingBack, ALearnerLetsInWhomItDoesNotKnowYet) {
  Membership newcomer = Newcomer('x');
  Commit(a_, Three('x', false));
  Ask(newcomer, a_);
  newcomer.TakeAdmission();
  EXPECT_TRUE(newcomer.LetIn(Slot::k1, std::string(16, 'z')));
  EXPECT_TRUE(Meet(a_, newcomer));
  Commit(newcomer, Three('x', true));
  EXPECT_FALSE(newcomer.LetIn(Slot::k1, std::string(16, 'z'))) << "a voter counts";
  EXPECT_TRUE(newcomer.LetIn(Slot::k1, std::string(16, 'a')));
}

// Found by the simulator, seed 2246: after `triadd recover --accept-loss` a learner had the entry
// that makes it a voter, which nobody else had any more. The others let in a third and it led: the
// learner refused its leader for ever, as a stranger.
TEST_F(ComingBack, AVoterByAChangeThatIsNotCommittedLetsInASlotThatItDoesNotName) {
  Membership newcomer = Newcomer('x');
  Commit(a_, Three('x', false));
  Ask(newcomer, a_);
  newcomer.TakeAdmission();
  const auto without_2 = [](bool voter) {
    v1::Members members = Three('x', voter);
    members.mutable_nodes()->DeleteSubrange(1, 1);
    return members;
  };
  newcomer.SetMembers(MembersOf(without_2(true)), without_2(false));
  EXPECT_TRUE(newcomer.LetIn(Slot::k2, std::string(16, 'n')));
  EXPECT_FALSE(newcomer.LetIn(Slot::k1, std::string(16, 'z'))) << "it would count as another";
  Commit(newcomer, without_2(true));
  EXPECT_FALSE(newcomer.LetIn(Slot::k2, std::string(16, 'n'))) << "now it votes for sure";
}

// The vendor has put another machine on a SERVER line.
TEST_F(ComingBack, MembersMeetWhateverLicenseSetEachKnowsAndNewcomersHaveTheOneInForce) {
  const std::string next(32, 't');
  const auto to_store = a_.UseServerSet(next);
  ASSERT_TRUE(to_store.has_value());
  EXPECT_EQ(to_store->server_set, next);
  EXPECT_EQ(to_store->incarnation, a_.identity().incarnation);
  EXPECT_FALSE(a_.UseServerSet(next).has_value()) << "once";
  EXPECT_FALSE(a_.UseServerSet("").has_value()) << "a ledger without a set";
  EXPECT_TRUE(Meet(c_, a_)) << "it was away meanwhile, and hears of it now";
  EXPECT_TRUE(Meet(a_, c_));
  Membership old = Newcomer('x');
  EXPECT_THAT(Ask(old, a_).reason(), ::testing::HasSubstr("different host ids"));
  Commit(a_, Three('y', false));
  Membership::Config config = ConfigOf(3, 'y');
  config.identity.rejoining = true;
  config.identity.server_set = next;
  Membership newcomer(config);
  EXPECT_FALSE(newcomer.UseServerSet(std::string(32, 'u')).has_value()) << "not a member yet";
  EXPECT_TRUE(Ask(newcomer, a_).admitted());
}

TEST_F(ComingBack, OneInQuarantineFromBeforeTheNewSetIsLetInByItsClusterAlone) {
  (void)a_.UseServerSet(std::string(32, 't'));
  Commit(a_, Three('y', false));
  Membership damaged = Quarantined('y');
  EXPECT_TRUE(Ask(damaged, a_).admitted());
}

TEST_F(ComingBack, AnAnswerMustProveTheClustersRecord) {
  Commit(a_, Three('x', false));
  Membership newcomer = Newcomer('x');
  Slot from = Slot::kNone;
  const v1::HelloAnswer good = a_.OnHello(newcomer.MakeHello(Slot::k1), &from);
  v1::HelloAnswer forged = good;
  forged.mutable_hello()->set_cluster_id(std::string(32, 'f'));
  newcomer.OnHelloAnswer(Slot::k1, forged);
  forged = good;
  forged.mutable_hello()->set_server_set(std::string(32, 'o'));
  newcomer.OnHelloAnswer(Slot::k1, forged);
  forged = good;
  forged.set_accepted(false);
  newcomer.OnHelloAnswer(Slot::k1, forged);
  forged = good;
  forged.set_admitted(false);
  newcomer.OnHelloAnswer(Slot::k1, forged);
  forged = good;
  newcomer.OnHelloAnswer(Slot::k2, forged);  // from another slot than was asked
  EXPECT_FALSE(newcomer.TakeAdmission().has_value());
  newcomer.OnHelloAnswer(Slot::k1, good);
  EXPECT_TRUE(newcomer.TakeAdmission().has_value());
}

TEST_F(ComingBack, OneInQuarantineComesBackToItsOwnClusterOnly) {
  Membership quarantined = Quarantined('x');
  EXPECT_EQ(quarantined.standing(), Membership::Standing::kQuarantined);
  EXPECT_EQ(quarantined.identity().incarnation, std::string(16, 'x'));
  EXPECT_EQ(quarantined.cluster_id(), a_.identity().cluster_id);
  Membership d(ConfigOf(1, 'd')), e(ConfigOf(2, 'e')), f(ConfigOf(3, 'f'));
  BringAbout(d, e, f);
  EXPECT_THAT(Ask(quarantined, d).reason(), ::testing::HasSubstr("different clusters"));
  v1::HelloAnswer lie = d.OnHello(quarantined.MakeHello(Slot::k1), std::make_unique<Slot>().get());
  lie.set_accepted(true);
  lie.set_admitted(true);
  quarantined.OnHelloAnswer(Slot::k1, lie);
  EXPECT_FALSE(quarantined.TakeAdmission().has_value());
  Commit(a_, Three('x', false));
  EXPECT_TRUE(Ask(quarantined, a_).admitted());
  EXPECT_TRUE(quarantined.TakeAdmission().has_value());
}

TEST_F(ComingBack, OneThatRejoinsHasNoPartInABirth) {
  Membership d(ConfigOf(1, 'd')), e(ConfigOf(2, 'e'));
  Membership newcomer = Newcomer('x');
  Meet(d, e);
  EXPECT_FALSE(Ask(newcomer, d).accepted());
  EXPECT_FALSE(Meet(d, newcomer));
  Meet(d, e);
  EXPECT_FALSE(d.born());
  EXPECT_EQ(d.unmet(), std::vector<Slot>{Slot::k3});
  EXPECT_EQ(d.fatal(), std::nullopt);
  EXPECT_FALSE(newcomer.TakeAdmission().has_value());
}

TEST_F(ComingBack, AMemberThatCallsANewcomerIsNotAnsweredAndNoHarmIsDone) {
  Membership newcomer = Newcomer('x');
  EXPECT_FALSE(Meet(a_, newcomer));
  EXPECT_EQ(newcomer.fatal(), std::nullopt);
  EXPECT_FALSE(newcomer.born());
}

}  // namespace
}  // namespace triad::server
