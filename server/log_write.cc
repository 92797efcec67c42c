#include "server/log_write.h"

#include <iterator>
#include <utility>

namespace triad::server {

LogWrite TakeJoined(std::deque<LogWrite>* waiting) {
  LogWrite joined = std::move(waiting->front());
  waiting->pop_front();
  while (!waiting->empty()) {
    LogWrite& next = waiting->front();
    const bool follows = next.entries.empty() || joined.entries.empty() ||
                         next.entries.front().index == joined.entries.back().index + 1;
    // Term and vote stand before the entries of their batch: a newer one may join only an older
    // one's place.
    const bool state_fits = !next.hard_state || joined.entries.empty();
    if (!follows || !state_fits || next.start) break;
    joined.id = next.id;
    if (next.hard_state) joined.hard_state = next.hard_state;
    joined.entries.insert(joined.entries.end(), std::make_move_iterator(next.entries.begin()),
                          std::make_move_iterator(next.entries.end()));
    waiting->pop_front();
  }
  return joined;
}

absl::Status Perform(const LogWrite& write, storage::Log* log) {
  if (!write.start) return log->Append(write.hard_state, write.entries);
  absl::Status status = log->Append(write.hard_state, {});
  if (status.ok()) status = log->Trim(*write.start);
  if (status.ok()) status = log->Append(std::nullopt, write.entries);
  return status;
}

}  // namespace triad::server
