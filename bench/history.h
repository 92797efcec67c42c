// What the seats of a run were asked and answered, and whether that makes sense: written down while
// the run goes (a few words for each message), judged when it is over.
//
// Checked always: a handle is granted once, ever, and given back by who has it; an answer comes
// once. With the number of seats known: never more out at a time than there are (from a grant's
// answer until its check-in is asked for, a seat is out for certain), and none denied while one was
// free all the time. Linearized() asks the simulator's judge whether there is one order of all that
// fits (tests/simulation/linearizability.h). Not thread-safe. Times: any unit, never falling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/linearizability.h"

namespace triad::bench {

class SeatHistory {
 public:
  // Of each run the first so many messages are kept; 8 MB.
  static constexpr size_t kEventsMax = 200'000;

  explicit SeatHistory(size_t events_max = kEventsMax) : events_max_(events_max) {}

  // `request`: a number of its own for each. One seat is asked for.
  void AskedOut(int64_t now, uint64_t request, int session);
  void AskedIn(int64_t now, uint64_t request, int session, uint64_t handle);
  void Granted(int64_t now, uint64_t request, uint64_t handle);
  void DeniedInUse(int64_t now, uint64_t request);
  void Done(int64_t now, uint64_t request);  // a check-in

  // The messages that came when there was no more room: they are not judged. Goes with a result.
  int64_t unjudged() const { return unjudged_; }

  // What cannot be, in one line that names the operations; "": nothing. `seats` 0: not known.
  std::string Contradiction(uint64_t seats) const;
  simulation::Judgement Linearized(uint64_t seats, uint64_t states_max) const;

 private:
  enum class Kind : uint8_t { kAskedOut, kAskedIn, kGranted, kDenied, kDone };
  struct Event {
    int64_t at = 0;
    uint64_t request = 0;
    uint64_t handle = 0;
    int session = 0;
    Kind kind = Kind::kAskedOut;
  };
  struct Operation;
  void Note(const Event& event);
  // In order of asking; the first contradiction among them goes to `wrong`.
  std::vector<Operation> Operations(std::string& wrong) const;

  const size_t events_max_;
  std::vector<Event> events_;
  int64_t unjudged_ = 0;
};

}  // namespace triad::bench
