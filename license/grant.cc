#include "license/grant.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/denial.h"
#include "license/host_id.h"
#include "license/limits.h"

namespace triad::license {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
// A count above this is a negative number gone wrong.
constexpr uint64_t kCountMax = uint64_t{1} << 63;

v1::Outcome Deny(DenialCode code, absl::string_view feature, absl::string_view reason) {
  v1::Outcome outcome;
  v1::Denied& denied = *outcome.mutable_denied();
  denied.set_code(ToNumber(code));
  denied.set_reason(std::string(reason));
  denied.set_feature(std::string(feature));
  return outcome;
}

v1::Outcome Deny(DenialCode code, absl::string_view feature) {
  return Deny(code, feature, DenialText(code));
}

// "": well-formed.
std::string Complaint(const v1::Checkout::Item& item) {
  if (item.feature().empty()) return "feature name is missing";
  if (item.feature().size() > kNameBytesMax) {
    return absl::StrCat("feature name is longer than ", kNameBytesMax, " bytes");
  }
  switch (item.mode()) {
    case v1::ALL:
      return "";
    case v1::EXACT:
    case v1::UP_TO:
      return item.count() >= 1 && item.count() <= kCountMax ? "" : "count must be 1 or more";
    default:
      return "count mode is unknown";
  }
}

// What the session shows of its machine, as node-locked lines are matched against.
class Locks {
 public:
  explicit Locks(const v1::Identity& identity) {
    machine_.hostnames.push_back(identity.host());
    machine_.addresses.push_back(identity.peer_address());
    machine_.user = identity.user();
    for (const std::string& text : identity.host_ids()) {
      absl::StatusOr<HostId> id = ParseHostId(text);
      if (!id.ok()) continue;
      if (id->type == HostId::Type::kEther) machine_.ethers.push_back(id->value);
      shown_.push_back(*std::move(id));
    }
  }

  bool Open(const Pool& pool) const {
    if (pool.host_ids.empty()) return true;
    absl::StatusOr<std::vector<HostId>> ids = ParseHostIdList(pool.host_ids);
    return ids.ok() &&
           std::any_of(ids->begin(), ids->end(), [this](const HostId& id) { return Shows(id); });
  }

 private:
  bool Shows(const HostId& id) const {
    switch (id.type) {
      case HostId::Type::kAny:
      case HostId::Type::kId:
        return true;
      default:
        return Matches(id, machine_) || std::find(shown_.begin(), shown_.end(), id) != shown_.end();
    }
  }

  MachineIds machine_;
  std::vector<HostId> shown_;
};

class Decider {
 public:
  Decider(const LedgerState& state, const Session& session)
      : state_(state), session_(session), today_(state.today()) {}

  // Adds one grant, or tells why not.
  std::optional<v1::Outcome> Decide(const v1::Checkout::Item& item);
  std::vector<Grant> TakeGrants() { return std::move(grants_); }

 private:
  uint64_t HeldOf(absl::string_view feature) const;
  uint64_t FreeOf(const Pool& pool) const;
  // Why the pool is none for `item`, whatever is free; nullopt: it would do.
  std::optional<DenialCode> Objection(const Pool& pool, const v1::Checkout::Item& item);
  bool Unlocked(const Pool& pool);

