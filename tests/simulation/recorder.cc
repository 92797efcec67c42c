#include "tests/simulation/recorder.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace triad::simulation {
namespace {

constexpr int32_t kAllInUse = -4;
constexpr int32_t kMoreThanExist = -26;

History::Mode ModeOf(v1::CountMode mode) {
  switch (mode) {
    case v1::UP_TO:
      return History::Mode::kUpTo;
    case v1::ALL:
      return History::Mode::kAll;
    default:
      return History::Mode::kExact;
  }
}

History::Time TimeOf(int64_t us) {
  return static_cast<History::Time>(us);
}

}  // namespace

void Recorder::Begin(const std::map<std::string, uint64_t>& totals) {
  for (const auto& [feature, total] : totals) history_.Begin(feature, total);
}

History::Session Recorder::NumberOf(const std::string& session) {
  return sessions_.try_emplace(session, sessions_.size() + 1).first->second;
}

void Recorder::OnSent(int64_t now_us, uint64_t process, const v1::ClientMessage& message) {
  if (stopped_ || !message.has_request()) return;
  const v1::ClientRequest& request = message.request();
  const Request name{request.session(), request.seq()};
  sent_[{process, message.id()}] = name;
  if (asked_.contains(name)) return;
  Asked asked;
  if (request.has_checkout()) {
    std::vector<History::Item> items;
    for (const v1::Checkout::Item& item : request.checkout().items()) {
      items.push_back({item.feature(), item.count(), ModeOf(item.mode())});
      asked.features.push_back(item.feature());
    }
    asked.checkout = true;
    asked.op = history_.Checkout(TimeOf(now_us), NumberOf(request.session()), std::move(items));
  } else {
    const auto granted = granted_.find(request.checkin().handle());
    if (granted == granted_.end()) return;  // of a state that an attach told: never asked for here
    asked.op = history_.Checkin(TimeOf(now_us), granted->second.first, granted->second.second);
  }
  asked_[name] = std::move(asked);
}

void Recorder::OnTold(int64_t now_us, uint64_t process, const v1::ServerMessage& message) {
  if (stopped_ || !message.has_outcome()) return;
  const auto sent = sent_.find({process, message.id()});
  if (sent == sent_.end()) return;
  const auto asked = asked_.find(sent->second);
  if (asked != asked_.end()) OnOutcome(now_us, asked->second, message.outcome());
}

void Recorder::OnOutcome(int64_t now_us, Asked& asked, const v1::Outcome& outcome) {
  if (asked.answered) return;
  if (!asked.checkout) {
    // Refused: the end of its session had freed it.
    if (!outcome.has_done()) return;
    asked.answered = true;
    history_.Done(TimeOf(now_us), asked.op);
    return;
  }
  if (outcome.has_granted()) {
    std::vector<uint64_t> counts;
    for (const v1::Holding& holding : outcome.granted().holdings()) {
      granted_[holding.handle()] = {asked.op, counts.size()};
      counts.push_back(holding.count());
    }
    history_.Granted(TimeOf(now_us), asked.op, std::move(counts));
  } else if (outcome.has_denied()) {
    const auto denied =
        std::find(asked.features.begin(), asked.features.end(), outcome.denied().feature());
    const auto item = static_cast<size_t>(denied - asked.features.begin());
    // Asked for twice, it is not told which of the two was denied.
    const bool ambiguous =
        std::count(asked.features.begin(), asked.features.end(), outcome.denied().feature()) != 1;
    if (!ambiguous && outcome.denied().code() == kAllInUse) {
      history_.DeniedInUse(TimeOf(now_us), asked.op, item);
    } else if (!ambiguous && outcome.denied().code() == kMoreThanExist) {
      history_.DeniedMoreThanExist(TimeOf(now_us), asked.op, item);
    } else {
      history_.NoEffect(asked.op);
    }
  } else {
    return;  // refused: perhaps a second copy of one that was executed
  }
  asked.answered = true;
}

void Recorder::OnTotal(int64_t written_us, int64_t applied_us, const std::string& feature,
                       uint64_t total) {
  if (stopped_) return;
  history_.Done(TimeOf(applied_us), history_.SetTotal(TimeOf(written_us), feature, total));
}

void Recorder::OnEnded(int64_t written_us, int64_t applied_us, const std::string& session) {
  const auto number = sessions_.find(session);
  if (stopped_ || number == sessions_.end()) return;  // never asked for anything
  history_.Done(TimeOf(applied_us), history_.EndSession(TimeOf(written_us), number->second));
}

}  // namespace triad::simulation
