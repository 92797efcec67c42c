// Judges what clients saw: is there one order of all their operations, each at some moment between
// being asked and being answered, in which a plain counter of licenses would have answered the
// same?
//
// It shares no code with the Ledger and knows nothing of logs, terms or nodes: only features with a
// total, sessions that hold some of it, and what was asked, when, and answered. So it finds both
// more licenses out than there are, and a denial "all licenses in use" at no moment of which fewer
// were free than asked for. An operation that was never answered may have happened at any later
// time, or never.
//
// The search is Wing and Gong's with Lowe's memory of the states seen; it is done for each group of
// features that checkouts join, apart. One loosening follows: the end of a session counts as an end
// in each group, all within the same interval but not at one moment. The search is bounded; when
// it ends undecided, that is a verdict of its own.
//
// Not thread-safe. Times are numbers that only grow, of any unit: one operation is before another
// if its answer's time is lower than the other's asking time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::simulation {

// What happened, told step by step as it happens (or afterwards, in any order).
class History {
 public:
  using Time = uint64_t;
  using Op = size_t;         // in order of asking, from 0
  using Session = uint64_t;  // a session's life: one that was opened anew is another number

  enum class Mode {
    kExact,  // count, or none
    kUpTo,   // as many as are free, at most count, at least one
    kAll,    // every license that is free, at least one
  };
  struct Item {
    std::string feature;
    uint64_t count = 1;  // not read for kAll
    Mode mode = Mode::kExact;
  };

  enum class Kind { kCheckout, kCheckin, kEndSession, kSetTotal };
  enum class Answer { kNone, kGranted, kInUse, kMoreThanExist, kDone, kNoEffect };
  struct Operation {
    Kind kind = Kind::kCheckout;
    Time asked = 0;
    Answer answer = Answer::kNone;
    Time answered = 0;             // unless kNone, kNoEffect
    Session session = 0;           // checkout, end
    std::vector<Item> items;       // checkout
    std::vector<uint64_t> counts;  // granted
    Op checkout = 0;               // check-in
    size_t item = 0;               // check-in; the item that was denied
    std::string feature;           // total
    uint64_t total = 0;
  };

  // How many licenses there are in the beginning. A feature that is not set has none.
  void Begin(absl::string_view feature, uint64_t total);

  // Asked: each stays unanswered, so may have happened or not, until told otherwise below.
  Op Checkout(Time now, Session session, std::vector<Item> items);
  // Gives back what `checkout` got for its item number `item`.
  Op Checkin(Time now, Op checkout, size_t item);
  // Frees all that the session holds; from then on it gets nothing. Goodbye, a short grace that is
  // over, a time to live that is over: `now` is the earliest moment at which it may happen.
  Op EndSession(Time now, Session session);
  Op SetTotal(Time now, absl::string_view feature, uint64_t total);

  // Answered.
  void Granted(Time now, Op checkout, std::vector<uint64_t> counts);  // one for each item
  // Denied because item number `item` was to be had in too small a number at that moment: "all
  // licenses in use".
  void DeniedInUse(Time now, Op checkout, size_t item);
  // Denied because there are not so many in all, free or not.
  void DeniedMoreThanExist(Time now, Op checkout, size_t item);
  // It happened. A check-in of what the session's end had freed already is no contradiction.
  void Done(Time now, Op op);
  // It certainly had no effect and never will: any other denial, a refusal, a lost session.
  void NoEffect(Op op);

  size_t size() const { return operations_.size(); }
  const std::map<std::string, uint64_t, std::less<>>& totals() const { return totals_; }
  const std::vector<Operation>& operations() const { return operations_; }
  // "3: 17-25 session 2 checkout f exact 2: granted 2"
  std::string Text(Op op) const;
  // One operation a line, in order of asking.
  std::string Text() const;

 private:
  Operation& Ask(Kind kind, Time now);
  Operation& Answered(Op op, Answer answer, Time now);

  std::map<std::string, uint64_t, std::less<>> totals_;
  std::vector<Operation> operations_;
};

enum class Verdict {
  kLegal,
  kIllegal,
  kGaveUp,  // more states than allowed: undecided
};

struct Judgement {
  Verdict verdict = Verdict::kLegal;
  // Illegal, undecided: where the search got furthest, and what fitted nowhere from there.
  std::string why;
  uint64_t states = 0;  // visited, in all groups together
};

// Enough for several hundred operations of ten clients; a second or two when all are needed.
inline constexpr uint64_t kStatesMax = 2'000'000;

// `states_max` is for each group.
Judgement Judge(const History& history, uint64_t states_max = kStatesMax);

}  // namespace triad::simulation