  const LedgerState& state_;
  const Session& session_;
  const Day today_;
  std::optional<Locks> locks_;  // made when a node-locked pool is met
  std::vector<Grant> grants_;   // of the items before; few, so searched
};

uint64_t Decider::HeldOf(absl::string_view feature) const {
  auto held = session_.held.find(feature);
  uint64_t count = held == session_.held.end() ? 0 : held->second;
  for (const Grant& grant : grants_) {
    if (grant.pool->feature == feature) count += grant.count;
  }
  return count;
}

uint64_t Decider::FreeOf(const Pool& pool) const {
  if (pool.uncounted) return kUnlimited;
  const PoolUse* use = state_.FindUse(pool.id);
  uint64_t used = use == nullptr ? 0 : use->used;
  for (const Grant& grant : grants_) {
    if (grant.pool == &pool) used += grant.count;
  }
  const uint64_t licenses = pool.LicensesOn(today_);
  return licenses > used ? licenses - used : 0;  // fewer after a change of licenses or a date
}

bool Decider::Unlocked(const Pool& pool) {
  if (pool.host_ids.empty()) return true;
  if (!locks_) locks_.emplace(session_.identity);
  return locks_->Open(pool);
}

std::optional<DenialCode> Decider::Objection(const Pool& pool, const v1::Checkout::Item& item) {
  if (!item.version().empty() && CompareVersions(pool.version, item.version()) < 0) {
    return DenialCode::kVersionTooHigh;
  }
  if (!pool.ValidOn(today_)) {
    const bool to_come =
        std::any_of(pool.lines.begin(), pool.lines.end(), [this](const Pool::Line& line) {
          return !line.line.expiry || *line.line.expiry >= today_;
        });
    return to_come ? DenialCode::kStartInFuture : DenialCode::kExpired;
  }
  if (!Unlocked(pool)) return DenialCode::kHostIdMismatch;
  return std::nullopt;
}

// How much an objection tells, most first.
int Rank(DenialCode code) {
  switch (code) {
    case DenialCode::kVersionTooHigh:
      return 0;
    case DenialCode::kExpired:
      return 1;
    case DenialCode::kStartInFuture:
      return 2;
    default:
      return 3;
  }
}

std::optional<v1::Outcome> Decider::Decide(const v1::Checkout::Item& item) {
  const std::string& feature = item.feature();
  if (!item.version().empty() && !IsVersion(item.version())) {
    return Deny(DenialCode::kBadVersion, feature);
  }
  const std::vector<const Pool*>& pools = state_.catalog().PoolsOf(feature);
  if (pools.empty()) return Deny(DenialCode::kNoSuchFeature, feature);

  const bool exact = item.mode() == v1::EXACT;
  const uint64_t held = HeldOf(feature);
  const uint64_t room = kLicensesPerSessionMax - std::min(held, kLicensesPerSessionMax);
  if (room < (exact ? item.count() : 1)) {
    return Deny(DenialCode::kMaxExceeded, feature,
                absl::StrCat("more than ", kLicensesPerSessionMax,
                             " licenses of one feature for one session"));
  }
  const uint64_t wanted = item.mode() == v1::ALL ? room : std::min(item.count(), room);
  const uint64_t needed = exact ? wanted : 1;

  std::optional<DenialCode> telling;
  uint64_t licenses_max = 0;  // of one pool that would do
  bool any = false;
  Grant best;
  for (const Pool* pool : pools) {
    if (std::optional<DenialCode> objection = Objection(*pool, item)) {
      if (!telling || Rank(*objection) < Rank(*telling)) telling = objection;
      continue;
    }
    any = true;
    licenses_max = std::max(licenses_max, pool->uncounted ? kUnlimited : pool->LicensesOn(today_));
    const uint64_t count = std::min(FreeOf(*pool), wanted);
    if (count > best.count) best = {pool, count};
    if (best.count == wanted) break;
  }
  if (best.count >= needed) {
    grants_.push_back(best);
    return std::nullopt;
  }
  if (!any) return Deny(*telling, feature);
  return Deny(needed > licenses_max ? DenialCode::kMoreThanExist : DenialCode::kAllInUse, feature);
}

}  // namespace

v1::Outcome Refuse(v1::Refused::Why why, std::string reason) {
  v1::Outcome outcome;
  outcome.mutable_refused()->set_why(why);
  outcome.mutable_refused()->set_reason(std::move(reason));
  return outcome;
}

std::variant<std::vector<Grant>, v1::Outcome> DecideCheckout(const LedgerState& state,
                                                             const Session& session,
                                                             const v1::Checkout& checkout,
                                                             size_t checkouts_max) {
  const size_t items = static_cast<size_t>(checkout.items_size());
  if (items == 0 || items > kItemsPerCheckoutMax) {
    return Refuse(
        v1::Refused::MALFORMED,
        absl::StrCat("a checkout asks for 1 to ", kItemsPerCheckoutMax, " features, not ", items));
  }
  for (const v1::Checkout::Item& item : checkout.items()) {
    if (std::string complaint = Complaint(item); !complaint.empty()) {
      return Refuse(v1::Refused::MALFORMED, std::move(complaint));
    }
  }
  if (session.handles.size() + items > kCheckoutsPerSessionMax) {
    return Refuse(v1::Refused::TOO_MANY_PENDING,
                  absl::StrCat("a session holds at most ", kCheckoutsPerSessionMax, " checkouts"));
  }
  if (state.checkouts().size() + items > checkouts_max) {
    return Refuse(v1::Refused::TOO_MANY_PENDING,
                  absl::StrCat("the servers hold at most ", checkouts_max, " checkouts"));
  }
  Decider decider(state, session);
  for (const v1::Checkout::Item& item : checkout.items()) {
    if (std::optional<v1::Outcome> no = decider.Decide(item)) return *std::move(no);
  }
  return decider.TakeGrants();
}

}  // namespace triad::license
