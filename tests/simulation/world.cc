#include "tests/simulation/world.h"

namespace triad::simulation {

bool World::RunUntil(int64_t time_us) {
  while (!heap_.empty() && heap_.front().time_us <= time_us && !failed()) {
    const Due due = PopFirst();
    now_us_ = due.time_us;
    Event event = std::move(places_[due.place]);
    free_.push_back(due.place);
    ++events_;
    event();
  }
  if (!failed() && now_us_ < time_us) now_us_ = time_us;
  return !failed();
}

uint32_t World::TakePlace(Event event) {
  if (free_.empty()) {
    places_.push_back(std::move(event));
    return static_cast<uint32_t>(places_.size() - 1);
  }
  const uint32_t place = free_.back();
  free_.pop_back();
  places_[place] = std::move(event);
  return place;
}

void World::Rise(size_t at) {
  const Due due = heap_[at];
  while (at > 0) {
    const size_t parent = (at - 1) / 2;
    if (!due.Before(heap_[parent])) break;
    heap_[at] = heap_[parent];
    at = parent;
  }
  heap_[at] = due;
}

World::Due World::PopFirst() {
  const Due first = heap_.front();
  const Due last = heap_.back();
  heap_.pop_back();
  const size_t size = heap_.size();
  size_t at = 0;
  while (size > 0) {
    size_t child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && heap_[child + 1].Before(heap_[child])) ++child;
    if (!heap_[child].Before(last)) break;
    heap_[at] = heap_[child];
    at = child;
  }
  if (size > 0) heap_[at] = last;
  return first;
}

}  // namespace triad::simulation
