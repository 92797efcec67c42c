// Writes down what clients asked and were answered, for the judge of histories (linearizability.h).
//
// What it listens to is the wire between an application's library and the nodes: a request is asked
// when its (session, seq) is first sent, and answered when the first outcome of it arrives. So what
// the library does on its own (asking again for what was lost, giving back what nobody waited for)
// is in the history as well. The end of a session is no answer to anybody: it is noted from
// outside, between the writing of the entry that ends it and its first Apply.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tests/simulation/linearizability.h"
#include "triad/v1/license.pb.h"

namespace triad::simulation {

class Recorder {
 public:
  void Begin(const std::map<std::string, uint64_t>& totals);

  // `process`: one run of one application; message ids are its own.
  void OnSent(int64_t now_us, uint64_t process, const v1::ClientMessage& message);
  void OnTold(int64_t now_us, uint64_t process, const v1::ServerMessage& message);
  void OnEnded(int64_t written_us, int64_t applied_us, const std::string& session);

  void OnTotal(int64_t written_us, int64_t applied_us, const std::string& feature, uint64_t total);

  // Nothing that comes from now on belongs to this history.
  void Stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  const History& history() const { return history_; }

 private:
  struct Asked {
    History::Op op = 0;
    bool checkout = false;
    bool answered = false;
    std::vector<std::string> features;
  };
  using Request = std::pair<std::string, uint64_t>;  // session, seq

  History::Session NumberOf(const std::string& session);
  void OnOutcome(int64_t now_us, Asked& asked, const v1::Outcome& outcome);

  bool stopped_ = false;
  History history_;
  std::map<std::string, History::Session> sessions_;
  std::map<Request, Asked> asked_;
  std::map<std::pair<uint64_t, uint64_t>, Request> sent_;       // process, message id
  std::map<uint64_t, std::pair<History::Op, size_t>> granted_;  // handle -> checkout, item
};

}  // namespace triad::simulation
