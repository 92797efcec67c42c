#include "server/snapshots.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/limits.h"

namespace triad::server {

using quorum::Slot;

uint64_t ChunkChecksum(const v1::SnapshotChunk& chunk) {
  license::RowHash hash;
  for (const auto& row : chunk.rows()) {
    hash.Add(row.key());
    hash.Add(row.value());
  }
  return hash.value();
}

v1::SnapshotChunk RefusedChunk(std::string why) {
  v1::SnapshotChunk chunk;
  chunk.set_refusal(std::move(why));
  return chunk;
}

// ------------------------------------------------------------------------------------------
// The needy side

void SnapshotFetch::Tick(Slot wanted_from, int64_t now_ms) {
  switch (state_) {
    case State::kIdle:
      if (wanted_from != Slot::kNone) Begin(wanted_from, now_ms);
      return;
    case State::kPausing:
      if (now_ms < not_before_ms_) return;
      if (wanted_from != from_ && wanted_from != Slot::kNone && MayLeave()) {
        return Begin(wanted_from, now_ms);
      }
      return Ask(now_ms);
    case State::kAsking:
      if (now_ms - asked_ms_ < kSnapshotAnswerMs) return;
      if (tries_ + 1 < kSnapshotTriesMax || wanted_from == Slot::kNone) {
        return AskAgain("no answer", now_ms);
      }
      return Begin(wanted_from, now_ms);
    case State::kStaging:
    case State::kStagingLast:
      return;  // this node's own disk
  }
}

// Whoever leads may wait for this node to commit anything: it is not kept waiting by one that does
// not answer. What was received of it already is worth a second try.
bool SnapshotFetch::MayLeave() const {
  return tries_ >= (id_ == 0 ? 1 : 2);
}

void SnapshotFetch::Begin(Slot from, int64_t now_ms) {
  from_ = from;
  id_ = 0;
  position_ = {};
  after_.clear();
  hash_ = license::RowHash();
  tries_ = 0;
  bytes_ = 0;
  Ask(now_ms);
}

void SnapshotFetch::Ask(int64_t now_ms) {
  state_ = State::kAsking;
  asked_ms_ = now_ms;
  v1::SnapshotRequest request = request_(from_);
  least_index_ = request.least_index();
  request.set_id(id_);
  request.set_after(after_);
  transport_->Fetch(from_, std::move(request));
}

void SnapshotFetch::AskAgain(std::string complaint, int64_t now_ms) {
  complaint_ = std::move(complaint);
  ++tries_;
  state_ = State::kPausing;
  not_before_ms_ = now_ms + kSnapshotRetryMs;
}

// To be begun by the next Tick, with whoever leads then.
void SnapshotFetch::BeginAnew(std::string complaint) {
  complaint_ = std::move(complaint);
  state_ = State::kIdle;
}

std::string SnapshotFetch::Complaint(const v1::SnapshotChunk& chunk) const {
  if (chunk.checksum() != ChunkChecksum(chunk)) return "a chunk was changed on the way";
  if (chunk.rows_size() == 0) return "a chunk is empty";
  if (chunk.index() == 0) return "a snapshot of nothing";
  if (chunk.index() < least_index_) return "its rows end before the log here begins";
  if (id_ != 0 &&
      (chunk.id() != id_ || chunk.index() != position_.index || chunk.term() != position_.term)) {
    return "a chunk of another snapshot";
  }
  absl::string_view before = after_;
  for (const auto& row : chunk.rows()) {
    if (absl::string_view(row.key()) <= before) return "its rows are not in order";
    before = row.key();
  }
  return "";
}

void SnapshotFetch::OnChunk(Slot from, v1::SnapshotChunk chunk, int64_t now_ms) {
  if (state_ != State::kAsking || from != from_) return;
  if (!chunk.refusal().empty()) {
    // It may never serve: whoever leads by then is asked, from the beginning.
    if (tries_ + 1 >= kSnapshotTriesMax) return BeginAnew(chunk.refusal());
    return AskAgain(chunk.refusal(), now_ms);
  }
  if (chunk.id() == 0) {
    if (id_ != 0) return BeginAnew("the other node's view is gone");
    return AskAgain("the other node has no view", now_ms);
  }
  // A late answer to a request that was given up: what it brings is staged already.
  if (id_ != 0 && chunk.id() == id_ && chunk.rows_size() > 0 && chunk.rows(0).key() <= after_) {
    return;
  }
  if (std::string complaint = Complaint(chunk); !complaint.empty()) {
    if (tries_ + 1 >= kSnapshotTriesMax) return BeginAnew(std::move(complaint));
    return AskAgain(std::move(complaint), now_ms);
  }
  const bool first = id_ == 0;
  tries_ = 0;
  id_ = chunk.id();
  position_ = {chunk.index(), chunk.term()};
  digest_ = chunk.digest();
  std::vector<license::RowChange> rows;
  rows.reserve(static_cast<size_t>(chunk.rows_size()));
  size_t bytes = 0;
  for (auto& row : *chunk.mutable_rows()) {
    hash_.Add(row.key());
    hash_.Add(row.value());
    bytes += row.key().size() + row.value().size();
    rows.push_back({std::move(*row.mutable_key()), std::move(*row.mutable_value())});
  }
  after_ = rows.back().key;
  bytes_ += bytes;
  // The pace: the next request leaves when this chunk's share of the time is over.
  not_before_ms_ = asked_ms_ + static_cast<int64_t>(bytes * 1'000 / kSnapshotBytesPerSecond);
  if (chunk.last() && hash_.value() != digest_) {
    return BeginAnew("the rows are not those that were sent");
  }
  state_ = chunk.last() ? State::kStagingLast : State::kStaging;
  ledger_writer_->StageRows(first, std::move(rows),
                            chunk.last() ? std::make_optional(position_) : std::nullopt);
}

void SnapshotFetch::OnFailed(Slot from, int64_t now_ms) {
  if (state_ != State::kAsking || from != from_) return;
  if (tries_ + 1 >= kSnapshotTriesMax) return BeginAnew("node cannot be reached");
  AskAgain("node cannot be reached", now_ms);
}

std::unique_ptr<license::Ledger> SnapshotFetch::OnStaged(std::unique_ptr<license::Ledger> ledger,
                                                         int64_t now_ms) {
  if (state_ == State::kStaging) {
    state_ = State::kPausing;
    if (now_ms >= not_before_ms_) Ask(now_ms);
    return nullptr;
  }
  if (state_ != State::kStagingLast) return nullptr;
  if (ledger == nullptr || ledger->applied() != position_ || ledger->Digest() != digest_) {
    BeginAnew("the rows do not make a ledger");
    return nullptr;
  }
  state_ = State::kIdle;
  complaint_.clear();
  return ledger;
}

// ------------------------------------------------------------------------------------------
// The serving side

void SnapshotSource::OnRequest(Slot from, const v1::SnapshotRequest& request, Answer answer,
                               int64_t now_ms) {
  if (waiting_.size() >= kSnapshotRequestsMax) {
    return answer(RefusedChunk("too many snapshots are being read: ask again shortly"));
  }
  auto view = views_.find(request.id());
  if (request.id() == 0) {
    // Whoever begins anew has given up what it began before.
    for (auto it = views_.begin(); it != views_.end();) {
      if (it->second.reader == from) {
        ledger_writer_->CloseSnapshot(it->first);
        it = views_.erase(it);
      } else {
        ++it;
      }
    }
  } else if (view == views_.end() || view->second.reader != from ||
             (request.after() != view->second.now.after &&
              request.after() != view->second.before.after)) {
    return answer(v1::SnapshotChunk());
  } else {
    view->second.read_ms = now_ms;
  }
  waiting_.push_back({from, request.id(), request.after(), std::move(answer)});
  ledger_writer_->ReadSnapshot(request.id(), request.id() == 0 ? "" : request.after(),
                               kSnapshotChunkBytes);
}

void SnapshotSource::OnRead(SnapshotRows rows, int64_t now_ms) {
  if (waiting_.empty()) return;
  const Waiting waiting = std::move(waiting_.front());
  waiting_.pop_front();
  v1::SnapshotChunk chunk;
  if (rows.view == 0) {
    views_.erase(waiting.view);
    return waiting.answer(std::move(chunk));
  }
  auto [it, opened] = views_.try_emplace(rows.view);
  View& view = it->second;
  if (opened) view.reader = waiting.from;
  view.read_ms = now_ms;
  if (!opened && waiting.after != view.now.after) view.now = view.before;  // asked for again
  view.before = view.now;
  for (license::RowChange& row : rows.rows) {
    view.now.hash.Add(row.key);
    view.now.hash.Add(row.value.value_or(""));
    view.now.after = row.key;
    v1::SnapshotChunk::Row& wire = *chunk.add_rows();
    wire.set_key(std::move(row.key));
    wire.set_value(std::move(row.value).value_or(""));
  }
  chunk.set_id(rows.view);
  chunk.set_index(rows.applied.index);
  chunk.set_term(rows.applied.term);
  chunk.set_last(rows.last);
  chunk.set_checksum(ChunkChecksum(chunk));
  if (rows.last) chunk.set_digest(view.now.hash.value());
  waiting.answer(std::move(chunk));
}

void SnapshotSource::Tick(int64_t now_ms) {
  for (auto it = views_.begin(); it != views_.end();) {
    if (now_ms - it->second.read_ms < kSnapshotViewIdleMs) {
      ++it;
      continue;
    }
    ledger_writer_->CloseSnapshot(it->first);
    it = views_.erase(it);
  }
}

}  // namespace triad::server
