// The part of Session that is about what was granted: checking the signed lines behind it,
// delivering it, giving back what nobody waits for, asking again for what was lost.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/session.h"

namespace triad::client {
namespace {

// So often "no such pool" is taken for a node that lags behind.
constexpr int kPoolRefusalsMax = 3;

}  // namespace

void Session::OnGranted(Call& call) {
  const auto held = held_.find(call.license);
  const bool wanted = call.kind == Call::Kind::kRegrant
                          ? held != held_.end() && held->second.regrant_call == call.key
                          : static_cast<bool>(call.done);
  if (call.abandoned || !wanted) {
    Note(1, absl::StrCat(Name(call), ": granted too late, given back"));
    GiveBack(*call.granted);
    return Finish(call);
  }
  absl::Status verdict;
  if (!GrantIsProven(call, &verdict)) return;  // OnPool comes back here
  if (!verdict.ok()) {
    GiveBack(*call.granted);
    return OnDenied(
        call, MakeStatus(ErrorKind::kUnverified, -8,
                         absl::StrCat("invalid license key or signature: ", verdict.message())));
  }
  if (call.kind == Call::Kind::kRegrant) {
    DeliverRegrant(call);
  } else {
    DeliverGrant(call);
  }
}

// FALSE: asks for signed lines first.
bool Session::GrantIsProven(Call& call, absl::Status* verdict) {
  if (config_.vendor_keys.empty()) return true;
  bool known = true;
  for (const v1::Holding& holding : call.granted->holdings()) {
    auto it = pools_.find(holding.pool());
    if (it != pools_.end() && it->second.proof.has_value()) {
      const absl::StatusOr<PoolProof>& proof = *it->second.proof;
      absl::Status checked = proof.ok() ? CheckGrant(holding, *proof) : proof.status();
      // The pool may have grown since its lines were asked for.
      const bool fresh = it->second.asked_ms >= call.started_ms;
      if (checked.ok()) continue;
      if (fresh) {
        if (verdict->ok()) *verdict = checked;
        continue;
      }
    }
    known = false;
    if (it != pools_.end() && !it->second.proof.has_value()) continue;  // asked for
    if (pools_.size() >= kPoolsMax) pools_.clear();
    PoolCheck check;
    check.asked_ms = check.due_ms = Now();
    check.last_server = (call.last_server + links_.size() - 1) % links_.size();
    pools_[holding.pool()] = check;
  }
  return known;
}

void Session::SendDescribes() {
  const int64_t now = Now();
  const bool wanted = std::any_of(calls_.begin(), calls_.end(), [](const auto& entry) {
    return entry.second.granted.has_value();
  });
  if (!wanted) {
    std::erase_if(pools_, [](const auto& entry) { return !entry.second.proof.has_value(); });
  }
  for (auto& [id, pool] : pools_) {
    if (pool.proof.has_value() || pool.due_ms > now) continue;
    const std::optional<size_t> server = links_.Pick(pool.last_server, [](size_t) { return true; });
    if (!server.has_value()) continue;
    v1::ClientMessage message;
    message.set_id(next_id_++);
    message.mutable_describe()->set_pool(id);
    sent_[message.id()] = {Sent::Kind::kDescribe, *server, id};
    pool.last_server = *server;
    pool.due_ms = now + kRetryMs;
    links_.Send(*server, std::move(message));
  }
}

void Session::OnPoolRefused(uint64_t pool, absl::string_view reason) {
  auto it = pools_.find(pool);
  if (it == pools_.end() || ++it->second.refusals < kPoolRefusalsMax) return;
  OnPool(pool, absl::PermissionDeniedError(reason));
}

void Session::OnPool(uint64_t pool, absl::StatusOr<PoolProof> proof) {
  auto it = pools_.find(pool);
  if (it == pools_.end() || it->second.proof.has_value()) return;
  it->second.proof = std::move(proof);
  std::vector<uint64_t> waiting;
  for (const auto& [key, call] : calls_) {
    if (call.granted.has_value()) waiting.push_back(key);
  }
  for (uint64_t key : waiting) OnGranted(calls_.at(key));
}

void Session::DeliverGrant(Call& call) {
  std::vector<LicenseId> ids;
  for (int i = 0; i < call.granted->holdings_size(); ++i) {
    const v1::Holding& holding = call.granted->holdings(i);
    const LicenseId id = next_license_++;
    Held& held = held_[id];
    held.view.feature = holding.feature();
    held.view.version = holding.version();
    held.view.count = holding.count();
    held.view.handle = holding.handle();
    held.view.node = call.granted_node;
    held.pool = holding.pool();
    held.granted_index = holding.granted_index();
    TellLicense(id, held);
    Note(3, absl::StrCat(holding.feature(), ": license granted: ", holding.count(), ", handle ",
                         holding.handle(), ", node ", call.granted_node));
    ids.push_back(id);
  }
  TellDone(call, Status(), std::move(ids));
  Finish(call);
}

void Session::GiveBack(const v1::Granted& granted) {
  for (const v1::Holding& holding : granted.holdings()) {
    CheckinHandle(holding.handle(), INT64_MAX, nullptr);
  }
}

// --- lost, and asked for again ---

void Session::LoseLicense(LicenseId id, Held& held, absl::string_view reason) {
  held.view.state = LicenseState::kLost;
  held.since_ms = Now();
  held.told_unconfirmed = false;
  if (config_.unconfirmed == UnconfirmedPolicy::kRefuse) {
    held.told_refused = true;
    held.view.usable = false;
  }
  held.regrant_interval_ms = kRegrantMsMin;
  held.regrant_ms = Now() + Jittered(*env_.random, kRegrantMsMin);
  held.regrant_call = 0;
  TellLicense(id, held);
  Emit(Event::Kind::kLost, held, reason);
}

void Session::ScheduleRegrant(Held& held) {
  held.regrant_call = 0;
  held.regrant_ms = Now() + Jittered(*env_.random, held.regrant_interval_ms);
  held.regrant_interval_ms = std::min(held.regrant_interval_ms * 2, kRegrantMsMax);
}

void Session::StartRegrants() {
  if (token_.empty()) return;
  for (auto& [id, held] : held_) {
    if (held.regrant_ms > Now()) continue;
    Call& call = NewCall(Call::Kind::kRegrant);
    call.license = id;
    auto* item = call.checkout.add_items();
    item->set_feature(held.view.feature);
    item->set_version(held.view.version);
    item->set_count(held.view.count);
    held.regrant_call = call.key;
    held.regrant_ms = INT64_MAX;
    SetDue(call, Now());
  }
}

void Session::DeliverRegrant(Call& call) {
  Held& held = held_.at(call.license);
  const v1::Holding& holding = call.granted->holdings(0);
  const uint64_t old_handle = held.view.handle;
  held.view.handle = holding.handle();
  held.view.count = holding.count();
  held.view.node = call.granted_node;
  held.view.state = LicenseState::kHeld;
  held.view.usable = true;
  held.pool = holding.pool();
  held.granted_index = holding.granted_index();
  held.told_refused = false;
  held.regrant_call = 0;
  TellLicense(call.license, held);
  Emit(Event::Kind::kReconnected, held, absl::StrCat("granted again, the handle was ", old_handle));
  Finish(call);
}

}  // namespace triad::client
