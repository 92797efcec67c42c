// The part of Session that is about what was granted: checking the signed lines behind it,
// delivering it, giving back what nobody waits for, asking again for what was lost.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/session.h"

namespace triad::client {
namespace {

// So often "no such pool" is taken for a node that lags behind.
constexpr int kPoolRefusalsMax = 3;

}  // namespace

void Session::OnGranted(Call& call) {
  const bool asking = std::any_of(call.licenses.begin(), call.licenses.end(), [&](LicenseId id) {
    auto held = held_.find(id);
    return held != held_.end() && held->second.regrant_call == call.key;
  });
  const bool wanted = call.kind == Call::Kind::kRegrant ? asking : static_cast<bool>(call.done);
  if (call.abandoned || !wanted) {
    Note(1, absl::StrCat(Name(call), ": granted too late, given back"));
    GiveBack(call);
    return Finish(call);
  }
  absl::Status verdict;
  if (!GrantIsProven(call, &verdict)) return;  // OnPool comes back here
  if (!verdict.ok()) {
    GiveBack(call);
    return OnDenied(
        call, MakeStatus(ErrorKind::kUnverified, -8,
                         absl::StrCat("invalid license key or signature: ", verdict.message())));
  }
  if (call.kind == Call::Kind::kRegrant) {
    DeliverRegrant(call);
  } else if (call.kind == Call::Kind::kBorrow) {
    DeliverBorrow(call);
  } else {
    DeliverGrant(call);
  }
}

// FALSE: asks for signed lines first.
bool Session::GrantIsProven(Call& call, absl::Status* verdict) {
  // A borrow is written down with its lines, whoever checks them.
  const bool borrow = call.kind == Call::Kind::kBorrow;
  if (config_.vendor_keys.empty() && !borrow) return true;
  bool known = true;
  for (const v1::Holding& holding : call.granted->holdings()) {
    auto it = pools_.find(holding.pool());
    if (it != pools_.end() && it->second.proof.has_value()) {
      const absl::StatusOr<PoolProof>& proof = *it->second.proof;
      absl::Status checked = proof.ok() ? CheckGrant(holding, *proof) : proof.status();
      if (config_.vendor_keys.empty()) checked = absl::OkStatus();
      const std::optional<v1::PoolDescription>& lines = it->second.description;
      // The pool may have grown since its lines were asked for; or they were for another borrow.
      const bool forgotten = borrow && !lines.has_value();
      const bool fresh = it->second.asked_ms >= call.started_ms && !forgotten;
      const bool described = !borrow || (lines.has_value() && lines->lines_size() > 0);
      if (checked.ok() && described) continue;
      if (!described && checked.ok()) checked = absl::PermissionDeniedError("no signed line");
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
  if (it == pools_.end() || it->second.proof.has_value()) return;
  if (++it->second.refusals < kPoolRefusalsMax) return;
  it->second.description.emplace();
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
  // Nobody else needs the lines themselves.
  it = pools_.find(pool);
  if (it != pools_.end()) it->second.description.reset();
}

void Session::DeliverGrant(Call& call) {
  std::vector<LicenseId> ids;
  for (int i = 0; i < call.granted->holdings_size(); ++i) {
    const v1::Holding& holding = call.granted->holdings(i);
    LicenseId id = 0;
    Held& held = NewHeld(call, i, holding, &id);
    TellLicense(id, held);
    TellViolation(id, held, holding.violation());
    Note(3, absl::StrCat(holding.feature(), ": license granted: ", holding.count(), ", handle ",
                         holding.handle(), ", node ", call.granted_node));
    ids.push_back(id);
  }
  TellDone(call, Status(), std::move(ids));
  Finish(call);
}

Session::Held& Session::NewHeld(const Call& call, int item, const v1::Holding& holding,
                                LicenseId* id) {
  *id = config_.next_license ? config_.next_license() : next_license_++;
  Held& held = held_[*id];
  held.view.feature = holding.feature();
  held.view.version = holding.version();
  held.view.count = holding.count();
  held.view.handle = holding.handle();
  held.view.node = call.granted_node;
  held.pool = holding.pool();
  held.granted_index = holding.granted_index();
  held.granted_ms = Now();
  held.group = call.key;
  if (item < call.checkout.items_size()) {
    held.request.checkout_data = call.checkout.items(item).checkout_data();
    held.request.dup_group = call.checkout.items(item).dup_mask();
  }
  held.user = call.checkout.user();
  held.time_limit_ms = static_cast<int64_t>(call.checkout.time_limit_ms());
  held.asked_ms = call.started_ms;
  return held;
}

void Session::DeliverBorrow(Call& call) {
  if (call.granted->holdings_size() > 0) {
    call.borrow->holding = call.granted->holdings(0);
    auto pool = pools_.find(call.borrow->holding.pool());
    if (pool != pools_.end())
      call.borrow->pool = pool->second.description.value_or(v1::PoolDescription());
  }
  TellDone(call, Status());
  Finish(call);
}

void Session::GiveBack(const Call& call) {
  for (const v1::Holding& holding : call.granted->holdings()) {
    if (call.kind == Call::Kind::kBorrow) {
      ReturnBorrowedHandle(holding.handle(), 0, nullptr);
    } else {
      CheckinHandle(holding.handle(), INT64_MAX, nullptr);
    }
  }
}

// --- lost, and asked for again ---

// `first_ms`: when to ask for it again first.
void Session::OnFreed(LicenseId id, absl::string_view reason, int64_t first_ms, bool alone) {
  auto it = held_.find(id);
  Held& held = it->second;
  const bool over = held.time_limit_ms > 0 && Now() - held.asked_ms >= held.time_limit_ms;
  if (!over) {
    LoseLicense(id, held, reason, first_ms);
    held.asleep = alone && held.idle;
    if (held.asleep) held.regrant_ms = INT64_MAX;
    return;
  }
  held.view.state = LicenseState::kReturned;
  held.view.usable = false;
  TellLicense(id, held);
  Emit(Event::Kind::kEnded, id, held, "its time limit is over");
  held_.erase(it);
}

void Session::LoseLicense(LicenseId id, Held& held, absl::string_view reason, int64_t first_ms) {
  held.view.state = LicenseState::kLost;
  held.since_ms = Now();
  held.told_unconfirmed = false;
  if (config_.unconfirmed == UnconfirmedPolicy::kRefuse) {
    held.told_refused = true;
    held.view.usable = false;
  }
  held.violation.clear();
  held.regrant_interval_ms = first_ms;
  held.regrant_ms = Now() + Jittered(*env_.random, first_ms);
  held.regrant_call = 0;
  TellLicense(id, held);
  Emit(Event::Kind::kLost, id, held, reason, "lost");
}

void Session::ScheduleRegrant(Held& held) {
  held.regrant_call = 0;
  held.regrant_ms = Now() + Jittered(*env_.random, held.regrant_interval_ms);
  held.regrant_interval_ms = std::min(held.regrant_interval_ms * 2, kRegrantMsMax);
}

// The application has returned one for which a call asks again.
void Session::LeaveRegrant(LicenseId id, const Held& held) {
  auto found = calls_.find(held.regrant_call);
  if (found == calls_.end()) return;
  Call& call = found->second;
  if (call.seq != 0) return;  // what it brings for this one goes back
  for (LicenseId other : call.licenses) {
    auto it = held_.find(other);
    if (other != id && it != held_.end()) ScheduleRegrant(it->second);
  }
  Finish(call);
}

void Session::StartRegrants() {
  if (token_.empty()) return;
  std::set<uint64_t> groups;
  for (const auto& [id, held] : held_) {
    if (held.regrant_ms <= Now()) groups.insert(held.group);
  }
  for (uint64_t group : groups) StartRegrant(group);
}

// All that is lost of one checkout, together.
void Session::StartRegrant(uint64_t group) {
  Call& call = NewCall(Call::Kind::kRegrant);
  for (auto& [id, held] : held_) {
    const bool lost = held.view.state == LicenseState::kLost && !held.asleep;
    if (held.group != group || !lost || held.regrant_call != 0) continue;
    auto* item = call.checkout.add_items();
    item->set_feature(held.view.feature);
    item->set_version(held.view.version);
    item->set_count(held.view.count);
    item->set_checkout_data(held.request.checkout_data);
    item->set_dup_mask(held.request.dup_group);
    const bool overuse = held.view.usable && !held.overuse_told;
    if (overuse) item->set_lost_handle(held.view.handle);
    call.checkout.set_user(held.user);
    if (held.time_limit_ms > 0) {
      const int64_t left = held.asked_ms + held.time_limit_ms - Now();
      call.checkout.set_time_limit_ms(static_cast<uint64_t>(std::max<int64_t>(left, 1)));
    }
    call.licenses.push_back(id);
    held.regrant_call = call.key;
    held.regrant_ms = INT64_MAX;
  }
  SetDue(call, Now());
}

void Session::DeliverRegrant(Call& call) {
  const int count = std::min(call.granted->holdings_size(), static_cast<int>(call.licenses.size()));
  for (int i = 0; i < count; ++i) {
    const v1::Holding& holding = call.granted->holdings(i);
    auto it = held_.find(call.licenses[static_cast<size_t>(i)]);
    if (it == held_.end() || it->second.regrant_call != call.key) {  // returned meanwhile
      CheckinHandle(holding.handle(), INT64_MAX, nullptr);
      continue;
    }
    auto& [id, held] = *it;
    const uint64_t old_handle = held.view.handle;
    held.view.handle = holding.handle();
    held.view.count = holding.count();
    held.view.node = call.granted_node;
    held.view.state = LicenseState::kHeld;
    held.view.usable = true;
    held.pool = holding.pool();
    held.granted_index = holding.granted_index();
    held.granted_ms = Now();
    held.told_refused = false;
    held.regrant_call = 0;
    held.overuse_told = false;
    held.idle_told = false;
    held.resized_ms = INT64_MIN;
    TellLicense(id, held);
    TellViolation(id, held, "");
    Emit(Event::Kind::kReconnected, id, held,
         absl::StrCat("granted again, the handle was ", old_handle), "lost");
    TellIdle(id, held);
  }
  Finish(call);
}

}  // namespace triad::client
