#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

namespace triad::simulation {

Stream::Stream(Network* network, int dialler, int acceptor, int64_t keepalive_us,
               Event dialler_closed, Event acceptor_closed)
    : network_(network), endpoint_{dialler, acceptor}, keepalive_us_(keepalive_us) {
  closed_[0] = std::move(dialler_closed);
  closed_[1] = std::move(acceptor_closed);
}

void Stream::Send(int from, Event deliver) {
  if (!open_[from] || broken_) return;
  const int to = 1 - from;
  Transmit(from, [this, to, keep = self_, deliver = std::move(deliver)]() mutable {
    const auto alive = keep.lock();
    if (alive != nullptr && open_[to] && !broken_) deliver();
  });
}

void Stream::SendLate(int from, int64_t extra_us, Event deliver) {
  if (!open_[from] || broken_ || network_->IsCut(endpoint_[from], endpoint_[1 - from])) return;
  const int to = 1 - from;
  const int64_t latency = network_->Latency(endpoint_[from], endpoint_[to]);
  network_->world()->After(latency + extra_us,
                           [this, to, keep = self_, deliver = std::move(deliver)]() mutable {
                             const auto alive = keep.lock();
                             if (alive != nullptr && open_[to] && !broken_) deliver();
                           });
}

void Stream::Transmit(int from, Event arrive) {
  if (network_->IsCut(endpoint_[from], endpoint_[1 - from]) || !held_[from].empty()) {
    held_[from].push_back(std::move(arrive));
    return;
  }
  World* world = network_->world();
  const int64_t latency = network_->Latency(endpoint_[from], endpoint_[1 - from]);
  const int64_t at = std::max(last_arrival_us_[from], world->now_us() + latency);
  last_arrival_us_[from] = at;
  world->At(at, std::move(arrive));
}

void Stream::Tell(int end) {
  if (!open_[end]) return;
  open_[end] = false;
  if (closed_[end]) {
    Event closed = std::move(closed_[end]);
    closed_[end] = nullptr;
    closed();
  }
}

void Stream::Close(int end) {
  if (!open_[end]) return;
  open_[end] = false;
  closed_[end] = nullptr;
  const int other = 1 - end;
  if (!open_[other]) return;
  Transmit(end, [this, other, keep = self_] {
    if (const auto alive = keep.lock()) Tell(other);
  });
}

void Stream::Vanish(int end) {
  if (!open_[end]) return;
  open_[end] = false;
  closed_[end] = nullptr;
  held_[end].clear();
  // The other end learns of it by its own keepalive; an acceptor's is long.
  const int other = 1 - end;
  const int64_t silence_us = other == 0 ? keepalive_us_ : 8 * keepalive_us_;
  World* world = network_->world();
  world->After(silence_us + world->rng.Between(0, silence_us), [this, other, keep = self_] {
    if (const auto alive = keep.lock()) Tell(other);
  });
}

void Stream::Reset() {
  if (over()) return;
  broken_ = true;
  World* world = network_->world();
  for (int end = 0; end < 2; ++end) {
    world->After(world->rng.Between(10, 2'000), [this, end, keep = self_] {
      if (const auto alive = keep.lock()) Tell(end);
    });
  }
}

void Stream::OnHealed(int from) {
  std::deque<Event> held = std::exchange(held_[from], {});
  for (Event& event : held) Transmit(from, std::move(event));
}

// The dialler's keepalive is over: it closes; the acceptor hears of it when it can.
void Stream::GiveUp() {
  if (!open_[0]) return;
  broken_ = true;
  Tell(0);
  if (!open_[1]) return;
  Transmit(0, [this, keep = self_] {
    if (const auto alive = keep.lock()) Tell(1);
  });
}

// --- Network

std::shared_ptr<Stream> Network::Connect(int dialler, int acceptor, int64_t keepalive_us,
                                         Event dialler_closed, Event acceptor_closed) {
  ForgetDone();
  auto stream = std::make_shared<Stream>(this, dialler, acceptor, keepalive_us,
                                         std::move(dialler_closed), std::move(acceptor_closed));
  stream->self_ = stream;
  streams_.push_back(stream);
  return stream;
}

void Network::ForgetDone() {
  if (streams_.size() < forget_at_) return;
  std::erase_if(streams_, [](const auto& stream) { return stream->over(); });
  forget_at_ = streams_.size() * 2 + 64;
}

int64_t Network::Latency(int, int) {
  return world_->rng.Skewed(plan_->latency_low_us, plan_->latency_high_us);
}

void Network::Cut(int from, int to) {
  const uint64_t number = next_cut_++;
  if (!cut_.emplace(std::pair{from, to}, number).second) return;
  world_->Note("cut", from, to);
  for (const auto& stream : streams_) {
    const bool forward = stream->endpoint_[0] == from && stream->endpoint_[1] == to;
    const bool backward = stream->endpoint_[0] == to && stream->endpoint_[1] == from;
    if (stream->over() || (!forward && !backward)) continue;
    const int64_t patience =
        stream->keepalive_us_ +
        static_cast<int64_t>(world_->rng.Below(static_cast<uint64_t>(stream->keepalive_us_)));
    world_->After(patience, [this, from, to, number, weak = stream->self_] {
      const auto it = cut_.find({from, to});
      const auto alive = weak.lock();
      if (it != cut_.end() && it->second == number && alive != nullptr) alive->GiveUp();
    });
  }
}

void Network::Heal(int from, int to) {
  if (cut_.erase({from, to}) == 0) return;
  world_->Note("heal", from, to);
  for (size_t i = 0; i < streams_.size(); ++i) {
    const std::shared_ptr<Stream> stream = streams_[i];
    for (int end = 0; end < 2; ++end) {
      if (stream->endpoint_[end] == from && stream->endpoint_[1 - end] == to) {
        stream->OnHealed(end);
      }
    }
  }
}

void Network::HealAll() {
  const auto cuts = cut_;
  for (const auto& [pair, number] : cuts) Heal(pair.first, pair.second);
}

void Network::ResetOne(int endpoint) {
  std::vector<Stream*> open;
  for (const auto& stream : streams_) {
    const bool its = stream->endpoint_[0] == endpoint || stream->endpoint_[1] == endpoint;
    if (its && !stream->over()) open.push_back(stream.get());
  }
  if (open.empty()) return;
  Stream* stream = open[world_->fault_rng.Below(open.size())];
  world_->Note("reset", stream->endpoint_[0], stream->endpoint_[1]);
  stream->Reset();
}

}  // namespace triad::simulation
