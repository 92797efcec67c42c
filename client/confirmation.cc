#include "client/confirmation.h"

#include <algorithm>

#include "client/limits.h"

namespace triad::client {

int64_t Margin(int64_t duration_ms) {
  return std::min(std::max(duration_ms / 10, kMarginMsMin), duration_ms / 4);
}

void Confirmation::OnAttached(int64_t sent_ms, int64_t ttl_ms, int64_t reset_grace_ms) {
  ttl_ms_ = ttl_ms;
  reset_grace_ms_ = reset_grace_ms;
  const int64_t until_ms = sent_ms + ttl_ms_ - Margin(ttl_ms_);
  until_ms_ = broken_ ? until_ms : std::max(until_ms_, until_ms);
  broken_ = false;
  confirmed_sent_ms_ = std::max(confirmed_sent_ms_, sent_ms);
  sent_.clear();
  Doubt();
}

void Confirmation::OnStoodStill(int64_t since_ms, int64_t now_ms) {
  const bool in_doubt = confirmed_sent_ms_ < resumed_ms_;  // of standing still before
  still_since_ms_ = in_doubt ? std::min(still_since_ms_, since_ms) : since_ms;
  resumed_ms_ = now_ms;
  Doubt();
}

void Confirmation::Doubt() {
  if (!valid() || confirmed_sent_ms_ >= resumed_ms_) return;
  until_ms_ = std::min(until_ms_, still_since_ms_ + reset_grace_ms_ - Margin(reset_grace_ms_));
}

void Confirmation::OnBroken(int64_t now_ms) {
  if (!valid() || broken_) return;
  broken_ = true;
  until_ms_ = std::min(until_ms_, now_ms + reset_grace_ms_ - Margin(reset_grace_ms_));
}

uint64_t Confirmation::OnHeartbeat(int64_t now_ms) {
  if (sent_.size() == kHeartbeatsMax) sent_.pop_front();
  sent_.emplace_back(next_number_, now_ms);
  return next_number_++;
}

void Confirmation::OnAck(uint64_t number) {
  if (broken_) return;
  while (!sent_.empty() && sent_.front().first <= number) {
    confirmed_sent_ms_ = sent_.front().second;
    until_ms_ = std::max(until_ms_, confirmed_sent_ms_ + ttl_ms_ - Margin(ttl_ms_));
    sent_.pop_front();
  }
  Doubt();
}

void Confirmation::Reset() {
  *this = Confirmation();
}

int64_t Confirmation::heartbeat_interval_ms() const {
  return std::min(std::max(ttl_ms_ / 6, kHeartbeatMsMin), std::max<int64_t>(ttl_ms_ / 4, 1));
}

int64_t Confirmation::stood_still_ms() const {
  return Margin(reset_grace_ms_) / 2;
}

}  // namespace triad::client
