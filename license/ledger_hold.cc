// What becomes of a checkout while it is held: another count, idle or not.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger_words.h"

namespace triad::license {
namespace {

constexpr uint64_t kMsPerSecond = 1'000;

v1::Outcome NotHeld(uint64_t handle) {
  return Malformed(absl::StrCat("handle ", handle, " is not held by this session"));
}

v1::Outcome GrantedOf(const Checkout& checkout) {
  v1::Outcome outcome;
  *outcome.mutable_granted()->add_holdings() = HoldingOf(checkout);
  return outcome;
}

bool IsIdle(const Checkout& checkout) {
  return checkout.extra != nullptr && checkout.extra->idle_since_ms != 0;
}

// It shares licenses: what it asks for is a total, not what comes to it.
bool Shares(const Checkout& checkout) {
  return checkout.extra != nullptr && !checkout.extra->dup_mask.empty();
}

}  // namespace

v1::Outcome Ledger::ApplyResize(Session& session, const v1::Resize& resize, Events& events) {
  if (!session.handles.contains(resize.handle())) return NotHeld(resize.handle());
  if (resize.count() == 0 || resize.mode() == v1::ALL) {
    return Malformed("resize: give a count of 1 or more, exact or up to; check in to hold none");
  }
  const Checkout& checkout = *FindCheckout(resize.handle());
  if (checkout.borrowed()) {
    return Malformed(absl::StrCat("handle ", resize.handle(), " is borrowed: return it instead"));
  }
  const uint64_t before = checkout.count;
  Grant more;
  if (resize.count() > before) {
    auto decision = DecideMore(session, checkout, resize, events);
    if (auto* no = std::get_if<v1::Outcome>(&decision)) {
      if (resize.mode() == v1::UP_TO && no->has_denied()) return GrantedOf(checkout);
      if (no->has_denied()) events.push_back(DeniedOf(session, no->denied()));
      return std::move(*no);
    }
    more = std::move(std::get<Grant>(decision));
    const std::string data = checkout.extra == nullptr ? "" : checkout.extra->checkout_data;
    TakeUpLingers(session, UserOf(checkout), data, more, events);
  }
  const uint64_t count = resize.count() <= before ? resize.count()
                         : Shares(checkout)       ? std::max(before, more.count)
                                                  : before + more.count;
  if (count == before) return GrantedOf(checkout);
  state_.ChangeCheckout(resize.handle(), [&](Checkout& changed) {
    changed.count = count;
    if (changed.extra == nullptr && more.overdraft > 0) {
      changed.extra = std::make_unique<CheckoutExtra>();
    }
    if (changed.extra == nullptr) return;
    // What is beyond the licenses is given back first.
    const uint64_t given = before > count ? before - count : 0;
    const uint64_t had = changed.extra->overdraft;
    changed.extra->overdraft = (had > given ? had - given : 0) + more.overdraft;
  });
  events.push_back(EventOf(LedgerEvent::Kind::kResized, session, checkout));
  events.back().count = before;
  return GrantedOf(checkout);
}

// What it may have beside what it has, out of the same pool.
std::variant<Grant, v1::Outcome> Ledger::DecideMore(Session& session, const Checkout& checkout,
                                                    const v1::Resize& resize, Events& events) {
  v1::Checkout more;
  v1::Checkout::Item& item = *more.add_items();
  item.set_feature(checkout.use->feature);
  item.set_version(checkout.version);
  item.set_mode(resize.mode());
  item.set_count(Shares(checkout) ? resize.count() : resize.count() - checkout.count);
  if (checkout.extra != nullptr) {
    more.set_user(checkout.extra->user);
    item.set_checkout_data(checkout.extra->checkout_data);
    item.set_dup_mask(checkout.extra->dup_mask);
  }
  const Asker asker{.session = &session, .pool = checkout.use->pool};
  auto decision = Decide(asker, more);
  if (const auto* no = std::get_if<v1::Outcome>(&decision)) {
    if (!MayWait(*no) || !EndLingersOver(events)) return *no;
    if (state_.AnyFreed()) ServeQueues(events);  // those who came first
    decision = Decide(asker, more);
  }
  if (auto* no = std::get_if<v1::Outcome>(&decision)) return std::move(*no);
  return std::move(std::get<std::vector<Grant>>(decision).front());
}

v1::Outcome Ledger::ApplySetIdle(Session& session, const v1::SetIdle& set, Events& events) {
  std::vector<uint64_t> handles;
  if (set.handle() == 0) {
    handles.assign(session.handles.begin(), session.handles.end());
  } else if (session.handles.contains(set.handle())) {
    handles.push_back(set.handle());
  } else {
    return NotHeld(set.handle());
  }
  for (uint64_t handle : handles) {
    const Checkout& checkout = *FindCheckout(handle);
    if (checkout.borrowed() || IsIdle(checkout) == set.idle()) continue;
    const Pool* pool = catalog().FindPool(checkout.use->pool);
    const uint64_t timeout_ms =
        pool == nullptr ? 0 : catalog().policy().TimeoutSeconds(*pool) * kMsPerSecond;
    const uint64_t now_ms = std::max<uint64_t>(1, cluster_ms());  // 0 is: not idle
    state_.ChangeCheckout(handle, [&](Checkout& changed) {
      if (changed.extra == nullptr) changed.extra = std::make_unique<CheckoutExtra>();
      changed.extra->idle_since_ms = set.idle() ? now_ms : 0;
      changed.extra->reclaims_ms = set.idle() && timeout_ms != 0 ? now_ms + timeout_ms : 0;
    });
    events.push_back(EventOf(set.idle() ? LedgerEvent::Kind::kIdle : LedgerEvent::Kind::kActive,
                             session, checkout));
  }
  return Done();
}

}  // namespace triad::license
