#include "client/links.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/limits.h"

namespace triad::client {

Links::Links(std::vector<std::string> names, const Environment& environment) : env_(environment) {
  for (std::string& name : names) {
    Link link;
    link.name = std::move(name);
    link.backoff_ms = kReconnectMsMin;
    links_.push_back(std::move(link));
  }
}

void Links::Start() {
  running_ = true;
  // In random order: whoever answers first is attached to, and that should spread over the hosts.
  std::vector<size_t> order(links_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[env_.random->Below(static_cast<uint32_t>(i))]);
  }
  for (size_t server : order) Connect(server);
}

void Links::Connect(size_t server) {
  Link& link = links_[server];
  link.state = State::kConnecting;
  link.since_ms = env_.clock->NowMs();
  env_.transport->Connect(server);
}

void Links::Stop() {
  if (!running_) return;
  running_ = false;
  for (size_t i = 0; i < links_.size(); ++i) {
    if (links_[i].state != State::kIdle) env_.transport->Disconnect(i);
    links_[i].state = State::kIdle;
    links_[i].waiting_since_ms.reset();
  }
}

void Links::OnConnected(size_t server) {
  Link& link = links_[server];
  link.state = State::kConnected;
  link.since_ms = env_.clock->NowMs();
  link.waiting_since_ms.reset();
  link.no_quorum_ms = kNever;
  link.avoid_until_ms = kNever;
  env_.observer->OnNote(2, absl::StrCat("connected to ", link.name));
}

void Links::OnDisconnected(size_t server, absl::string_view reason) {
  Link& link = links_[server];
  const int64_t now = env_.clock->NowMs();
  // A connection that stood for a while was a good one: begin with short pauses again.
  if (link.state == State::kConnected && now - link.since_ms >= kReconnectMsMax) {
    link.backoff_ms = kReconnectMsMin;
  }
  env_.observer->OnNote(1, absl::StrCat(link.name, ": ", reason));
  link.state = State::kIdle;
  link.failed = true;
  link.reason = std::string(reason);
  link.since_ms = now;
  link.waiting_since_ms.reset();
  link.retry_ms = now + Jittered(*env_.random, link.backoff_ms);
  const bool enough = connected_count() >= kConnectionsEnough;
  const int64_t max_ms = enough ? kSpareReconnectMsMax : reconnect_ms_max_;
  link.backoff_ms = std::min(link.backoff_ms * 2, max_ms);
  if (enough) return;
  for (Link& other : links_) {  // those that there was no hurry with
    other.backoff_ms = std::min(other.backoff_ms, reconnect_ms_max_);
    if (other.state != State::kIdle || other.retry_ms <= now + reconnect_ms_max_) continue;
    other.retry_ms = now + Jittered(*env_.random, other.backoff_ms);
  }
}

void Links::Tick() {
  if (!running_) return;
  const int64_t now = env_.clock->NowMs();
  for (size_t i = 0; i < links_.size(); ++i) {
    if (links_[i].state == State::kIdle && links_[i].retry_ms <= now) Connect(i);
  }
}

std::optional<int64_t> Links::AllSilentSince() const {
  std::optional<int64_t> since;
  for (const Link& link : links_) {
    if (link.state != State::kConnected) continue;
    if (!link.waiting_since_ms.has_value()) return std::nullopt;
    since = std::max(since.value_or(*link.waiting_since_ms), *link.waiting_since_ms);
  }
  return since;
}

std::optional<size_t> Links::RenewSilent(const std::function<bool(size_t)>& may) {
  const int64_t now = env_.clock->NowMs();
  const std::optional<int64_t> since = AllSilentSince();
  if (!running_ || !since.has_value() || now < *since + kAllSilentMs) return std::nullopt;
  if (!renew_ms_.has_value()) {
    renew_ms_ = now + env_.random->Below(static_cast<uint32_t>(renew_interval_ms_ + 1));
  }
  if (now < *renew_ms_) return std::nullopt;
  renew_interval_ms_ = std::min(renew_interval_ms_ * 2, kAllSilentMsMax);
  renew_ms_ = now + Jittered(*env_.random, renew_interval_ms_);
  std::optional<size_t> oldest;
  for (size_t i = 0; i < links_.size(); ++i) {
    if (!connected(i) || !may(i)) continue;
    if (!oldest.has_value() || links_[i].since_ms < links_[*oldest].since_ms) oldest = i;
  }
  if (!oldest.has_value()) return std::nullopt;
  env_.observer->OnNote(1, absl::StrCat(links_[*oldest].name, ": silent, as all are: a new try"));
  links_[*oldest].waiting_since_ms.reset();
  env_.transport->Abandon(*oldest);
  Connect(*oldest);
  return oldest;
}

