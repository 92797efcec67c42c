#include "bench/history.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace triad::bench {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr const char* kFeature = "seat";

}  // namespace

struct SeatHistory::Operation {
  uint64_t request = 0;
  int session = 0;
  bool out = false;  // a checkout
  bool denied = false;
  int64_t asked = 0;
  int64_t answered = kNever;
  uint64_t handle = 0;
  std::optional<size_t> other;  // check-in: its checkout; checkout: its check-in

  std::string Text() const {
    return absl::StrCat(out ? "checkout " : "check-in ", request, " of session ", session, " (",
                        asked, "-", answered == kNever ? "" : absl::StrCat(answered), ")");
  }
};

void SeatHistory::Note(const Event& event) {
  if (events_.size() < events_max_) {
    events_.push_back(event);
  } else {
    ++unjudged_;
  }
}

void SeatHistory::AskedOut(int64_t now, uint64_t request, int session) {
  Note({now, request, 0, session, Kind::kAskedOut});
}

void SeatHistory::AskedIn(int64_t now, uint64_t request, int session, uint64_t handle) {
  Note({now, request, handle, session, Kind::kAskedIn});
}

void SeatHistory::Granted(int64_t now, uint64_t request, uint64_t handle) {
  Note({now, request, handle, 0, Kind::kGranted});
}

void SeatHistory::DeniedInUse(int64_t now, uint64_t request) {
  Note({now, request, 0, 0, Kind::kDenied});
}

void SeatHistory::Done(int64_t now, uint64_t request) {
  Note({now, request, 0, 0, Kind::kDone});
}

std::vector<SeatHistory::Operation> SeatHistory::Operations(std::string& wrong) const {
  std::vector<Operation> operations;
  std::unordered_map<uint64_t, size_t> by_request;
  std::unordered_map<uint64_t, size_t> by_handle;  // its checkout
  const auto say = [&wrong](const std::string& what) {
    if (wrong.empty()) wrong = what;
  };
  for (const Event& event : events_) {
    if (event.kind == Kind::kAskedOut || event.kind == Kind::kAskedIn) {
      Operation operation;
      operation.request = event.request;
      operation.session = event.session;
      operation.out = event.kind == Kind::kAskedOut;
      operation.asked = event.at;
      operation.handle = event.handle;
      if (!operation.out) {
        const auto from = by_handle.find(event.handle);
        if (from == by_handle.end() || operations[from->second].session != event.session) {
          say(absl::StrCat(operation.Text(), " gives back handle ", event.handle,
                           ", which was not granted to it"));
        } else {
          operation.other = from->second;
          operations[from->second].other = operations.size();
        }
      }
      by_request[event.request] = operations.size();
      operations.push_back(operation);
      continue;
    }
    const auto found = by_request.find(event.request);
    if (found == by_request.end()) continue;
    Operation& operation = operations[found->second];
    if (operation.answered != kNever) say(absl::StrCat(operation.Text(), " was answered twice"));
    operation.answered = event.at;
    operation.denied = event.kind == Kind::kDenied;
    if (event.kind != Kind::kGranted) continue;
    operation.handle = event.handle;
    const auto [before, fresh] = by_handle.try_emplace(event.handle, found->second);
    if (!fresh) {
      say(absl::StrCat("handle ", event.handle, " was granted twice: ",
                       operations[before->second].Text(), " and ", operation.Text()));
    }
  }
  return operations;
}

std::string SeatHistory::Contradiction(uint64_t seats) const {
  std::string wrong;
  const std::vector<Operation> operations = Operations(wrong);
  if (!wrong.empty() || seats == 0) return wrong;
  // Times at which a seat is certainly taken or given back, and possibly so; a seat that comes back
  // at a moment counts before one that is taken at it, for what is certain; for what is possible,
  // the other way round.
  std::vector<std::tuple<int64_t, int, size_t>> certain;  // time, +1 or -1, checkout
  std::vector<std::pair<int64_t, int>> possible;          // time, -1 (taken) or 1: taken first
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& checkout = operations[i];
    if (!checkout.out || checkout.denied) continue;
    possible.emplace_back(checkout.asked, -1);
    const Operation* back = checkout.other ? &operations[*checkout.other] : nullptr;
    if (back != nullptr && back->answered != kNever) possible.emplace_back(back->answered, 1);
    if (checkout.answered == kNever) continue;
    certain.emplace_back(checkout.answered, 1, i);
    if (back != nullptr) certain.emplace_back(back->asked, -1, i);
  }
  std::sort(certain.begin(), certain.end());
  uint64_t out = 0;
  for (const auto& [at, change, number] : certain) {
    out += static_cast<uint64_t>(change);
    if (change > 0 && out > seats) {
      return absl::StrCat(out, " of ", seats, " seats are out after ", operations[number].Text(),
                          " with handle ", operations[number].handle);
    }
  }
  // How many may have been out from each moment on; a denial needs one at which all may have been.
  std::sort(possible.begin(), possible.end());
  std::vector<std::pair<int64_t, uint64_t>> steps{{std::numeric_limits<int64_t>::min(), 0}};
  for (const auto& [at, change] : possible) {
    steps.emplace_back(at, steps.back().second - static_cast<uint64_t>(int64_t{change}));
  }
  for (const Operation& denial : operations) {
    if (!denial.denied) continue;
    auto step = std::lower_bound(
        steps.begin() + 1, steps.end(), denial.asked,
        [](const std::pair<int64_t, uint64_t>& each, int64_t at) { return each.first < at; });
    --step;
    uint64_t most = 0;
    for (; step != steps.end() && step->first <= denial.answered; ++step) {
      most = std::max(most, step->second);
    }
    if (most < seats) {
      return absl::StrCat(denial.Text(), " was denied while at most ", most, " of ", seats,
                          " seats were out");
    }
  }
  return "";
}

simulation::Judgement SeatHistory::Linearized(uint64_t seats, uint64_t states_max) const {
  std::string wrong;
  const std::vector<Operation> operations = Operations(wrong);
  simulation::History history;
  history.Begin(kFeature, seats);
  // A second grant of a handle is in the history like any other: its seat never comes back.
  std::vector<simulation::History::Op> numbers(operations.size());
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& operation = operations[i];
    const auto asked = static_cast<uint64_t>(operation.asked);
    if (operation.out) {
      numbers[i] = history.Checkout(asked, static_cast<uint64_t>(operation.session), {{kFeature}});
    } else if (operation.other) {
      numbers[i] = history.Checkin(asked, numbers[*operation.other], 0);
    }
    if (operation.answered == kNever) continue;
    const auto answered = static_cast<uint64_t>(operation.answered);
    if (operation.denied) {
      history.DeniedInUse(answered, numbers[i], 0);
    } else if (operation.out) {
      history.Granted(answered, numbers[i], {1});
    } else if (operation.other) {
      history.Done(answered, numbers[i]);
    }
  }
  return simulation::Judge(history, states_max);
}

}  // namespace triad::bench
