// Who holds what, reckoned a second time from the same entries, by a model that shares no code with
// the Ledger: the simulator's judge of rules 6 and 7.
//
// It does not decide whom to give a license; it checks that what was decided is allowed: no more
// licenses out than there are, one effect for one request, nothing of a session that has ended,
// nobody served before those who wait for the same, nobody denied or left waiting for what is free.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "license/ledger.h"
#include "triad/v1/command.pb.h"

namespace triad::simulation {

class LicenseModel {
 public:
  // How many licenses of a feature there are from now on.
  void SetTotal(const std::string& feature, uint64_t total) { totals_[feature] = total; }

  uint64_t TotalOf(const std::string& feature) const {
    const auto it = totals_.find(feature);
    return it == totals_.end() ? 0 : it->second;
  }

  // An entry was applied, to this effect. Returns what is wrong with it.
  std::optional<std::string> Apply(const v1::Command& command, const v1::Outcome& outcome,
                                   const std::vector<license::LedgerEvent>& events);

  bool IsOut(uint64_t handle) const { return out_.contains(handle); }
  uint64_t CountOf(uint64_t handle) const;
  // "" if it is not out.
  std::string SessionOf(uint64_t handle) const;
  size_t WaitersOf(const std::string& session) const;
  // Of one who waits though all that it asks for is free and nobody waits for any of it before it;
  // after a whole entry.
  std::optional<std::string> Starving() const;
  // True when this request was applied before.
  bool last_was_duplicate() const { return duplicate_; }

 private:
  struct Out {
    std::string session;
    std::string feature;
    uint64_t count = 0;
  };
  // What a checkout needs of each feature, at least.
  using Needs = std::map<std::string, uint64_t>;
  struct Waiter {
    std::string session;
    Needs needs;
  };
  struct Life {
    std::set<uint64_t> handles;
    std::set<uint64_t> executed;  // seqs that had an answer of the ledger's
  };
  using Event = license::LedgerEvent;

  std::optional<std::string> OnEvent(const Event& event);
  std::optional<std::string> OnCheckedOut(const Event& event);
  std::optional<std::string> OnResized(const Event& event);
  std::optional<std::string> OnDenial(const v1::Request& request, const v1::Denied& denied) const;
  // What the events of a request's own may be, and how many.
  std::optional<std::string> CountEffects(const v1::Request& request, const v1::Outcome& outcome,
                                          const std::vector<Event>& events) const;
  Needs NeedsOf(const v1::Checkout& checkout) const;
  bool AllFree(const Needs& needs) const;
  // The first who waits for the feature under a lower ticket; 0: nobody.
  uint64_t WaitsBefore(const std::string& feature, uint64_t ticket) const;
  std::optional<std::string> OnRequest(const v1::Request& request, const v1::Outcome& outcome,
                                       const std::vector<Event>& events);

  std::map<std::string, uint64_t> totals_;
  std::map<std::string, uint64_t> used_;
  std::map<uint64_t, Out> out_;
  std::map<std::string, Life> sessions_;
  std::map<uint64_t, Waiter> waiters_;  // by ticket
  std::set<uint64_t> given_;            // handles, ever
  bool duplicate_ = false;
};

}  // namespace triad::simulation
