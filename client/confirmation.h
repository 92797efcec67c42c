// Until when the licenses of a session count as confirmed, by this machine's clock.
//
// The rule (design 6, quorum-notes B.18 rule 10): no client counts a license as confirmed after the
// cluster has given it to another. The cluster counts the time to live from when it received a
// heartbeat; we count it from when we sent that one, less a margin for clocks that run apart, so
// that we are always first. A broken connection may have started the short grace.
//
// Pure: times come in. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

namespace triad::client {

class Confirmation {
 public:
  // A session was opened or attached by a message sent at `sent_ms`.
  void OnAttached(int64_t sent_ms, int64_t ttl_ms, int64_t reset_grace_ms);
  // The connection that the session is, or may be, attached through is gone: until it is attached
  // again only the short grace counts.
  void OnBroken(int64_t now_ms);
  // This process stood still from `since_ms` or later until `now_ms` (SIGSTOP, a suspended
  // machine). The connection may have been closed meanwhile, at any moment, and the short grace be
  // over; only what is sent from now on, and acknowledged, shows that it was not.
  void OnStoodStill(int64_t since_ms, int64_t now_ms);
  // Returns the number of a heartbeat that is sent now.
  uint64_t OnHeartbeat(int64_t now_ms);
  // The leader has acknowledged heartbeats up to `number`.
  void OnAck(uint64_t number);
  // The session is gone.
  void Reset();

  bool valid() const { return ttl_ms_ > 0; }
  // Licenses are confirmed before this time.
  int64_t until_ms() const { return until_ms_; }
  // The last thing that was confirmed was sent then.
  int64_t confirmed_sent_ms() const { return confirmed_sent_ms_; }
  // When to go to another node if nothing more is confirmed.
  int64_t stalled_ms() const { return confirmed_sent_ms_ + ttl_ms_ / 2; }
  int64_t heartbeat_interval_ms() const;
  // Whoever has not been awake for this long has stood still: the short grace may have begun that
  // long ago, which the margin taken off it must cover.
  int64_t stood_still_ms() const;
  // How often to be awake for that.
  int64_t wake_interval_ms() const { return std::max<int64_t>(stood_still_ms() / 2, 1); }

 private:
  void Doubt();

  int64_t ttl_ms_ = 0;
  int64_t reset_grace_ms_ = 0;
  int64_t until_ms_ = 0;
  int64_t confirmed_sent_ms_ = 0;
  bool broken_ = false;
  // Confirmations of what was sent before resumed_ms_ count no longer than the short grace from
  // still_since_ms_.
  int64_t still_since_ms_ = 0;
  int64_t resumed_ms_ = INT64_MIN;
  uint64_t next_number_ = 1;
  std::deque<std::pair<uint64_t, int64_t>> sent_;  // number, when; not yet acknowledged
};

// What is taken off a duration that the servers count too.
int64_t Margin(int64_t duration_ms);

}  // namespace triad::client
