#include "tests/simulation/linearizability.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace triad::simulation {
namespace {

using Op = History::Op;
using Time = History::Time;
using Kind = History::Kind;
using Answer = History::Answer;
using Mode = History::Mode;

constexpr Time kNever = std::numeric_limits<Time>::max();
constexpr size_t kNone = std::numeric_limits<size_t>::max();
// Told of an illegal history: how many operations that fit nowhere.
constexpr size_t kStuckTold = 8;

uint64_t Mix(uint64_t x) {  // splitmix64's finish
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Names a state: the exclusive or of what holds in it. Wide, because two states with the same
// print would be taken for one.
struct Print {
  uint64_t high = 0;
  uint64_t low = 0;

  // A fact comes or goes.
  void Toggle(uint64_t kind, uint64_t what, uint64_t value) {
    const uint64_t fact = Mix(Mix(Mix(kind) ^ what) ^ value);
    high ^= fact;
    low ^= Mix(fact ^ 0x5851f42d4c957f2d);
  }
  friend bool operator==(const Print& a, const Print& b) {
    return a.high == b.high && a.low == b.low;
  }
  template <typename H>
  friend H AbslHashValue(H h, const Print& print) {
    return H::combine(std::move(h), print.high, print.low);
  }
};

// Groups of features that checkouts join, each with its operations in order of asking.
class Groups {
 public:
  explicit Groups(const History& history);
  std::vector<std::vector<Op>> Take();

 private:
  size_t Find(size_t feature);
  size_t NumberOf(const std::string& feature);

  const History& history_;
  std::map<std::string, size_t> numbers_;
  std::vector<size_t> parent_;
};

Groups::Groups(const History& history) : history_(history) {
  for (const History::Operation& operation : history.operations()) {
    size_t first = kNone;
    for (const History::Item& item : operation.items) {
      const size_t feature = Find(NumberOf(item.feature));
      if (first == kNone) first = feature;
      parent_[feature] = Find(first);
    }
    if (operation.kind == Kind::kSetTotal) NumberOf(operation.feature);
  }
}

size_t Groups::NumberOf(const std::string& feature) {
  auto [place, fresh] = numbers_.try_emplace(feature, parent_.size());
  if (fresh) parent_.push_back(place->second);
  return place->second;
}

size_t Groups::Find(size_t feature) {
  while (parent_[feature] != feature) feature = parent_[feature] = parent_[parent_[feature]];
  return feature;
}

std::vector<std::vector<Op>> Groups::Take() {
  const std::vector<History::Operation>& operations = history_.operations();
  std::map<size_t, std::vector<Op>> groups;
  std::map<History::Session, std::set<size_t>> groups_of;  // where a session asked for something
  auto group_of = [&](const History::Operation& checkout) {
    return Find(NumberOf(checkout.items.front().feature));
  };
  for (const History::Operation& operation : operations) {
    if (operation.kind == Kind::kCheckout && !operation.items.empty()) {
      groups_of[operation.session].insert(group_of(operation));
    }
  }
  for (Op op = 0; op < operations.size(); ++op) {
    const History::Operation& operation = operations[op];
    if (operation.answer == Answer::kNoEffect) continue;
    switch (operation.kind) {
      case Kind::kCheckout:
        if (!operation.items.empty()) groups[group_of(operation)].push_back(op);
        break;
      case Kind::kCheckin:
        groups[group_of(operations[operation.checkout])].push_back(op);
        break;
      case Kind::kSetTotal:
        groups[Find(NumberOf(operation.feature))].push_back(op);
        break;
      case Kind::kEndSession:
        for (size_t group : groups_of[operation.session]) groups[group].push_back(op);
        break;
    }
  }
  std::vector<std::vector<Op>> result;
  for (auto& [root, ops] : groups) result.push_back(std::move(ops));
  return result;
}

// Looks for an order of one group's operations.
class Search {
 public:
  Search(const History& history, const std::vector<Op>& ops, uint64_t states_max);

  Verdict Run();
  uint64_t states() const { return states_; }
  // After kIllegal, kGaveUp.
  std::string Why() const;

 private:
  struct Item {
    size_t feature;
    uint64_t count;
    Mode mode;
  };
  struct Step {
    Op op = 0;
    Kind kind = Kind::kCheckout;
    Answer answer = Answer::kNone;
    Time asked = 0;
    Time answered = kNever;  // kNever: not answered
    size_t session = kNone;
    std::vector<Item> items;
    std::vector<uint64_t> counts;
    size_t checkout = kNone;  // check-in: the step
    size_t item = 0;
    size_t feature = kNone;
    uint64_t total = 0;
    // Unanswered: the one before that would do just the same. Taken first, because which of them
    // happened cannot be told apart.
    size_t twin = kNone;
    std::vector<uint64_t> held;  // of each item, now
    bool taken = false;
  };
  // How to take a step back.
  struct Back {
    std::vector<std::pair<size_t, uint64_t>> freed;  // step, what all its items held: see FreeItem
    std::vector<size_t> freed_item;
    uint64_t total = 0;
    bool ended = false;
  };

  size_t FeatureOf(const History& history, const std::string& name);
  void Link();
  void FindTwins();
  bool definite(const Step& step) const { return step.answered != kNever; }

  bool Explore(size_t first_answered, size_t first_asked);
  // Everything that may come next, the most pressing first.
  std::vector<size_t> Candidates(size_t first_answered, size_t* first_asked) const;
  // True: it changes nothing now, and would not later either, so it can as well be now.
  bool Idle(const Step& step) const;
  // False: it cannot have happened now; nothing has changed then.
  bool Take(size_t number, Back* back);
  void TakeBack(size_t number, const Back& back);
  bool TakeCheckout(size_t number);
  void FreeItem(size_t number, size_t item, Back* back);
  // What each item would get; the number of the first that gets nothing, or kNone.
  size_t Decide(const Step& step, std::vector<uint64_t>* counts) const;
  uint64_t FreeOf(size_t feature, const std::vector<Item>& items,
                  const std::vector<uint64_t>& counts) const;
  void Hold(size_t number, size_t item, uint64_t count);
  void Mark(Step& step, size_t number, bool taken);
  void NoteProgress(const std::vector<size_t>& candidates);

  const History& history_;
  const uint64_t states_max_;
  std::vector<Step> steps_;        // in order of asking
  std::vector<size_t> by_answer_;  // the answered ones
  std::map<std::string, size_t> feature_numbers_;
  std::vector<uint64_t> total_, used_;          // by feature
  std::vector<std::vector<size_t>> checkouts_;  // by session: its steps
  std::vector<char> ended_;                     // by session
  size_t left_ = 0;                             // answered steps not taken
  Print print_;
  absl::flat_hash_set<Print> seen_;
  uint64_t states_ = 0;
  bool gave_up_ = false;
  size_t best_left_ = kNone;
  std::vector<size_t> best_stuck_;
  std::string best_state_;
};

enum Fact : uint64_t { kTaken, kHeld, kTotal, kEnded };

Search::Search(const History& history, const std::vector<Op>& ops, uint64_t states_max)
    : history_(history), states_max_(states_max) {
  std::map<History::Session, size_t> sessions;
  for (Op op : ops) {
    const History::Operation& operation = history.operations()[op];
    Step step;
    step.op = op;
    step.kind = operation.kind;
    step.answer = operation.answer;
    step.asked = operation.asked;
    step.answered = operation.answer == Answer::kNone ? kNever : operation.answered;
    if (step.kind == Kind::kCheckout || step.kind == Kind::kEndSession) {
      step.session = sessions.try_emplace(operation.session, sessions.size()).first->second;
    }
    for (const History::Item& item : operation.items) {
      step.items.push_back({FeatureOf(history, item.feature), item.count, item.mode});
    }
    step.counts = operation.counts;
    step.held.resize(step.items.size());
    step.checkout = operation.checkout;
    step.item = operation.item;
    step.total = operation.total;
    if (step.kind == Kind::kSetTotal) step.feature = FeatureOf(history, operation.feature);
    steps_.push_back(std::move(step));
  }
  std::stable_sort(steps_.begin(), steps_.end(),
                   [](const Step& a, const Step& b) { return a.asked < b.asked; });
  checkouts_.resize(sessions.size());
  ended_.resize(sessions.size());
  Link();
  FindTwins();
}

size_t Search::FeatureOf(const History& history, const std::string& name) {
  auto [place, fresh] = feature_numbers_.try_emplace(name, total_.size());
  if (fresh) {
    auto total = history.totals().find(name);
    total_.push_back(total == history.totals().end() ? 0 : total->second);
    used_.push_back(0);
  }
  return place->second;
}

void Search::Link() {
  std::map<Op, size_t> numbers;
  for (size_t i = 0; i < steps_.size(); ++i) {
    numbers[steps_[i].op] = i;
    if (steps_[i].kind == Kind::kCheckout) checkouts_[steps_[i].session].push_back(i);
    if (definite(steps_[i])) by_answer_.push_back(i);
  }
  for (Step& step : steps_) {
    if (step.kind != Kind::kCheckin) continue;
    auto checkout = numbers.find(step.checkout);
    step.checkout = checkout == numbers.end() ? kNone : checkout->second;
  }
  std::stable_sort(by_answer_.begin(), by_answer_.end(),
                   [this](size_t a, size_t b) { return steps_[a].answered < steps_[b].answered; });
  left_ = by_answer_.size();
}

void Search::FindTwins() {
  std::set<size_t> named;  // checkouts that a check-in means
  for (const Step& step : steps_) {
    if (step.kind == Kind::kCheckin) named.insert(step.checkout);
  }
  using Key =
      std::tuple<Kind, size_t, size_t, uint64_t, std::vector<std::tuple<size_t, uint64_t, Mode>>>;
  std::map<Key, size_t> last;
  for (size_t i = 0; i < steps_.size(); ++i) {
    Step& step = steps_[i];
    if (definite(step) || named.count(i) > 0) continue;
    std::vector<std::tuple<size_t, uint64_t, Mode>> items;
    for (const Item& item : step.items) items.emplace_back(item.feature, item.count, item.mode);
    const size_t who = step.kind == Kind::kCheckin ? step.checkout : step.session;
    const Key key{step.kind, who, step.kind == Kind::kSetTotal ? step.feature : step.item,
                  step.total, std::move(items)};
    auto [place, fresh] = last.try_emplace(key, i);
    if (!fresh) step.twin = std::exchange(place->second, i);
  }
}

Verdict Search::Run() {
  if (Explore(0, 0)) return Verdict::kLegal;
  return gave_up_ ? Verdict::kGaveUp : Verdict::kIllegal;
}

bool Search::Explore(size_t first_answered, size_t first_asked) {
  if (left_ == 0) return true;
  if (!seen_.insert(print_).second) return false;
  if (++states_ > states_max_) {
    gave_up_ = true;
    return false;
  }
  while (steps_[by_answer_[first_answered]].taken) ++first_answered;
  const std::vector<size_t> candidates = Candidates(first_answered, &first_asked);
  NoteProgress(candidates);
  for (size_t number : candidates) {
    const bool idle = Idle(steps_[number]);
    Back back;
    if (!Take(number, &back)) continue;
    if (Explore(first_answered, first_asked)) return true;
    TakeBack(number, back);
    if (idle || gave_up_) return false;
  }
  return false;
}

std::vector<size_t> Search::Candidates(size_t first_answered, size_t* first_asked) const {
  // Whoever was asked after this answer cannot come before it.
  const Time bound = steps_[by_answer_[first_answered]].answered;
  std::vector<std::tuple<bool, Time, size_t>> candidates;  // what changes something comes later
  bool all_taken = true;
  for (size_t i = *first_asked; i < steps_.size() && steps_[i].asked <= bound; ++i) {
    if (steps_[i].taken) {
      if (all_taken) *first_asked = i + 1;
      continue;
    }
    all_taken = false;
    candidates.emplace_back(!Idle(steps_[i]), steps_[i].answered, i);
  }
  std::sort(candidates.begin(), candidates.end());
  std::vector<size_t> numbers;
  for (const auto& [changes, answered, number] : candidates) numbers.push_back(number);
  return numbers;
}

bool Search::Idle(const Step& step) const {
  if (!definite(step)) return false;
  if (step.answer == Answer::kInUse || step.answer == Answer::kMoreThanExist) {
    if (ended_[step.session]) return false;
    std::vector<uint64_t> counts;
    const size_t denied = Decide(step, &counts);
    if (denied != step.item) return false;
    const Item& item = step.items[denied];
    const uint64_t needed = item.mode == Mode::kExact ? item.count : 1;
    return step.answer == Answer::kInUse || total_[item.feature] < needed;
  }
  if (step.kind == Kind::kCheckin) {
    return step.checkout == kNone ||
           (steps_[step.checkout].taken && step.item < steps_[step.checkout].held.size() &&
            steps_[step.checkout].held[step.item] == 0);
  }
  return false;
}

uint64_t Search::FreeOf(size_t feature, const std::vector<Item>& items,
                        const std::vector<uint64_t>& counts) const {
  uint64_t used = used_[feature];
  for (size_t i = 0; i < counts.size(); ++i) {
    if (items[i].feature == feature) used += counts[i];
  }
  return total_[feature] > used ? total_[feature] - used : 0;
}

size_t Search::Decide(const Step& step, std::vector<uint64_t>* counts) const {
  for (size_t i = 0; i < step.items.size(); ++i) {
    const Item& item = step.items[i];
    const uint64_t free = FreeOf(item.feature, step.items, *counts);
    const uint64_t needed = item.mode == Mode::kExact ? item.count : 1;
    if (free < needed) return i;
    counts->push_back(item.mode == Mode::kAll ? free : std::min(free, item.count));
  }
  return kNone;
}

bool Search::Take(size_t number, Back* back) {
  Step& step = steps_[number];
  if (step.twin != kNone && !steps_[step.twin].taken) return false;
  switch (step.kind) {
    case Kind::kCheckout:
      if (!TakeCheckout(number)) return false;
      break;
    case Kind::kCheckin: {
      if (step.checkout == kNone) break;
      const Step& checkout = steps_[step.checkout];
      if (!checkout.taken || step.item >= checkout.held.size()) return false;
      if (checkout.held[step.item] == 0 && !definite(step)) return false;  // to no end
      FreeItem(step.checkout, step.item, back);
      break;
    }
    case Kind::kEndSession:
      if (ended_[step.session] && !definite(step)) return false;  // to no end
      back->ended = ended_[step.session] != 0;
      if (!back->ended) print_.Toggle(kEnded, step.session, 1);
      ended_[step.session] = 1;
      for (size_t checkout : checkouts_[step.session]) {
        for (size_t i = 0; i < steps_[checkout].held.size(); ++i) FreeItem(checkout, i, back);
      }
      break;
    case Kind::kSetTotal:
      back->total = total_[step.feature];
      print_.Toggle(kTotal, step.feature, total_[step.feature]);
      total_[step.feature] = step.total;
      print_.Toggle(kTotal, step.feature, total_[step.feature]);
      break;
  }
  Mark(step, number, true);
  return true;
}

bool Search::TakeCheckout(size_t number) {
  Step& step = steps_[number];
  if (step.answer == Answer::kInUse || step.answer == Answer::kMoreThanExist) return Idle(step);
  if (ended_[step.session]) return false;
  std::vector<uint64_t> counts;
  if (Decide(step, &counts) != kNone) return false;
  if (definite(step) && counts != step.counts) return false;
  for (size_t i = 0; i < counts.size(); ++i) Hold(number, i, counts[i]);
  return true;
}

void Search::Hold(size_t number, size_t item, uint64_t count) {
  uint64_t& held = steps_[number].held[item];
  const size_t feature = steps_[number].items[item].feature;
  const uint64_t what = uint64_t{number} << 16 | item;
  if (held > 0) print_.Toggle(kHeld, what, held);
  used_[feature] = used_[feature] - held + count;
  held = count;
  if (held > 0) print_.Toggle(kHeld, what, held);
}

void Search::FreeItem(size_t number, size_t item, Back* back) {
  const uint64_t held = steps_[number].held[item];
  if (held == 0) return;
  back->freed.emplace_back(number, held);
  back->freed_item.push_back(item);
  Hold(number, item, 0);
}

void Search::Mark(Step& step, size_t number, bool taken) {
  step.taken = taken;
  print_.Toggle(kTaken, number, 1);
  if (definite(step)) left_ += taken ? -1 : 1;
}

void Search::TakeBack(size_t number, const Back& back) {
  Step& step = steps_[number];
  Mark(step, number, false);
  if (step.kind == Kind::kCheckout) {
    for (size_t i = 0; i < step.held.size(); ++i) Hold(number, i, 0);
  }
  if (step.kind == Kind::kSetTotal) {
    print_.Toggle(kTotal, step.feature, total_[step.feature]);
    total_[step.feature] = back.total;
    print_.Toggle(kTotal, step.feature, total_[step.feature]);
  }
  if (step.kind == Kind::kEndSession && !back.ended) {
    print_.Toggle(kEnded, step.session, 1);
    ended_[step.session] = 0;
  }
  for (size_t i = 0; i < back.freed.size(); ++i) {
    Hold(back.freed[i].first, back.freed_item[i], back.freed[i].second);
  }
}

void Search::NoteProgress(const std::vector<size_t>& candidates) {
  if (left_ >= best_left_) return;
  best_left_ = left_;
  best_stuck_.clear();
  for (size_t number : candidates) {
    if (best_stuck_.size() < kStuckTold && definite(steps_[number])) best_stuck_.push_back(number);
  }
  best_state_.clear();
  for (const auto& [name, feature] : feature_numbers_) {
    absl::StrAppend(&best_state_, best_state_.empty() ? "" : ", ", name, " ", used_[feature],
                    " of ", total_[feature], " in use");
  }
}

std::string Search::Why() const {
  const size_t placed = by_answer_.size() - std::min(best_left_, by_answer_.size());
  std::string why = absl::StrCat(gave_up_ ? "undecided" : "no order fits", ": after ", placed,
                                 " of ", by_answer_.size(), " answered operations (", best_state_,
                                 ") these were left to be next:");
  for (size_t number : best_stuck_) {
    absl::StrAppend(&why, "\n  ", history_.Text(steps_[number].op));
  }
  return why;
}

}  // namespace

// ---- History

void History::Begin(absl::string_view feature, uint64_t total) {
  totals_[std::string(feature)] = total;
}

History::Operation& History::Ask(Kind kind, Time now) {
  Operation& operation = operations_.emplace_back();
  operation.kind = kind;
  operation.asked = now;
  return operation;
}

Op History::Checkout(Time now, Session session, std::vector<Item> items) {
  Operation& operation = Ask(Kind::kCheckout, now);
  operation.session = session;
  operation.items = std::move(items);
  return operations_.size() - 1;
}

Op History::Checkin(Time now, Op checkout, size_t item) {
  Operation& operation = Ask(Kind::kCheckin, now);
  operation.checkout = checkout;
  operation.item = item;
  return operations_.size() - 1;
}

Op History::EndSession(Time now, Session session) {
  Ask(Kind::kEndSession, now).session = session;
  return operations_.size() - 1;
}

Op History::SetTotal(Time now, absl::string_view feature, uint64_t total) {
  Operation& operation = Ask(Kind::kSetTotal, now);
  operation.feature = std::string(feature);
  operation.total = total;
  return operations_.size() - 1;
}

History::Operation& History::Answered(Op op, Answer answer, Time now) {
  Operation& operation = operations_.at(op);
  operation.answer = answer;
  operation.answered = now;
  return operation;
}

void History::Granted(Time now, Op checkout, std::vector<uint64_t> counts) {
  Answered(checkout, Answer::kGranted, now).counts = std::move(counts);
}

void History::DeniedInUse(Time now, Op checkout, size_t item) {
  Answered(checkout, Answer::kInUse, now).item = item;
}

void History::DeniedMoreThanExist(Time now, Op checkout, size_t item) {
  Answered(checkout, Answer::kMoreThanExist, now).item = item;
}

void History::Done(Time now, Op op) {
  Answered(op, Answer::kDone, now);
}

void History::NoEffect(Op op) {
  Answered(op, Answer::kNoEffect, 0);
}

std::string History::Text(Op op) const {
  const Operation& operation = operations_.at(op);
  std::string text = absl::StrCat(op, ": ", operation.asked, "-");
  if (operation.answered != 0) absl::StrAppend(&text, operation.answered);
  switch (operation.kind) {
    case Kind::kCheckout:
      absl::StrAppend(&text, " session ", operation.session, " checkout");
      for (const Item& item : operation.items) {
        absl::StrAppend(&text, " ", item.feature);
        if (item.mode == Mode::kAll) absl::StrAppend(&text, " all");
        if (item.mode == Mode::kUpTo) absl::StrAppend(&text, " up to ", item.count);
        if (item.mode == Mode::kExact) absl::StrAppend(&text, " ", item.count);
      }
      break;
    case Kind::kCheckin:
      absl::StrAppend(&text, " check-in of ", operation.checkout, " item ", operation.item);
      break;
    case Kind::kEndSession:
      absl::StrAppend(&text, " session ", operation.session, " ends");
      break;
    case Kind::kSetTotal:
      absl::StrAppend(&text, " total of ", operation.feature, " is ", operation.total);
      break;
  }
  switch (operation.answer) {
    case Answer::kNone:
      return absl::StrCat(text, ": not answered");
    case Answer::kGranted:
      return absl::StrCat(text, ": granted ", absl::StrJoin(operation.counts, " "));
    case Answer::kInUse:
      return absl::StrCat(text, ": item ", operation.item, " in use");
    case Answer::kMoreThanExist:
      return absl::StrCat(text, ": item ", operation.item, " more than exist");
    case Answer::kDone:
      return absl::StrCat(text, ": done");
    case Answer::kNoEffect:
      return absl::StrCat(text, ": no effect");
  }
  return text;
}

std::string History::Text() const {
  std::string text;
  for (const auto& [feature, total] : totals_) absl::StrAppend(&text, feature, " ", total, "\n");
  for (Op op = 0; op < operations_.size(); ++op) absl::StrAppend(&text, Text(op), "\n");
  return text;
}

// ---- Judge

Judgement Judge(const History& history, uint64_t states_max) {
  Judgement judgement;
  for (const std::vector<Op>& ops : Groups(history).Take()) {
    Search search(history, ops, states_max);
    const Verdict verdict = search.Run();
    judgement.states += search.states();
    if (verdict == Verdict::kLegal) continue;
    // One group's undecided search does not excuse another's contradiction.
    if (judgement.verdict == Verdict::kLegal || verdict == Verdict::kIllegal) {
      judgement.why = search.Why();
      judgement.verdict = verdict;
    }
    if (verdict == Verdict::kIllegal) break;
  }
  return judgement;
}

}  // namespace triad::simulation
