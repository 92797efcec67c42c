#include "server/usage_fetch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "license/usage_record.h"
#include "server/limits.h"

namespace triad::server {

absl::StatusOr<std::vector<license::UsageRow>> CheckUsageChunk(const v1::UsageChunk& chunk,
                                                               const license::UsageRange& range,
                                                               const std::string& anchor) {
  if (!chunk.refusal().empty()) return absl::UnavailableError(chunk.refusal());
  const auto count = static_cast<uint64_t>(chunk.records_size());
  if (count == 0) return absl::NotFoundError("it lacks them too");
  if (chunk.first() < range.from || chunk.first() + count != range.to) {
    return absl::DataLossError("it sent other records than it was asked for");
  }
  std::vector<license::UsageRow> rows(chunk.records_size());
  std::string expected = anchor;
  for (uint64_t number = range.to; number-- > chunk.first();) {
    const auto place = static_cast<int>(number - chunk.first());
    const std::string& bytes = chunk.records(place);
    v1::UsageRecord record;
    if (license::UsageHash(bytes) != expected || !record.ParseFromString(bytes) ||
        record.number() != number) {
      return absl::DataLossError(absl::StrCat("its usage record ", number,
                                              " is not the one that the chain has: run triad usage "
                                              "--verify there"));
    }
    expected = record.previous();
    rows[static_cast<size_t>(place)] = {number, bytes};
  }
  return rows;
}

void UsageFetch::Tick(quorum::Slot from, int64_t now_ms) {
  if (state_ != State::kIdle) {
    // A lost answer, or a store that was replaced meanwhile.
    if (now_ms - since_ms_ > kUsageFetchTimeoutMs) Fail("no answer", now_ms);
    return;
  }
  if (from == quorum::Slot::kNone || now_ms < not_before_ms_) return;
  from_ = from;
  state_ = State::kLooking;
  since_ms_ = now_ms;
  if (ledger_writer_->FindUsageGap()) return;
  state_ = State::kIdle;
  not_before_ms_ = now_ms + kUsageFetchIntervalMs;
}

void UsageFetch::OnGap(const UsageGap& gap, const v1::UsageChain& chain, int64_t now_ms) {
  if (state_ != State::kLooking) return;
  if (gap.range.from != gap_.range.from || gap.range.to != gap_.range.to) lacking_ = 0;
  gap_ = gap;
  if (gap.anchor.empty() && gap.range.to == chain.count() + 1) gap_.anchor = chain.head();
  if (gap.range.to == 0 || gap_.anchor.empty()) {
    state_ = State::kIdle;
    not_before_ms_ = now_ms + kUsageFetchIntervalMs;
    return;
  }
  v1::UsageRequest request;
  *request.mutable_hello() = hello_(from_);
  request.set_from(gap_.range.from);
  request.set_to(gap_.range.to);
  state_ = State::kAsking;
  since_ms_ = now_ms;
  transport_->FetchUsage(from_, std::move(request));
}

void UsageFetch::OnChunk(quorum::Slot from, const v1::UsageChunk& chunk, int64_t now_ms) {
  if (state_ != State::kAsking || from != from_) return;
  auto rows = CheckUsageChunk(chunk, gap_.range, gap_.anchor);
  if (!rows.ok()) {
    Fail(std::string(rows.status().message()), now_ms);
    if (!absl::IsNotFound(rows.status())) return;
    // Each of the others is asked before the pause grows: what no node has will not be found.
    const size_t doublings = std::min<size_t>(lacking_++ / 2, 20);
    not_before_ms_ =
        now_ms + std::min(kUsageFetchIntervalMsMax, kUsageFetchIntervalMs << doublings);
    return;
  }
  uint64_t bytes = 0;
  for (const license::UsageRow& row : *rows) bytes += row.bytes.size();
  fetched_ += rows->size();
  lacking_ = 0;
  complaint_.clear();
  state_ = State::kFilling;
  since_ms_ = now_ms;
  not_before_ms_ = now_ms + static_cast<int64_t>(bytes * 1'000 / kSnapshotBytesPerSecond);
  ledger_writer_->FillUsage(*std::move(rows));
}

void UsageFetch::OnFailed(quorum::Slot from, int64_t now_ms) {
  if (state_ == State::kAsking && from == from_) Fail("it does not answer", now_ms);
}

void UsageFetch::OnFilled(int64_t) {
  if (state_ == State::kFilling) state_ = State::kIdle;
}

void UsageFetch::Fail(std::string complaint, int64_t now_ms) {
  complaint_ =
      absl::StrCat("fetching usage records from node ", quorum::ToInt(from_), ": ", complaint);
  state_ = State::kIdle;
  ++failures_;
  not_before_ms_ = now_ms + kUsageFetchIntervalMs;
}

}  // namespace triad::server
