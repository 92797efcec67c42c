#include "tests/simulation/linearizability.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::simulation {
namespace {

using ::testing::HasSubstr;
using Mode = History::Mode;
using Op = History::Op;
using Item = History::Item;

Op Grant(History& history, uint64_t asked, uint64_t answered, uint64_t session, Item item,
         uint64_t count) {
  const Op op = history.Checkout(asked, session, {std::move(item)});
  history.Granted(answered, op, {count});
  return op;
}

Op Deny(History& history, uint64_t asked, uint64_t answered, uint64_t session, Item item) {
  const Op op = history.Checkout(asked, session, {std::move(item)});
  history.DeniedInUse(answered, op, 0);
  return op;
}

void GiveBack(History& history, uint64_t asked, uint64_t answered, Op checkout) {
  history.Done(answered, history.Checkin(asked, checkout, 0));
}

Verdict VerdictOf(const History& history) {
  return Judge(history).verdict;
}

TEST(Linearizability, OneLicenseGoesFromHandToHand) {
  History history;
  history.Begin("f", 1);
  const Op first = Grant(history, 1, 2, 1, {"f"}, 1);
  Deny(history, 3, 4, 2, {"f"});
  GiveBack(history, 5, 6, first);
  Grant(history, 7, 8, 2, {"f"}, 1);
  EXPECT_EQ(VerdictOf(history), Verdict::kLegal);
}

TEST(Linearizability, OneLicenseIsNotOutTwice) {
  History history;
  history.Begin("f", 1);
  Grant(history, 1, 2, 1, {"f"}, 1);
  Grant(history, 1, 9, 2, {"f"}, 1);
  const Judgement judgement = Judge(history);
  EXPECT_EQ(judgement.verdict, Verdict::kIllegal);
  EXPECT_THAT(judgement.why, HasSubstr("f 1 of 1 in use"));
  EXPECT_THAT(judgement.why, HasSubstr("1: 1-9 session 2 checkout f 1: granted 1"));
}

TEST(Linearizability, ADenialNeedsAMomentWhenTooFewWereFree) {
  History history;
  history.Begin("f", 1);
  const Op first = Grant(history, 1, 2, 1, {"f"}, 1);
  GiveBack(history, 3, 4, first);
  Deny(history, 5, 6, 2, {"f"});
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);

  History overlapping;
  overlapping.Begin("f", 1);
  const Op held = Grant(overlapping, 1, 2, 1, {"f"}, 1);
  GiveBack(overlapping, 3, 6, held);
  Deny(overlapping, 5, 6, 2, {"f"});
  EXPECT_EQ(VerdictOf(overlapping), Verdict::kLegal);
}

TEST(Linearizability, WhatWasNeverAnsweredMayHaveHappenedLaterOrNever) {
  for (const bool denied : {false, true}) {
    History history;
    history.Begin("f", 1);
    history.Checkout(1, 1, {{"f"}});
    Grant(history, 5, 6, 2, {"f"}, 1);
    GiveBack(history, 7, 8, 0 + 1);
    if (denied) Deny(history, 9, 10, 3, {"f"});  // it has happened just before
    EXPECT_EQ(VerdictOf(history), Verdict::kLegal) << denied;
    Grant(history, 11, 12, 3, {"f"}, 1);
    EXPECT_EQ(VerdictOf(history), denied ? Verdict::kIllegal : Verdict::kLegal);
  }
}

