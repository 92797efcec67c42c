#include "license/ledger_tables.h"

#include "license/check.h"

namespace triad::license {

const v1::Identity& IdentityOf(const Checkout& checkout) {
  if (checkout.session != nullptr) return checkout.session->identity;
  Check(checkout.extra != nullptr && checkout.extra->owner != nullptr,
        "whose a checkout was is known when no session holds it");
  return *checkout.extra->owner;
}

const std::string& UserOf(const Checkout& checkout) {
  if (checkout.extra != nullptr && !checkout.extra->user.empty()) return checkout.extra->user;
  return IdentityOf(checkout).user();
}

v1::Holding HoldingOf(const Checkout& checkout) {
  v1::Holding holding;
  holding.set_handle(checkout.handle);
  holding.set_feature(checkout.use->feature);
  holding.set_version(checkout.version);
  holding.set_count(checkout.count);
  holding.set_pool(checkout.use->pool);
  holding.set_start_wall_ms(checkout.start_wall_ms);
  holding.set_start_utc_offset_s(checkout.start_utc_offset_s);
  holding.set_granted_index(checkout.granted_index);
  if (checkout.use->violation != nullptr) holding.set_violation(checkout.use->violation->reason());
  if (checkout.extra == nullptr) return holding;
  const CheckoutExtra& extra = *checkout.extra;
  holding.set_user(extra.user);
  holding.set_checkout_data(extra.checkout_data);
  holding.set_ticket(extra.ticket);
  holding.set_borrowed_until_wall_ms(extra.borrowed_until_wall_ms);
  holding.set_idle(extra.idle_since_ms != 0);
  holding.set_lingers_until_ms(extra.lingers_until_ms);
  holding.set_ends_ms(extra.ends_ms);
  holding.set_overdraft(extra.overdraft);
  return holding;
}

Who WhoOf(const v1::Identity& identity, absl::string_view on_behalf) {
  return {.user = on_behalf.empty() ? absl::string_view(identity.user()) : on_behalf,
          .host = identity.host(),
          .display = identity.display(),
          .address = identity.peer_address(),
          .project = identity.project()};
}

Who WhoOf(const Checkout& checkout) {
  return WhoOf(IdentityOf(checkout), UserOf(checkout));
}

std::string GroupKeyOf(const Checkout& checkout) {
  if (checkout.extra == nullptr || checkout.extra->dup_mask.empty()) return "";
  return GroupKeyOf(checkout.extra->dup_mask, IdentityOf(checkout), UserOf(checkout),
                    checkout.extra->checkout_data);
}

std::string GroupKeyOf(absl::string_view mask, const v1::Identity& identity, absl::string_view user,
                       absl::string_view data) {
  std::string key(mask);
  if (mask == kDupSite) return key;
  const auto add = [&key](absl::string_view field) {
    key.push_back('\0');
    key.append(field.data(), field.size());
  };
  for (const char letter : mask) {
    if (letter == 'U') add(user);
    if (letter == 'H') add(identity.host());
    if (letter == 'D') add(identity.display());
    if (letter == 'V') add(data);
  }
  return key;
}

std::string SeatKeyOf(const v1::Identity& identity, absl::string_view user) {
  return GroupKeyOf("UHD", identity, user, "");
}

std::string DupMaskOf(absl::string_view text) {
  if (text == kDupSite) return std::string(text);
  std::string mask;
  if (text == "NONE") return mask;
  for (const char letter : {'U', 'H', 'D', 'V'}) {
    if (text.find(letter) != absl::string_view::npos) mask.push_back(letter);
  }
  return mask;
}

}  // namespace triad::license
