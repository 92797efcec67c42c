#include "tests/simulation/model.h"

#include "absl/strings/str_cat.h"

namespace triad::simulation {

using Kind = license::LedgerEvent::Kind;

uint64_t LicenseModel::CountOf(uint64_t handle) const {
  const auto it = out_.find(handle);
  return it == out_.end() ? 0 : it->second.count;
}

std::string LicenseModel::SessionOf(uint64_t handle) const {
  const auto it = out_.find(handle);
  return it == out_.end() ? "" : it->second.session;
}

std::optional<std::string> LicenseModel::Apply(const v1::Command& command,
                                               const v1::Outcome& outcome,
                                               const std::vector<Event>& events) {
  duplicate_ = false;
  if (command.has_request()) {
    if (auto wrong = OnRequest(command.request(), outcome, events)) return wrong;
  } else {
    for (const Event& event : events) {
      if (event.kind == Kind::kCheckedOut) return "rule 7: licenses out without a request";
    }
  }
  for (const Event& event : events) {
    if (auto wrong = OnEvent(event)) return wrong;
  }
  return std::nullopt;
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
  size_t effects = 0;
  for (const Event& event : events) {
    // That more is out than is licensed is said to all who hold it, whatever entry did it.
    if (event.kind == Kind::kViolation || event.kind == Kind::kRestored) continue;
    if (event.kind != Kind::kDenied) ++effects;
    if (event.session != request.session()) return "a request touched another session";
  }
  if (duplicate_ && !events.empty()) {
    return absl::StrCat("rule 7: request ", request.seq(), " had a second effect");
  }
  if (outcome.has_refused() || outcome.has_denied()) {
    if (effects > 0) return "rule 7: a refused request had an effect";
  } else {
    // Applied as a whole: the answer says what has happened.
    size_t expected = 0;
    if (!duplicate_) {
      expected = outcome.has_granted() ? static_cast<size_t>(outcome.granted().holdings_size()) : 1;
    }
    if (effects != expected) return "rule 7: an answer does not say what was done";
  }
  const bool kept = !outcome.has_refused() || outcome.refused().why() == v1::Refused::MALFORMED;
  if (kept) session->second.executed.insert(request.seq());
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
      sessions_.erase(session);
      return std::nullopt;
    }
    case Kind::kCheckedOut: {
      const auto session = sessions_.find(event.session);
      if (session == sessions_.end()) return "licenses went to a session that is not there";
      const v1::Holding& holding = event.holding;
      if (holding.handle() <= last_handle_) return "a handle was given out again";
      last_handle_ = holding.handle();
      if (holding.count() == 0) return "a grant of nothing";
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
