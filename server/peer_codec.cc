#include "server/peer_codec.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "quorum/limits.h"

namespace triad::server {
namespace {

using quorum::Entry;
using quorum::Index;
using quorum::Round;
using quorum::Term;

void Put(const quorum::VoteRequest& from, v1::QuorumMessage* to) {
  auto* body = to->mutable_vote_request();
  body->set_pre_vote(from.pre_vote);
  body->set_leadership_transfer(from.leadership_transfer);
  body->set_last_index(from.last_index.value());
  body->set_last_term(from.last_term.value());
}

void Put(const quorum::VoteResponse& from, v1::QuorumMessage* to) {
  auto* body = to->mutable_vote_response();
  body->set_pre_vote(from.pre_vote);
  body->set_granted(from.granted);
}

void Put(const quorum::AppendRequest& from, v1::QuorumMessage* to) {
  auto* body = to->mutable_append_request();
  body->set_prev_index(from.prev_index.value());
  body->set_prev_term(from.prev_term.value());
  body->set_commit(from.commit.value());
  body->set_round(from.round.value());
  body->set_log_start(from.log_start.value());
  body->mutable_entries()->Reserve(static_cast<int>(from.entries.size()));
  for (const Entry& entry : from.entries) {
    auto* wire = body->add_entries();
    wire->set_term(entry.term.value());
    wire->set_index(entry.index.value());
    wire->set_kind(static_cast<uint32_t>(entry.kind));
    wire->set_payload(*entry.payload);
  }
}

void Put(const quorum::AppendResponse& from, v1::QuorumMessage* to) {
  auto* body = to->mutable_append_response();
  body->set_accepted(from.accepted);
  body->set_match(from.match.value());
  body->set_hint_index(from.hint_index.value());
  body->set_hint_term(from.hint_term.value());
  body->set_round(from.round.value());
}

void Put(const quorum::TimeoutNow&, v1::QuorumMessage* to) {
  to->mutable_timeout_now();
}

absl::StatusOr<quorum::AppendRequest> DecodeAppend(v1::AppendRequest* wire) {
  quorum::AppendRequest body;
  body.prev_index = Index(wire->prev_index());
  body.prev_term = Term(wire->prev_term());
  body.commit = Index(wire->commit());
  body.round = Round(wire->round());
  body.log_start = Index(wire->log_start());
  body.entries.reserve(static_cast<size_t>(wire->entries_size()));
  Index expected = body.prev_index + 1;
  for (v1::LogEntry& entry : *wire->mutable_entries()) {
    if (Index(entry.index()) != expected) {
      return absl::InvalidArgumentError("append: entries are not contiguous");
    }
    if (entry.kind() > static_cast<uint32_t>(quorum::EntryKind::kMembers)) {
      return absl::InvalidArgumentError("append: unknown kind of entry");
    }
    if (entry.payload().size() > quorum::kEntryBytesMax) {
      return absl::InvalidArgumentError("append: entry above the limit");
    }
    body.entries.push_back(
        Entry{Term(entry.term()), expected, static_cast<quorum::EntryKind>(entry.kind()),
              std::make_shared<const std::string>(std::move(*entry.mutable_payload()))});
    ++expected;
  }
  return body;
}

}  // namespace

v1::PeerMessage Encode(const quorum::Message& message) {
  v1::PeerMessage wire;
  auto* quorum = wire.mutable_quorum();
  quorum->set_term(message.term.value());
  std::visit([quorum](const auto& body) { Put(body, quorum); }, message.body);
  return wire;
}

absl::StatusOr<quorum::Message> Decode(quorum::Slot from, quorum::Slot to, v1::QuorumMessage wire) {
  quorum::Message message{from, to, Term(wire.term()), quorum::TimeoutNow{}};
  switch (wire.body_case()) {
    case v1::QuorumMessage::kVoteRequest: {
      const auto& body = wire.vote_request();
      message.body = quorum::VoteRequest{body.pre_vote(), body.leadership_transfer(),
                                         Index(body.last_index()), Term(body.last_term())};
      return message;
    }
    case v1::QuorumMessage::kVoteResponse:
      message.body =
          quorum::VoteResponse{wire.vote_response().pre_vote(), wire.vote_response().granted()};
      return message;
    case v1::QuorumMessage::kAppendRequest: {
      auto body = DecodeAppend(wire.mutable_append_request());
      if (!body.ok()) return body.status();
      message.body = *std::move(body);
      return message;
    }
    case v1::QuorumMessage::kAppendResponse: {
      const auto& body = wire.append_response();
      message.body =
          quorum::AppendResponse{body.accepted(), Index(body.match()), Index(body.hint_index()),
                                 Term(body.hint_term()), Round(body.round())};
      return message;
    }
    case v1::QuorumMessage::kTimeoutNow:
      return message;
    case v1::QuorumMessage::BODY_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("peer message of an unknown kind");
}

}  // namespace triad::server
