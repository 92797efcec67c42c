#include "client/seat_book.h"

#include <algorithm>
#include <iterator>

#include "client/limits.h"

namespace triad::client {

SeatBook::SeatBook(std::string feature, uint64_t licenses)
    : feature_(std::move(feature)), licenses_(licenses) {
}

void SeatBook::Say(bool restored, const std::string& reason, const std::string& agent) {
  events_.push_back({restored, feature_, reason, agent});
}

SeatBook::Place& SeatBook::Take(const std::string& agent, Seat* seat) {
  const auto found = orders_.find(agent);
  if (found != orders_.end()) {
    const auto place = licensed_.find(found->second);
    *seat = {place != licensed_.end(), /*shared=*/true};
    return seat->licensed ? place->second : beyond_.at(found->second);
  }
  const Order order = next_order_++;
  orders_[agent] = order;
  *seat = {licensed_.size() < licenses_, /*shared=*/false};
  Place& place = (seat->licensed ? licensed_ : beyond_)[order];
  place.agent = agent;
  if (!seat->licensed) {
    place.reason = kReasonUsageLevelExceeded;
    Say(/*restored=*/false, place.reason, agent);
  }
  return place;
}

Seat SeatBook::Allocate(const std::string& agent, int64_t now_ms) {
  Advance(now_ms);
  Seat seat;
  ++Take(agent, &seat).uses;
  return seat;
}

Seat SeatBook::AllocateFor(const std::string& agent, int64_t duration_ms, int64_t now_ms) {
  Advance(now_ms);
  Seat seat;
  Place& place = Take(agent, &seat);
  const Order order = orders_.at(agent);
  const int64_t end_ms = now_ms_ + std::clamp<int64_t>(duration_ms, 0, kSeatTimeMsMax);
  if (!place.timed || end_ms > place.end_ms) {
    if (place.timed) ends_.erase({place.end_ms, order});
    place.timed = true;
    place.end_ms = end_ms;
    ends_.insert({end_ms, order});
  }
  return seat;
}

bool SeatBook::Release(const std::string& agent, int64_t now_ms) {
  Advance(now_ms);
  const auto found = orders_.find(agent);
  if (found == orders_.end()) return false;
  const Order order = found->second;
  const auto licensed = licensed_.find(order);
  Place& place = licensed != licensed_.end() ? licensed->second : beyond_.at(order);
  if (place.uses == 0) return false;
  if (--place.uses == 0 && !place.timed) Leave(order);
  return true;
}

bool SeatBook::ReleaseAll(const std::string& agent, int64_t now_ms) {
  Advance(now_ms);
  const auto found = orders_.find(agent);
  if (found == orders_.end()) return false;
  Leave(found->second);
  return true;
}

void SeatBook::Advance(int64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  while (!ends_.empty() && ends_.begin()->first <= now_ms_) {
    const Order order = ends_.begin()->second;
    ends_.erase(ends_.begin());
    const auto licensed = licensed_.find(order);
    Place& place = licensed != licensed_.end() ? licensed->second : beyond_.at(order);
    place.timed = false;
    if (place.uses == 0) Leave(order);
  }
}

void SeatBook::Leave(Order order) {
  const auto licensed = licensed_.find(order);
  const bool was_licensed = licensed != licensed_.end();
  const Place place = was_licensed ? licensed->second : beyond_.at(order);
  if (place.timed) ends_.erase({place.end_ms, order});
  orders_.erase(place.agent);
  if (was_licensed) {
    licensed_.erase(licensed);
  } else {
    beyond_.erase(order);
    Say(/*restored=*/true, place.reason, place.agent);
  }
  Balance("");
}

void SeatBook::SetLicenses(uint64_t licenses, const std::string& reason) {
  licenses_ = licenses;
  Balance(reason);
}

// Moves the cut through the list of agents to where the licenses end.
void SeatBook::Balance(const std::string& reason) {
  while (licensed_.size() > licenses_) {
    auto last = licensed_.extract(std::prev(licensed_.end()));
    last.mapped().reason = reason;
    Say(/*restored=*/false, reason, last.mapped().agent);
    beyond_.insert(std::move(last));
  }
  while (licensed_.size() < licenses_ && !beyond_.empty()) {
    auto first = beyond_.extract(beyond_.begin());
    Say(/*restored=*/true, first.mapped().reason, first.mapped().agent);
    licensed_.insert(std::move(first));
  }
}

void SeatBook::BeginViolation(const std::string& reason, const std::string& agent) {
  if (causes_.insert({reason, agent}).second) Say(/*restored=*/false, reason, agent);
}

void SeatBook::EndViolation(const std::string& reason, const std::string& agent) {
  if (causes_.erase({reason, agent}) > 0) Say(/*restored=*/true, reason, agent);
}

std::vector<LicensingEvent> SeatBook::TakeEvents() {
  return std::exchange(events_, {});
}

SeatCounts SeatBook::counts() const {
  return {licenses_, orders_.size(), licensed_.size(), beyond_.size()};
}

std::vector<std::string> SeatBook::Beyond() const {
  std::vector<std::string> agents;
  for (const auto& [order, place] : beyond_) agents.push_back(place.agent);
  return agents;
}

bool SeatBook::Licensed(const std::string& agent) const {
  const auto found = orders_.find(agent);
  return found != orders_.end() && licensed_.count(found->second) > 0;
}

}  // namespace triad::client

namespace triad {

const char* LicensingEvent::number() const {
  return restored ? "00-07101" : "00-07100";
}

std::string LicensingEvent::ToString() const {
  std::string line = number();
  line += restored ? " Licensing Restored: " : " Licensing Violation: ";
  line += feature + ": " + reason;
  if (!agent.empty()) line += ": agent " + agent;
  return line;
}

bool operator==(const LicensingEvent& a, const LicensingEvent& b) {
  return a.restored == b.restored && a.feature == b.feature && a.reason == b.reason &&
         a.agent == b.agent;
}

}  // namespace triad
