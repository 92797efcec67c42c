#include "server/peer_codec.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace triad::server {
namespace {

using quorum::Entry;
using quorum::EntryKind;
using quorum::Index;
using quorum::Message;
using quorum::Round;
using quorum::Slot;
using quorum::Term;

Message RoundTrip(const Message& message) {
  v1::PeerMessage wire = Encode(message);
  auto decoded = Decode(message.from, message.to, std::move(*wire.mutable_quorum()));
  EXPECT_TRUE(decoded.ok()) << decoded.status();
  return *std::move(decoded);
}

TEST(PeerCodec, AnAppendComesOutAsItWentIn) {
  quorum::AppendRequest body;
  body.prev_index = Index(7);
  body.prev_term = Term(2);
  body.commit = Index(6);
  body.round = Round(99);
  body.entries.push_back(
      {Term(3), Index(8), EntryKind::kNoop, std::make_shared<const std::string>()});
  body.entries.push_back({Term(3), Index(9), EntryKind::kCommand,
                          std::make_shared<const std::string>(std::string("a\0b", 3))});
  const Message out = RoundTrip({Slot::k1, Slot::k2, Term(3), body});
  EXPECT_EQ(out.term, Term(3));
  const auto& got = std::get<quorum::AppendRequest>(out.body);
  EXPECT_EQ(got.prev_index, Index(7));
  EXPECT_EQ(got.prev_term, Term(2));
  EXPECT_EQ(got.commit, Index(6));
  EXPECT_EQ(got.round, Round(99));
  ASSERT_EQ(got.entries.size(), 2u);
  EXPECT_EQ(got.entries[1].index, Index(9));
  EXPECT_EQ(got.entries[1].kind, EntryKind::kCommand);
  EXPECT_EQ(*got.entries[1].payload, std::string("a\0b", 3));
}

TEST(PeerCodec, VotesAndAnswersComeOutAsTheyWentIn) {
  const Message request =
      RoundTrip({Slot::k1, Slot::k2, Term(5), quorum::VoteRequest{true, true, Index(4), Term(3)}});
  const auto& vote = std::get<quorum::VoteRequest>(request.body);
  EXPECT_TRUE(vote.pre_vote && vote.leadership_transfer);
  EXPECT_EQ(vote.last_index, Index(4));
  EXPECT_EQ(vote.last_term, Term(3));
  const Message response =
      RoundTrip({Slot::k2, Slot::k1, Term(5), quorum::VoteResponse{false, true}});
  EXPECT_TRUE(std::get<quorum::VoteResponse>(response.body).granted);
  const Message append =
      RoundTrip({Slot::k2, Slot::k1, Term(5),
                 quorum::AppendResponse{false, Index(1), Index(2), Term(3), Round(4)}});
  const auto& answer = std::get<quorum::AppendResponse>(append.body);
  EXPECT_FALSE(answer.accepted);
  EXPECT_EQ(answer.match, Index(1));
  EXPECT_EQ(answer.hint_index, Index(2));
  EXPECT_EQ(answer.hint_term, Term(3));
  EXPECT_EQ(answer.round, Round(4));
  const Message now = RoundTrip({Slot::k1, Slot::k2, Term(5), quorum::TimeoutNow{}});
  EXPECT_TRUE(std::holds_alternative<quorum::TimeoutNow>(now.body));
}

TEST(PeerCodec, TheLinkSaysWhoSentItNotTheSender) {
  v1::PeerMessage wire = Encode({Slot::k1, Slot::k2, Term(5), quorum::TimeoutNow{}});
  EXPECT_EQ(Decode(Slot::k3, Slot::k2, std::move(*wire.mutable_quorum()))->from, Slot::k3);
}

TEST(PeerCodec, MalformedMessagesAreErrors) {
  EXPECT_FALSE(Decode(Slot::k1, Slot::k2, v1::QuorumMessage()).ok());
  v1::QuorumMessage gap;
  gap.mutable_append_request()->set_prev_index(3);
  gap.mutable_append_request()->add_entries()->set_index(9);
  EXPECT_FALSE(Decode(Slot::k1, Slot::k2, gap).ok());
  v1::QuorumMessage kind;
  auto* entry = kind.mutable_append_request()->add_entries();
  entry->set_index(1);
  entry->set_kind(77);
  EXPECT_FALSE(Decode(Slot::k1, Slot::k2, kind).ok());
}

}  // namespace
}  // namespace triad::server
