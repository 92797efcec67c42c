// What a SeatPool decides: which agents have one of its licenses, who is in violation and why, when
// that ends. Not thread-safe; no clock of its own: the caller says what time it is, in milliseconds
// since any moment (a step back is not believed).
//
// The licensed agents are always the first ones by the order in which they came, so there is one
// list of agents cut in two. That is simpler than seats with owners, and a freed or added license
// goes to the agent that waits longest without anyone looking for it.
//
// Invariant: an agent beyond the count has exactly one violation that is not restored; nobody is
// beyond while a license is free.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "triad/seat_pool.h"

namespace triad::client {

class SeatBook {
 public:
  SeatBook(std::string feature, uint64_t licenses);

  // As SeatPool's functions of the same names.
  Seat Allocate(const std::string& agent, int64_t now_ms);
  Seat AllocateFor(const std::string& agent, int64_t duration_ms, int64_t now_ms);
  bool Release(const std::string& agent, int64_t now_ms);
  bool ReleaseAll(const std::string& agent, int64_t now_ms);
  void Advance(int64_t now_ms);

  // So many licenses from now on; `reason` is why, should there be agents beyond them.
  void SetLicenses(uint64_t licenses, const std::string& reason);

  // A cause that is not one agent too many: of the whole feature (`agent` is "") or of one agent's
  // doing. It is reported once, however often it begins.
  void BeginViolation(const std::string& reason, const std::string& agent);
  void EndViolation(const std::string& reason, const std::string& agent);

  // What happened since it was last asked, oldest first.
  std::vector<LicensingEvent> TakeEvents();

  SeatCounts counts() const;
  std::vector<std::string> Beyond() const;
  bool Licensed(const std::string& agent) const;

 private:
  using Order = uint64_t;  // grows with every agent that comes
  struct Place {
    std::string agent;
    uint64_t uses = 0;   // Allocate less Release
    int64_t end_ms = 0;  // of its time; only if timed
    bool timed = false;
    std::string reason;  // why it is beyond
  };

  Place& Take(const std::string& agent, Seat* seat);
  void Leave(Order order);
  void Balance(const std::string& reason);
  void Say(bool restored, const std::string& reason, const std::string& agent);

  const std::string feature_;
  uint64_t licenses_;
  int64_t now_ms_ = INT64_MIN;
  Order next_order_ = 0;
  std::map<std::string, Order> orders_;
  // Every key of licensed_ is less than every key of beyond_.
  std::map<Order, Place> licensed_;
  std::map<Order, Place> beyond_;
  std::set<std::pair<int64_t, Order>> ends_;              // of the timed places
  std::set<std::pair<std::string, std::string>> causes_;  // reason, agent
  std::vector<LicensingEvent> events_;
};

}  // namespace triad::client