TEST(Linearizability, AnUnansweredCheckinMayExplainOneGrantNotTwo) {
  History history;
  history.Begin("f", 1);
  const Op first = Grant(history, 1, 2, 1, {"f"}, 1);
  history.Checkin(3, first, 0);
  history.Checkin(4, first, 0);
  Grant(history, 5, 6, 2, {"f"}, 1);
  EXPECT_EQ(VerdictOf(history), Verdict::kLegal);
  Grant(history, 7, 8, 3, {"f"}, 1);
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

TEST(Linearizability, TheEndOfASessionFreesAllItHolds) {
  History history;
  history.Begin("f", 3);
  history.Begin("g", 1);
  Grant(history, 1, 2, 1, {"f", 2}, 2);
  Grant(history, 1, 2, 1, {"g"}, 1);
  Deny(history, 3, 4, 2, {"f", 2});
  history.Done(9, history.EndSession(4, 1));  // some time before 9
  Grant(history, 5, 6, 2, {"f", 3}, 3);
  Grant(history, 7, 8, 2, {"g"}, 1);
  EXPECT_EQ(VerdictOf(history), Verdict::kLegal);
  Grant(history, 10, 11, 1, {"g"}, 1);
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

TEST(Linearizability, ASessionThatHasEndedGetsNothing) {
  History history;
  history.Begin("f", 3);
  Grant(history, 1, 2, 1, {"f"}, 1);
  history.Done(4, history.EndSession(3, 1));
  Grant(history, 5, 6, 1, {"f"}, 1);
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

TEST(Linearizability, ASessionThatIsStillInUseHoldsItsLicenses) {
  History history;
  history.Begin("f", 1);
  Grant(history, 1, 2, 1, {"f"}, 1);
  Grant(history, 3, 4, 2, {"f"}, 1);  // as if 1 had expired
  history.EndSession(5, 1);           // which was not before 5
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

TEST(Linearizability, UpToAndAllGetWhatIsFree) {
  History history;
  history.Begin("f", 5);
  Grant(history, 1, 2, 1, {"f", 3, Mode::kUpTo}, 3);
  const Op rest = Grant(history, 3, 4, 2, {"f", 3, Mode::kUpTo}, 2);
  Deny(history, 5, 6, 3, {"f", 0, Mode::kAll});
  GiveBack(history, 7, 8, rest);
  Grant(history, 9, 10, 3, {"f", 0, Mode::kAll}, 2);
  EXPECT_EQ(VerdictOf(history), Verdict::kLegal);

  History mean;
  mean.Begin("f", 5);
  Grant(mean, 1, 2, 1, {"f", 3, Mode::kUpTo}, 2);  // three were free
  EXPECT_EQ(VerdictOf(mean), Verdict::kIllegal);
}

TEST(Linearizability, SeveralFeaturesComeAtOneMomentOrNotAtAll) {
  History history;
  history.Begin("f", 1);
  history.Begin("g", 1);
  const Op both = history.Checkout(1, 1, {{"f"}, {"g"}});
  history.Granted(2, both, {1, 1});
  const Op other = history.Checkout(3, 2, {{"g"}, {"f"}});
  history.DeniedInUse(4, other, 0);
  EXPECT_EQ(VerdictOf(history), Verdict::kLegal);
  const Op wrong = history.Checkout(5, 2, {{"g"}, {"f"}});
  history.DeniedInUse(6, wrong, 1);  // but its first item was in use as well
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

TEST(Linearizability, ADeniedCheckoutOfSeveralKeepsNothing) {
  History history;
  history.Begin("f", 1);
  history.Begin("g", 0);
  history.DeniedInUse(2, history.Checkout(1, 1, {{"f"}, {"g"}}), 1);
  Deny(history, 3, 4, 2, {"f"});  // as if the first had kept it
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

TEST(Linearizability, OneFeatureTwiceInACheckoutCountsTwice) {
  History history;
  history.Begin("f", 2);
  const Op twice = history.Checkout(1, 1, {{"f"}, {"f"}});
  history.Granted(2, twice, {1, 1});
  Deny(history, 3, 4, 2, {"f"});
  history.Done(6, history.Checkin(5, twice, 1));
  Grant(history, 7, 8, 2, {"f"}, 1);
  EXPECT_EQ(VerdictOf(history), Verdict::kLegal);
}

TEST(Linearizability, ATotalChangesWhileLicensesAreOut) {
  History history;
  history.Begin("f", 2);
  const Op one = Grant(history, 1, 2, 1, {"f"}, 1);
  Grant(history, 1, 2, 2, {"f"}, 1);
  history.Done(4, history.SetTotal(3, "f", 1));
  GiveBack(history, 5, 6, one);
  Deny(history, 7, 8, 3, {"f"});
  history.DeniedMoreThanExist(10, history.Checkout(9, 3, {{"f", 2}}), 0);
  EXPECT_EQ(VerdictOf(history), Verdict::kLegal);
  history.Done(14, history.SetTotal(11, "f", 3));
  history.DeniedMoreThanExist(13, history.Checkout(12, 3, {{"f", 2}}), 0);
  EXPECT_EQ(VerdictOf(history), Verdict::kLegal);
  history.DeniedMoreThanExist(16, history.Checkout(15, 3, {{"f", 2}}), 0);
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

TEST(Linearizability, WhatHadNoEffectFreesAndTakesNothing) {
  History history;
  history.Begin("f", 1);
  history.NoEffect(history.Checkout(1, 1, {{"f"}}));
  Deny(history, 2, 3, 2, {"f"});
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

TEST(Linearizability, AFeatureOfWhichThereIsNoneIsNotGranted) {
  History history;
  Grant(history, 1, 2, 1, {"f"}, 1);
  EXPECT_EQ(VerdictOf(history), Verdict::kIllegal);
}

// ---- Long histories

// Clients that take and give back one of the features, each answer some time after the moment at
// which it is decided; a few answers never come.
class Traffic {
 public:
  Traffic(uint64_t seed, size_t features, uint64_t total) : random_(seed), total_(total) {
    for (size_t i = 0; i < features; ++i) {
      names_.push_back("f" + std::to_string(i));
      history_.Begin(names_.back(), total);
      used_.push_back(0);
    }
  }

  History Make(size_t operations, size_t clients) {
    struct Client {
      uint64_t busy_until = 0;
      size_t feature = 0;
      Op held = 0;
      uint64_t count = 0;
    };
    std::vector<Client> all(clients);
    for (uint64_t now = 1; history_.size() < operations; ++now) {
      const size_t who = Draw(clients);
      Client& client = all[who];
      if (client.busy_until >= now) continue;
      const uint64_t asked = now - Draw(std::min<uint64_t>(now - client.busy_until, 10));
      const uint64_t answered = now + Draw(10);
      const bool lost = Draw(40) == 0;
      client.busy_until = answered;
      if (client.count > 0) {
        const Op op = history_.Checkin(asked, client.held, 0);
        if (!lost) history_.Done(answered, op);
        if (!lost || Draw(2) == 0) used_[client.feature] -= client.count;
        client.count = 0;
        continue;
      }
      client.feature = Draw(names_.size());
      const uint64_t count = 1 + Draw(3);
      uint64_t& used = used_[client.feature];
      const Op op = history_.Checkout(asked, who, {{names_[client.feature], count}});
      const bool fits = used + count <= total_;
      if (lost) {
        if (fits && Draw(2) == 0) used += count;  // held by nobody who knows
        continue;
      }
      if (!fits) {
        history_.DeniedInUse(answered, op, 0);
        continue;
      }
      used += count;
      history_.Granted(answered, op, {count});
      client.held = op;
      client.count = count;
    }
    return history_;
  }

 private:
  uint64_t Draw(uint64_t below) { return random_() % below; }

  std::mt19937_64 random_;
  uint64_t total_;
  History history_;
  std::vector<std::string> names_;
  std::vector<uint64_t> used_;
};

TEST(Linearizability, HistoriesOfManyOperationsAreDecided) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const History history = Traffic(seed, 3, 9).Make(1000, 10);
    const Judgement judgement = Judge(history);
    EXPECT_EQ(judgement.verdict, Verdict::kLegal) << "seed " << seed << "\n" << judgement.why;
  }
}

// Of twenty histories with nine licenses that are judged as if there were `total`, how many are
// found. Not all can be: unanswered operations and long answers may explain what is wrong.
size_t FoundWith(uint64_t total) {
  size_t found = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    History history = Traffic(seed, 1, 9).Make(300, 10);
    history.Begin("f0", total);
    const Verdict verdict = VerdictOf(history);
    EXPECT_NE(verdict, Verdict::kGaveUp) << "seed " << seed;
    if (verdict == Verdict::kIllegal) ++found;
  }
  return found;
}

TEST(Linearizability, TooManySeatsAreFoundInAHistoryOfManyOperations) {
  EXPECT_EQ(FoundWith(9), 0u);
  EXPECT_GE(FoundWith(8), 5u);
  EXPECT_GE(FoundWith(7), 14u);
  EXPECT_GE(FoundWith(5), 18u);
}

TEST(Linearizability, DenialsWhileSeatsAreFreeAreFoundInAHistoryOfManyOperations) {
  EXPECT_GE(FoundWith(10), 5u);
  EXPECT_GE(FoundWith(11), 13u);
  EXPECT_GE(FoundWith(14), 18u);
}

TEST(Linearizability, ASearchThatIsTooLongGivesUp) {
  History history = Traffic(1, 1, 9).Make(300, 10);
  const Judgement judgement = Judge(history, 10);
  EXPECT_EQ(judgement.verdict, Verdict::kGaveUp);
  EXPECT_THAT(judgement.why, HasSubstr("undecided"));
}

// ---- Against all orders there are

// A model as plain as can be: tries every order of every subset that contains all answered
// operations.
class BruteForce {
 public:
  explicit BruteForce(const History& history) : operations_(history.operations()) {
    state_.total = {history.totals().begin(), history.totals().end()};
    left_.resize(operations_.size(), true);
  }

  bool Fits() { return Place(state_); }

 private:
  struct Held {
    uint64_t session;
    std::string feature;
    uint64_t count;
  };
  struct State {
    std::map<std::string, uint64_t> total;
    std::map<std::pair<Op, size_t>, Held> held;
    std::set<uint64_t> ended;
    std::set<Op> happened;
  };

  static bool Answered(const History::Operation& operation) {
    return operation.answer != History::Answer::kNone &&
           operation.answer != History::Answer::kNoEffect;
  }

  bool Place(const State& state) {
    bool done = true;
    for (Op op = 0; op < operations_.size(); ++op) {
      if (left_[op] && Answered(operations_[op])) done = false;
    }
    if (done) return true;
    for (Op op = 0; op < operations_.size(); ++op) {
      if (!left_[op] || operations_[op].answer == History::Answer::kNoEffect || !MayBeNext(op)) {
        continue;
      }
      State after = state;
      if (!Happens(op, &after)) continue;
      left_[op] = false;
      const bool fits = Place(after);
      left_[op] = true;
      if (fits) return true;
    }
    return false;
  }

  bool MayBeNext(Op op) const {
    for (Op other = 0; other < operations_.size(); ++other) {
      if (left_[other] && Answered(operations_[other]) &&
          operations_[other].answered < operations_[op].asked) {
        return false;
      }
    }
    return true;
  }

  static uint64_t FreeOf(const State& state, const std::string& feature) {
    uint64_t used = 0;
    for (const auto& [key, held] : state.held) {
      if (held.feature == feature) used += held.count;
    }
    auto total = state.total.find(feature);
    const uint64_t all = total == state.total.end() ? 0 : total->second;
    return all > used ? all - used : 0;
  }

  bool Happens(Op op, State* state) const {
    const History::Operation& operation = operations_[op];
    state->happened.insert(op);
    switch (operation.kind) {
      case History::Kind::kCheckout:
        return CheckoutHappens(op, state);
      case History::Kind::kCheckin:
        state->held.erase({operation.checkout, operation.item});
        return state->happened.count(operation.checkout) > 0;
      case History::Kind::kEndSession:
        state->ended.insert(operation.session);
        for (auto held = state->held.begin(); held != state->held.end();) {
          held = held->second.session == operation.session ? state->held.erase(held) : ++held;
        }
        return true;
      case History::Kind::kSetTotal:
        state->total[operation.feature] = operation.total;
        return true;
    }
    return false;
  }

  bool CheckoutHappens(Op op, State* state) const {
    const History::Operation& operation = operations_[op];
    if (state->ended.count(operation.session) > 0) return false;
    const State before = *state;
    for (size_t i = 0; i < operation.items.size(); ++i) {
      const Item& item = operation.items[i];
      const uint64_t free = FreeOf(*state, item.feature);
      const uint64_t needed = item.mode == Mode::kExact ? item.count : 1;
      if (free < needed) {
        *state = before;
        if (operation.item != i) return false;
        if (operation.answer == History::Answer::kInUse) return true;
        return operation.answer == History::Answer::kMoreThanExist &&
               state->total[item.feature] < needed;
      }
      const uint64_t count = item.mode == Mode::kAll ? free : std::min(free, item.count);
      if (operation.answer == History::Answer::kGranted && operation.counts[i] != count) {
        return false;
      }
      state->held[{op, i}] = {operation.session, item.feature, count};
    }
    return operation.answer == History::Answer::kGranted ||
           operation.answer == History::Answer::kNone;
  }

  std::vector<History::Operation> operations_;
  State state_;
  std::vector<bool> left_;
};

// A few operations at random times with random answers, likely ones more often.
class SmallHistory {
 public:
  explicit SmallHistory(uint64_t seed) : random_(seed) {}

  History Make() {
    History history;
    history.Begin("f", 1 + Draw(3));
    history.Begin("g", Draw(2));
    // Joins the two, so that the end of a session is one moment here.
    history.NoEffect(history.Checkout(0, 9, {{"f"}, {"g"}}));
    const size_t operations = 3 + Draw(4);
    uint64_t now = 1;
    for (size_t i = 0; i < operations; ++i) {
      now += Draw(3);
      Add(history, now, now + Draw(6));
    }
    return history;
  }

 private:
  uint64_t Draw(uint64_t below) { return random_() % below; }

  void Add(History& history, uint64_t asked, uint64_t answered) {
    const bool lost = Draw(6) == 0;
    const uint64_t kind = Draw(10);
    Op op = 0;
    if (kind == 0) {
      op = history.SetTotal(asked, Draw(3) == 0 ? "g" : "f", Draw(4));
    } else if (kind == 1) {
      op = history.EndSession(asked, Draw(3));
    } else if (kind < 5 && !granted_.empty()) {
      const auto [checkout, items] = granted_[Draw(granted_.size())];
      op = history.Checkin(asked, checkout, Draw(items));
    } else {
      AddCheckout(history, asked, answered, lost);
      return;
    }
    if (!lost) history.Done(answered, op);
  }

  void AddCheckout(History& history, uint64_t asked, uint64_t answered, bool lost) {
    std::vector<Item> items;
    const size_t count = 1 + (Draw(4) == 0 ? 1 : 0);
    for (size_t i = 0; i < count; ++i) {
      const Mode modes[] = {Mode::kExact, Mode::kExact, Mode::kUpTo, Mode::kAll};
      items.push_back({Draw(3) == 0 ? "g" : "f", 1 + Draw(2), modes[Draw(4)]});
    }
    const Op op = history.Checkout(asked, Draw(3), items);
    if (lost) return;
    const uint64_t answer = Draw(8);
    if (answer == 0) {
      history.DeniedMoreThanExist(answered, op, Draw(count));
    } else if (answer < 4) {
      history.DeniedInUse(answered, op, Draw(count));
    } else {
      std::vector<uint64_t> counts;
      for (const Item& item : items) {
        counts.push_back(item.mode == Mode::kExact ? item.count : 1 + Draw(2));
      }
      history.Granted(answered, op, std::move(counts));
      granted_.emplace_back(op, count);
    }
  }

  std::mt19937_64 random_;
  std::vector<std::pair<Op, size_t>> granted_;
};

TEST(Linearizability, JudgesSmallHistoriesAsTryingAllOrdersDoes) {
  constexpr uint64_t kHistories = 20000;
  size_t legal = 0;
  for (uint64_t seed = 1; seed <= kHistories; ++seed) {
    const History history = SmallHistory(seed).Make();
    const bool fits = BruteForce(history).Fits();
    if (fits) ++legal;
    ASSERT_EQ(VerdictOf(history), fits ? Verdict::kLegal : Verdict::kIllegal)
        << "seed " << seed << "\n"
        << history.Text() << Judge(history).why;
  }
  // Neither kind is rare.
  EXPECT_GT(legal, kHistories / 10);
  EXPECT_LT(legal, kHistories * 9 / 10);
}

}  // namespace
}  // namespace triad::simulation
