// Licenses taken home, and brought back.
//
// A borrowed checkout is its session's as long as that lives, and afterwards its user's on its
// host; it ends by its date, or when they bring it back.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger_words.h"

namespace triad::license {
namespace {

constexpr int64_t kMsPerHour = 3'600'000;

uint64_t BorrowedOf(const LedgerState& state, uint64_t pool) {
  const PoolUse* use = state.FindUse(pool);
  uint64_t borrowed = 0;
  if (use == nullptr) return borrowed;
  for (uint64_t handle : use->handles) {
    const Checkout& checkout = *state.FindCheckout(handle);
    if (checkout.borrowed()) borrowed += checkout.count;
  }
  return borrowed;
}

v1::Outcome Deny(DenialCode code, absl::string_view feature, std::string reason) {
  v1::Outcome outcome;
  v1::Denied& denied = *outcome.mutable_denied();
  denied.set_code(ToNumber(code));
  denied.set_reason(reason.empty() ? std::string(DenialText(code)) : std::move(reason));
  denied.set_feature(std::string(feature));
  return outcome;
}

}  // namespace

// Why nothing may be borrowed out of this pool until then; nullopt: it may.
std::optional<v1::Outcome> Ledger::BorrowObjection(const Session& session, const Pool& pool,
                                                   const v1::Borrow& borrow) const {
  const std::string& feature = pool.feature;
  const uint64_t line_hours = pool.On(today()).borrow_hours;
  if (line_hours == 0) return Deny(DenialCode::kNoBorrowing, feature, "");
  const Policy& policy = catalog().policy();
  const Policy::Borrowing allowed = policy.BorrowingOf(pool);
  if (!policy.settings().empty()) {
    const Subjects subjects = policy.SubjectsOf(pool, WhoOf(session.identity, ""));
    if (auto code = policy.BarsBorrowing(pool, subjects)) {
      return Deny(*code, feature, absl::StrCat(DenialText(*code), " for borrowing"));
    }
  }
  const uint64_t hours = std::min(line_hours, allowed.hours_max.value_or(line_hours));
  if (borrow.until_wall_ms() - wall_ms() > static_cast<int64_t>(hours) * kMsPerHour) {
    return Deny(
        DenialCode::kBorrowTooLong, feature,
        absl::StrCat(DenialText(DenialCode::kBorrowTooLong), ": at most ", hours, " hours"));
  }
  if (!pool.ValidOn(DayAt(borrow.until_wall_ms(), utc_offset_s()))) {
    return Deny(DenialCode::kBorrowTooLong, feature,
                absl::StrCat(DenialText(DenialCode::kBorrowTooLong), ": the license ends before"));
  }
  const uint64_t out = BorrowedOf(state_, pool.id) + borrow.item().count() + allowed.lowwater;
  if (!pool.uncounted && out > pool.LicensesOn(today())) {
    return Deny(DenialCode::kNoneToBorrow, feature, "");
  }
  return std::nullopt;
}

v1::Outcome Ledger::ApplyBorrow(Session& session, const v1::Borrow& borrow, Events& events) {
  const v1::Checkout::Item& item = borrow.item();
  if (item.mode() != v1::EXACT || item.count() == 0 || item.count() > kLicensesPerSessionMax) {
    return Malformed(absl::StrCat("borrow: give an exact count of 1 to ", kLicensesPerSessionMax));
  }
  if (borrow.until_wall_ms() <= wall_ms()) {
    return Malformed("borrow: the time until which is over already");
  }
  v1::Checkout checkout;
  *checkout.add_items() = item;
  checkout.mutable_items(0)->clear_dup_mask();  // taken home, it is shared with nobody here
  v1::Outcome no = Deny(DenialCode::kNoSuchFeature, item.feature(), "");
  for (const Pool* pool : catalog().PoolsOf(item.feature())) {
    auto decision = Decide({.session = &session, .pool = pool->id}, checkout);
    if (auto* denied = std::get_if<v1::Outcome>(&decision)) {
      if (denied->has_refused()) return std::move(*denied);
      no = std::move(*denied);
      continue;
    }
    if (auto objection = BorrowObjection(session, *pool, borrow)) {
      no = *std::move(objection);
      continue;
    }
    v1::Outcome outcome;
    v1::Granted& granted = *outcome.mutable_granted();
    granted = Give(session, checkout, std::get<std::vector<Grant>>(decision), 0, events);
    const uint64_t handle = granted.holdings(0).handle();
    state_.ChangeCheckout(handle, [&](Checkout& taken) {
      if (taken.extra == nullptr) taken.extra = std::make_unique<CheckoutExtra>();
      taken.extra->borrowed_until_wall_ms = borrow.until_wall_ms();
    });
    const Checkout& taken = *FindCheckout(handle);
    *granted.mutable_holdings(0) = HoldingOf(taken);
    events.push_back(EventOf(LedgerEvent::Kind::kBorrowed, session, taken));
    return outcome;
  }
  if (no.has_denied()) events.push_back(DeniedOf(session, no.denied()));
  return no;
}

v1::Outcome Ledger::ApplyReturn(Session& session, const v1::ReturnBorrowed& returned,
                                Events& events) {
  const Checkout* checkout = FindCheckout(returned.handle());
  if (checkout == nullptr || !checkout->borrowed()) {
    return Malformed(absl::StrCat("handle ", returned.handle(), " is not borrowed"));
  }
  const v1::Identity& owner = IdentityOf(*checkout);
  if (owner.user() != session.identity.user() || owner.host() != session.identity.host()) {
    v1::Outcome no = Deny(DenialCode::kBorrowFailed, checkout->use->feature,
                          "borrowed by another user or on another host: only they bring it back");
    events.push_back(DeniedOf(session, no.denied()));
    return no;
  }
  LedgerEvent event = EventOf(LedgerEvent::Kind::kReturned, *checkout);
  Release(returned.handle(), "returned", After::kFree, events);
  event.identity = events.back().identity;
  events.push_back(std::move(event));
  return Done();
}

}  // namespace triad::license