int64_t Links::NextTimer() const {
  int64_t next = INT64_MAX;
  if (!running_) return next;
  if (const auto since = AllSilentSince()) {
    next = std::max(*since + kAllSilentMs, renew_ms_.value_or(0));
  }
  for (const Link& link : links_) {
    if (link.state == State::kIdle) next = std::min(next, link.retry_ms);
  }
  return next;
}

void Links::Send(size_t server, v1::ClientMessage message) {
  Link& link = links_[server];
  if (!link.waiting_since_ms.has_value()) link.waiting_since_ms = env_.clock->NowMs();
  env_.transport->Send(server, std::move(message));
}

void Links::OnHeard(size_t server) {
  links_[server].waiting_since_ms.reset();
  links_[server].backoff_ms = kReconnectMsMin;
  renew_ms_.reset();
  renew_interval_ms_ = kAllSilentMs;
}

void Links::OnNoQuorum(size_t server, absl::string_view reason) {
  links_[server].no_quorum_ms = env_.clock->NowMs();
  links_[server].no_quorum_reason = std::string(reason);
}

void Links::OnMoveAway(size_t server) {
  links_[server].avoid_until_ms = env_.clock->NowMs() + kAvoidMs;
}

int Links::connected_count() const {
  return static_cast<int>(std::count_if(links_.begin(), links_.end(), [](const Link& link) {
    return link.state == State::kConnected;
  }));
}

bool Links::SilentFor(size_t server, int64_t ms) const {
  const Link& link = links_[server];
  return link.waiting_since_ms.has_value() && env_.clock->NowMs() - *link.waiting_since_ms >= ms;
}

bool Links::AllFailed() const {
  return std::all_of(links_.begin(), links_.end(), [](const Link& link) {
    return link.failed && link.state != State::kConnected;
  });
}

bool Links::AllSayNoQuorum(int64_t since_ms, const std::function<bool(size_t)>& asked) const {
  bool any = false;
  for (size_t i = 0; i < links_.size(); ++i) {
    if (!connected(i)) continue;
    if (SaidNoQuorumSince(i, since_ms) && !asked(i)) {
      any = true;
    } else if (!SilentFor(i, kSilentMs)) {
      return false;
    }
  }
  return any;
}

std::string Links::NoQuorumReason(int64_t since_ms) const {
  const Link* latest = nullptr;
  for (const Link& link : links_) {
    if (link.no_quorum_ms < since_ms) continue;
    if (latest == nullptr || link.no_quorum_ms > latest->no_quorum_ms) latest = &link;
  }
  return latest == nullptr ? "" : latest->no_quorum_reason;
}

int Links::Rank(size_t server) const {
  const Link& link = links_[server];
  const int64_t now = env_.clock->NowMs();
  int rank = 0;
  if (SilentFor(server, 2 * kRetryMs)) rank += 1;
  if (now < link.avoid_until_ms) rank += 2;
  if (now - link.no_quorum_ms < kNoQuorumRetryMs) rank += 4;
  return rank;
}

std::optional<size_t> Links::Pick(size_t last, const std::function<bool(size_t)>& may) const {
  std::optional<size_t> best;
  for (size_t step = 1; step <= links_.size(); ++step) {
    const size_t server = (last + step) % links_.size();
    if (!connected(server) || !may(server)) continue;
    if (!best.has_value() || Rank(server) < Rank(*best)) best = server;
  }
  return best;
}

std::string Links::Describe() const {
  std::string text;
  for (const Link& link : links_) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", link.name, ": ");
    if (link.state == State::kConnected) {
      absl::StrAppend(&text, "connected");
    } else if (!link.failed) {
      absl::StrAppend(&text, "no answer yet");
    } else {
      absl::StrAppend(&text, link.reason);
    }
  }
  return text;
}

}  // namespace triad::client
