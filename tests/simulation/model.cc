#include "tests/simulation/model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "license/limits.h"

namespace triad::simulation {

namespace {

using Kind = license::LedgerEvent::Kind;

constexpr uint64_t kMoreThanThereAre = 1'000'000;

bool TakesLess(v1::CountMode mode) {
  return mode == v1::UP_TO || mode == v1::ALL;
}

// Those who are served, or end waiting, when another gives back; and what is said to all.
bool IsOfOthers(const license::LedgerEvent& event, const v1::Request& request) {
  switch (event.kind) {
    case Kind::kViolation:
    case Kind::kRestored:
    case Kind::kGranted:
      return true;
    case Kind::kCheckedOut:
      return event.holding.ticket() != 0;
    case Kind::kDequeued:
      return !request.has_cancel_wait() || request.cancel_wait().ticket() != event.ticket;
    default:
      return false;
  }
}

}  // namespace

uint64_t LicenseModel::CountOf(uint64_t handle) const {
  const auto it = out_.find(handle);
  return it == out_.end() ? 0 : it->second.count;
}

std::string LicenseModel::SessionOf(uint64_t handle) const {
  const auto it = out_.find(handle);
  return it == out_.end() ? "" : it->second.session;
}

size_t LicenseModel::WaitersOf(const std::string& session) const {
  size_t waiters = 0;
  for (const auto& [ticket, waiter] : waiters_) waiters += waiter.session == session ? 1 : 0;
  return waiters;
}

LicenseModel::Needs LicenseModel::NeedsOf(const v1::Checkout& checkout) const {
  Needs needs;
  std::set<std::string> greedy;
  for (const v1::Checkout::Item& item : checkout.items()) {
    uint64_t& needed = needs[item.feature()];
    // An item that takes what there is leaves nothing for a second of the same feature.
    if (needed > 0 && greedy.contains(item.feature())) needed += kMoreThanThereAre;
    needed += TakesLess(item.mode()) ? 1 : std::max<uint64_t>(1, item.count());
    if (TakesLess(item.mode())) greedy.insert(item.feature());
  }
  return needs;
}

bool LicenseModel::AllFree(const Needs& needs) const {
  for (const auto& [feature, needed] : needs) {
    const auto used = used_.find(feature);
    const uint64_t out = used == used_.end() ? 0 : used->second;
    if (out + needed > TotalOf(feature)) return false;
  }
  return true;
}

uint64_t LicenseModel::WaitsBefore(const std::string& feature, uint64_t ticket) const {
  for (const auto& [other, waiter] : waiters_) {
    if (other >= ticket) return 0;
    if (waiter.needs.contains(feature)) return other;
  }
  return 0;
}

std::optional<std::string> LicenseModel::Starving() const {
  for (const auto& [ticket, waiter] : waiters_) {
    bool first = true;
    for (const auto& [feature, needed] : waiter.needs) {
      first = first && WaitsBefore(feature, ticket) == 0;
    }
    if (first && AllFree(waiter.needs)) {
      return absl::StrCat("ticket ", ticket, " waits for what is free, and nobody before it");
    }
  }
  return std::nullopt;
}

std::optional<std::string> LicenseModel::Apply(const v1::Command& command,
                                               const v1::Outcome& outcome,
                                               const std::vector<Event>& events) {
  duplicate_ = false;
  if (command.has_request()) {
    if (auto wrong = OnRequest(command.request(), outcome, events)) return wrong;
  } else {
    for (const Event& event : events) {
      const bool waited = event.kind == Kind::kCheckedOut && event.holding.ticket() != 0;
      if (event.kind == Kind::kCheckedOut && !waited) {
        return "rule 7: licenses out without a request";
      }
    }
  }
  for (const Event& event : events) {
    if (event.kind == Kind::kQueued) {
      waiters_[event.ticket] = {event.session, NeedsOf(command.request().checkout())};
    }
    if (auto wrong = OnEvent(event)) return wrong;
  }
  return std::nullopt;
}

std::optional<std::string> LicenseModel::CountEffects(const v1::Request& request,
                                                      const v1::Outcome& outcome,
                                                      const std::vector<Event>& events) const {
  size_t effects = 0;
  for (const Event& event : events) {
    if (IsOfOthers(event, request)) continue;
    if (event.kind != Kind::kDenied) ++effects;
    if (event.session != request.session()) return "a request touched another session";
  }
  if (duplicate_) {
    if (events.empty()) return std::nullopt;
    return absl::StrCat("rule 7: request ", request.seq(), " had a second effect");
  }
  if (outcome.has_refused() || outcome.has_denied()) {
    if (effects > 0) return "rule 7: a refused request had an effect";
    return std::nullopt;
  }
  // Applied as a whole: the answer says what has happened.
  size_t least = 1;
  size_t most = 1;
  if (request.has_resize()) {
    least = 0;  // it had that many
  } else if (request.has_cancel_wait()) {
    most = license::kItemsPerCheckoutMax;  // what was granted just before
  } else if (outcome.has_granted()) {
    least = most = static_cast<size_t>(outcome.granted().holdings_size());
  }
  if (effects < least || effects > most) return "rule 7: an answer does not say what was done";
  return std::nullopt;
}

// "All licenses in use": not while they are free.
std::optional<std::string> LicenseModel::OnDenial(const v1::Request& request,
                                                  const v1::Denied& denied) const {
  constexpr int32_t kAllInUse = -4;
  constexpr int32_t kOthersWait = -24;
  if (denied.code() != kAllInUse && denied.code() != kOthersWait) return std::nullopt;
  Needs needs;
  if (request.has_checkout()) {
    needs = NeedsOf(request.checkout());
  } else {
    const auto out = out_.find(request.resize().handle());
    if (out == out_.end()) return "a resize of what is not out was denied";
    const uint64_t count = request.resize().count();
    const uint64_t more = count - std::min(count, out->second.count);
    needs[out->second.feature] = TakesLess(request.resize().mode()) ? 1 : more;
  }
  for (const auto& [feature, needed] : needs) {
    if (WaitsBefore(feature, UINT64_MAX) != 0) return std::nullopt;
  }
  if (denied.code() == kOthersWait) return "denied because others wait, and nobody does";
  if (!AllFree(needs)) return std::nullopt;
  std::string asked = absl::StrCat("request ", request.seq(), " was denied what is free:");
  for (const auto& [feature, needed] : needs) {
    const auto used = used_.find(feature);
    absl::StrAppend(&asked, " ", needed, " of ", feature, ", of which ",
                    used == used_.end() ? 0 : used->second, " of ", TotalOf(feature), " are out");
  }
  return absl::StrCat(asked, "; it said: ", denied.reason());
}

std::optional<std::string> LicenseModel::OnRequest(const v1::Request& request,
                                                   const v1::Outcome& outcome,
                                                   const std::vector<Event>& events) {
  const auto session = sessions_.find(request.session());
  if (session == sessions_.end()) {
    if (events.empty() && outcome.has_refused()) return std::nullopt;
    return "rule 7: a request of a session that is not there had an effect";
  }
  duplicate_ = session->second.executed.contains(request.seq());
  if (auto wrong = CountEffects(request, outcome, events)) return wrong;
  if (outcome.has_denied() && !duplicate_) {
    if (auto wrong = OnDenial(request, outcome.denied())) return wrong;
  }
  const bool kept = !outcome.has_refused() || outcome.refused().why() == v1::Refused::MALFORMED;
  if (kept) session->second.executed.insert(request.seq());
  return std::nullopt;
}

std::optional<std::string> LicenseModel::OnCheckedOut(const Event& event) {
  const auto session = sessions_.find(event.session);
  if (session == sessions_.end()) return "licenses went to a session that is not there";
  const v1::Holding& holding = event.holding;
  if (!given_.insert(holding.handle()).second) return "a handle was given out again";
  if (holding.count() == 0) return "a grant of nothing";
  const uint64_t ticket = holding.ticket();
  if (ticket != 0) {
    const auto waiter = waiters_.find(ticket);
    if (waiter == waiters_.end() || waiter->second.session != event.session) {
      return absl::StrCat("licenses were given to ticket ", ticket, ", which does not wait");
    }
  }
  const uint64_t before = WaitsBefore(holding.feature(), ticket != 0 ? ticket : UINT64_MAX);
  if (before != 0) {
    return absl::StrCat("handle ", holding.handle(), " was given before ticket ", before,
                        ", which waits for ", holding.feature());
  }
  uint64_t& used = used_[holding.feature()];
  used += holding.count();
  if (used > totals_[holding.feature()]) {
    return absl::StrCat("rule 6: ", used, " licenses of ", holding.feature(), " are out, of ",
                        totals_[holding.feature()]);
  }
  out_[holding.handle()] = {event.session, holding.feature(), holding.count()};
  session->second.handles.insert(holding.handle());
  return std::nullopt;
}

std::optional<std::string> LicenseModel::OnResized(const Event& event) {
  const auto out = out_.find(event.holding.handle());
  if (out == out_.end() || out->second.session != event.session) {
    return "what was resized was not out";
  }
  const std::string& feature = out->second.feature;
  const uint64_t count = event.holding.count();
  if (event.count != out->second.count || count == 0) return "a resize from what was not";
  uint64_t& used = used_[feature];
  used = used - out->second.count + count;
  if (count > out->second.count) {
    if (used > totals_[feature]) {
      return absl::StrCat("rule 6: resized, ", used, " licenses of ", feature, " are out, of ",
                          totals_[feature]);
    }
    if (const uint64_t before = WaitsBefore(feature, UINT64_MAX); before != 0) {
      return absl::StrCat("a resize came before ticket ", before, ", which waits for ", feature);
    }
  }
  out->second.count = count;
  return std::nullopt;
}

std::optional<std::string> LicenseModel::OnEvent(const Event& event) {
  switch (event.kind) {
    case Kind::kOpened:
      if (!sessions_.try_emplace(event.session).second) return "a session was opened twice";
      return std::nullopt;
    case Kind::kEnded: {
      const auto session = sessions_.find(event.session);
      if (session == sessions_.end()) return "a session ended that was not there";
      if (!session->second.handles.empty()) return "a session ended and still holds licenses";
      if (WaitersOf(event.session) > 0) return "a session ended and still waits";
      sessions_.erase(session);
      return std::nullopt;
    }
    case Kind::kDequeued:
    case Kind::kGranted:
      if (waiters_.erase(event.ticket) == 0) return "who left the queue did not wait";
      return std::nullopt;
    case Kind::kCheckedOut:
      return OnCheckedOut(event);
    case Kind::kResized:
      return OnResized(event);
    case Kind::kCheckedIn: {
      const auto out = out_.find(event.holding.handle());
      if (out == out_.end()) return "what was given back was not out";
      if (out->second.session != event.session || out->second.count != event.holding.count()) {
        return "something else was given back than was out";
      }
      used_[out->second.feature] -= out->second.count;
      sessions_[event.session].handles.erase(out->first);
      out_.erase(out);
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace triad::simulation
