#include "server/expiry.h"

#include <utility>

#include "server/limits.h"

namespace triad::server {

void Expiry::Lead(const license::Ledger& ledger, uint64_t term, int64_t now_ms) {
  StopLeading();
  term_ = term;
  leading_ = true;
  for (const auto& entry : ledger.sessions()) {
    const license::Session* session = entry.second.get();
    Set(session->id, now_ms + (session->detached ? reset_grace_ms_ : session->ttl_ms),
        session->detached);
  }
}

void Expiry::StopLeading() {
  leading_ = false;
  lives_.clear();
  agenda_.clear();
}

void Expiry::Set(absl::string_view session, int64_t deadline_ms, bool detached) {
  if (!leading_) return;
  auto [it, inserted] = lives_.try_emplace(std::string(session));
  Life& life = it->second;
  life.deadline_ms = deadline_ms;
  life.detached = detached;
  // A later deadline is found when the earlier appointment comes up.
  if (inserted || (!life.expiring && deadline_ms < life.appointment_ms)) Appoint(it->first, &life);
}

void Expiry::Appoint(const std::string& session, Life* life) {
  agenda_.erase({life->appointment_ms, session});
  life->appointment_ms = life->deadline_ms;
  agenda_.emplace(life->appointment_ms, session);
}

void Expiry::OnSeen(absl::string_view session, uint32_t ttl_ms, int64_t now_ms) {
  const int64_t deadline_ms = now_ms + ttl_ms;
  auto it = lives_.find(session);
  // A confirmation counts from when the report came in; a command may have been seen since.
  if (it != lives_.end() && !it->second.detached && it->second.deadline_ms >= deadline_ms) return;
  Set(session, deadline_ms, /*detached=*/false);
}

void Expiry::OnDetached(absl::string_view session, int64_t grace_ms, int64_t now_ms) {
  Set(session, now_ms + grace_ms, /*detached=*/true);
}

void Expiry::OnEnded(absl::string_view session) {
  auto it = lives_.find(session);
  if (it == lives_.end()) return;
  agenda_.erase({it->second.appointment_ms, it->first});
  lives_.erase(it);
}

void Expiry::OnNotExpired(absl::string_view session, uint64_t term) {
  if (term != term_) return;
  auto it = lives_.find(session);
  if (it == lives_.end() || !it->second.expiring) return;
  it->second.expiring = false;
  Appoint(it->first, &it->second);
}

bool Expiry::Accepts(const license::Ledger& ledger, absl::string_view session,
                     uint64_t attachment) const {
  const auto* known = ledger.FindSession(session);
  if (known == nullptr || known->attachment != attachment || known->detached) return false;
  auto it = lives_.find(session);
  return it != lives_.end() && !it->second.expiring;
}

std::vector<v1::ExpireSession> Expiry::Due(const license::Ledger& ledger, int64_t now_ms) {
  std::vector<v1::ExpireSession> due;
  while (leading_ && !agenda_.empty() && agenda_.begin()->first <= now_ms &&
         due.size() < kExpiriesAtOnceMax) {
    const std::string id = agenda_.begin()->second;
    agenda_.erase(agenda_.begin());
    auto it = lives_.find(id);
    if (it == lives_.end() || it->second.expiring) continue;
    if (it->second.deadline_ms > now_ms) {
      Appoint(it->first, &it->second);
      continue;
    }
    const auto* session = ledger.FindSession(id);
    if (session == nullptr) {
      lives_.erase(it);
      continue;
    }
    it->second.expiring = true;
    v1::ExpireSession expire;
    expire.set_session(id);
    expire.set_term(term_);
    expire.set_attachment(session->attachment);
    expire.set_last_seen_index(session->last_seen_index);
    expire.set_connection_lost(it->second.detached);
    due.push_back(std::move(expire));
  }
  return due;
}

}  // namespace triad::server
