// When a session's time is over: what the leader knows of the last sign of life of every session,
// and which expiries it should propose.
//
// It only proposes. Apply decides, by the term, the attachment and the last-seen index that the
// command names. All times are the leader's own steady clock; a new leader knows nothing and
// therefore gives every session its full time anew (design 4, "Expiry").
//
// Pure and single-threaded; empty on a node that does not lead.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/ledger.h"
#include "triad/v1/command.pb.h"

namespace triad::server {

class Expiry {
 public:
  explicit Expiry(int64_t reset_grace_ms) : reset_grace_ms_(reset_grace_ms) {}

  // This node leads, and all entries of earlier terms are applied: every session's time begins now.
  void Lead(const license::Ledger& ledger, uint64_t term, int64_t now_ms);
  void StopLeading();
  bool leading() const { return leading_; }

  // A command of, or about, the session was applied, or its heartbeat was confirmed.
  void OnSeen(absl::string_view session, uint32_t ttl_ms, int64_t now_ms);
  // Its connection was closed or reset: the short grace begins.
  void OnDetached(absl::string_view session, int64_t grace_ms, int64_t now_ms);
  void OnEnded(absl::string_view session);
  // An expiry that was proposed in `term` was applied, and the session is still there: it may be
  // proposed again. One of an older term says nothing about that which is on its way in this one.
  void OnNotExpired(absl::string_view session, uint64_t term);

  // A heartbeat counts unless the session is gone, attached otherwise, or its expiry is on the way.
  bool Accepts(const license::Ledger& ledger, absl::string_view session, uint64_t attachment) const;

  // The expiries to propose now, at most kExpiriesAtOnceMax.
  std::vector<v1::ExpireSession> Due(const license::Ledger& ledger, int64_t now_ms);

 private:
  struct Life {
    int64_t deadline_ms = 0;
    int64_t appointment_ms = 0;  // its one entry in agenda_; not after the deadline
    bool detached = false;
    bool expiring = false;
  };

  void Set(absl::string_view session, int64_t deadline_ms, bool detached);
  void Appoint(const std::string& session, Life* life);

  const int64_t reset_grace_ms_;
  bool leading_ = false;
  uint64_t term_ = 0;  // in which this node leads
  std::map<std::string, Life, std::less<>> lives_;
  // Looked at when due; a session that was seen since is put back at its later deadline.
  std::set<std::pair<int64_t, std::string>> agenda_;
};

}  // namespace triad::server
