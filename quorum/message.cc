#include "quorum/message.h"

#include "quorum/limits.h"
#include "quorum/members.h"

namespace triad::quorum {
namespace {

template <typename Tag>
bool InRange(Number<Tag> number) {
  return number.value() <= kNumberMax;
}

bool IsWellFormed(Term term, const AppendRequest& request) {
  if (!InRange(request.prev_index) || !InRange(request.commit) || !InRange(request.round)) {
    return false;
  }
  if (request.log_start > request.prev_index) return false;  // nobody sends what it does not hold
  if (request.prev_term > term || request.entries.size() > kNumberMax) return false;
  if (request.prev_index == Index(0) && request.prev_term != Term(0)) return false;
  Index index = request.prev_index;
  Term last = request.prev_term;
  for (const Entry& entry : request.entries) {
    if (entry.index != ++index || entry.term < last || entry.term > term) return false;
    if (entry.payload == nullptr || entry.bytes() > kEntryBytesMax) return false;
    if (entry.kind == EntryKind::kMembers && !DecodeMembers(*entry.payload)) return false;
    last = entry.term;
  }
  return true;
}

}  // namespace

bool IsWellFormed(const Message& message) {
  if (!InRange(message.term)) return false;
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    return IsWellFormed(message.term, *append);
  }
  if (const auto* response = std::get_if<AppendResponse>(&message.body)) {
    return InRange(response->match) && InRange(response->hint_index) &&
           InRange(response->hint_term) && InRange(response->round);
  }
  if (const auto* vote = std::get_if<VoteRequest>(&message.body)) {
    return InRange(vote->last_index) && vote->last_term <= message.term;
  }
  return true;
}

}  // namespace triad::quorum
