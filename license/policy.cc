#include "license/policy.h"

#include <algorithm>
#include <utility>

#include "license/catalog.h"
#include "license/policy_rules.h"

namespace triad::license {
namespace {

bool Meet(const Subjects& list, const Subjects& subjects) {
  return std::any_of(subjects.begin(), subjects.end(), [&](uint32_t subject) {
    return std::binary_search(list.begin(), list.end(), subject);
  });
}

MaxLimit LimitOf(const MaxRule& rule, absl::string_view subject) {
  return {{rule.number, std::string(subject)}, rule.limit, rule.text};
}

// Of the rules of one feature spec: for a user the first line that names them, or all; likewise for
// each of their groups; and those for their host, display, address and project.
void AppendLimits(const MaxRules& rules, const VendorRules& vendor, const Who& who,
                  const Subjects& subjects, std::vector<MaxLimit>& out) {
  const MaxRule* user = rules.all_users ? &*rules.all_users : nullptr;
  for (uint32_t subject : subjects) {
    const auto it = rules.named.find(subject);
    const MaxRule* named = it == rules.named.end() ? nullptr : &it->second;
    switch (vendor.index.type(subject)) {
      case SubjectType::kUser:
        if (named != nullptr && (user == nullptr || named->number < user->number)) user = named;
        break;
      case SubjectType::kGroup: {
        const MaxRule* all = rules.all_groups ? &*rules.all_groups : nullptr;
        if (all != nullptr && (named == nullptr || all->number < named->number)) named = all;
        if (named != nullptr) out.push_back(LimitOf(*named, vendor.index.name(subject)));
        break;
      }
      default:
        if (named != nullptr) out.push_back(LimitOf(*named, ""));
        break;
    }
  }
  if (user != nullptr) out.push_back(LimitOf(*user, who.user));
}

}  // namespace

struct Policy::Impl {
  PolicyRules rules;

  const PoolRules* Of(const Pool& pool) const {
    const auto it = rules.pools.find(pool.id);
    return it == rules.pools.end() ? nullptr : &it->second;
  }
  const VendorRules* OfVendor(absl::string_view vendor) const {
    const auto it = rules.vendors.find(vendor);
    return it == rules.vendors.end() ? nullptr : it->second.get();
  }
};

Policy::Policy() : impl_(std::make_unique<const Impl>()) {
}
Policy::~Policy() = default;
Policy::Policy(Policy&&) noexcept = default;
Policy& Policy::operator=(Policy&&) noexcept = default;

Policy Policy::Build(const std::vector<NamedBytes>& option_files, const std::vector<Pool>& pools,
                     Diagnostics& diagnostics) {
  Policy out;
  auto impl = std::make_unique<Impl>();
  impl->rules = MakeRules(option_files, pools, diagnostics);
  out.impl_ = std::move(impl);
  return out;
}

Subjects Policy::SubjectsOf(const Pool& pool, const Who& who) const {
  const VendorRules* vendor = impl_->OfVendor(pool.vendor);
  return vendor == nullptr ? Subjects() : vendor->index.Of(who);
}

bool Policy::Names(absl::string_view vendor, SubjectType type, absl::string_view name,
                   const Who& who) const {
  static const auto* const kNobody = new SubjectIndex(OptionsFile());
  const VendorRules* rules = impl_->OfVendor(vendor);
  return (rules == nullptr ? *kNobody : rules->index).Names(type, name, who);
}

bool Policy::HasGroup(absl::string_view vendor, SubjectType type, absl::string_view name) const {
  const VendorRules* rules = impl_->OfVendor(vendor);
  const bool group = type == SubjectType::kGroup || type == SubjectType::kHostGroup;
  return group && rules != nullptr && rules->index.Find(type, name).has_value();
}

std::optional<DenialCode> Policy::Bars(const Pool& pool, const Subjects& subjects) const {
  const PoolRules* rules = impl_->Of(pool);
  if (rules == nullptr) return std::nullopt;
  if (!rules->closed.empty()) return DenialCode::kNoNamedUsers;
  if (rules->vendor == nullptr) return std::nullopt;
  const VendorRules& vendor = *rules->vendor;
  if (Meet(rules->excluded, subjects) || Meet(vendor.excluded_all, subjects)) {
    return DenialCode::kExcluded;
  }
  if (rules->included.empty() && vendor.included_all.empty()) return std::nullopt;
  if (Meet(rules->included, subjects) || Meet(vendor.included_all, subjects)) return std::nullopt;
  return DenialCode::kNotIncluded;
}

absl::string_view Policy::ClosedBecause(const Pool& pool) const {
  const PoolRules* rules = impl_->Of(pool);
  return rules == nullptr ? absl::string_view() : rules->closed;
}

std::optional<DenialCode> Policy::BarsBorrowing(const Pool& pool, const Subjects& subjects) const {
  const PoolRules* rules = impl_->Of(pool);
  if (rules == nullptr) return std::nullopt;
  if (Meet(rules->borrow_excluded, subjects)) return DenialCode::kExcluded;
  if (rules->borrow_included.empty() || Meet(rules->borrow_included, subjects)) return std::nullopt;
  return DenialCode::kNotIncluded;
}

std::vector<MaxLimit> Policy::LimitsOf(const Pool& pool, const Who& who,
                                       const Subjects& subjects) const {
  std::vector<MaxLimit> out;
  const PoolRules* rules = impl_->Of(pool);
  if (rules == nullptr) return out;
  for (const auto& [spec, max] : rules->max) {
    AppendLimits(max, *rules->vendor, who, subjects, out);
  }
  return out;
}

bool Policy::HasLimits(const Pool& pool) const {
  const PoolRules* rules = impl_->Of(pool);
  return rules != nullptr && !rules->max.empty();
}

std::map<uint64_t, std::vector<Reservation>> Policy::ReservationsOn(Day day) const {
  std::map<uint64_t, std::vector<Reservation>> out;
  std::map<uint64_t, uint64_t> left;  // licenses of a pool that are not set aside yet
  for (const ReserveRule& rule : impl_->rules.reserves) {
    uint64_t wanted = rule.reservation.count;
    for (const Pool* pool : rule.pools) {
      auto [place, added] = left.try_emplace(pool->id, 0);
      if (added) place->second = pool->LicensesOn(day);
      const uint64_t taken = std::min(wanted, place->second);
      if (taken == 0) continue;
      place->second -= taken;
      wanted -= taken;
      Reservation reservation = rule.reservation;
      reservation.count = taken;
      out[pool->id].push_back(std::move(reservation));
    }
  }
  return out;
}

uint64_t Policy::LingerSeconds(const Pool& pool) const {
  const PoolRules* rules = impl_->Of(pool);
  return rules == nullptr ? 0 : rules->linger_s;
}

uint64_t Policy::TimeoutSeconds(const Pool& pool) const {
  const PoolRules* rules = impl_->Of(pool);
  if (rules == nullptr) return 0;
  if (rules->timeout_s) return *rules->timeout_s;
  return rules->vendor == nullptr ? 0 : rules->vendor->timeout_all_s;
}

std::optional<uint64_t> Policy::OverdraftMax(const Pool& pool) const {
  const PoolRules* rules = impl_->Of(pool);
  return rules == nullptr ? std::nullopt : rules->overdraft_max;
}

Policy::Borrowing Policy::BorrowingOf(const Pool& pool) const {
  const PoolRules* rules = impl_->Of(pool);
  return rules == nullptr ? Borrowing() : rules->borrowing;
}

const std::map<std::string, OptionSettings, std::less<>>& Policy::settings() const {
  return impl_->rules.settings;
}

}  // namespace triad::license
