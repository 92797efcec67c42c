#include "license/grant.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
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
  if (item.checkout_data().size() > kNameBytesMax) {
    return absl::StrCat("checkout data is longer than ", kNameBytesMax, " bytes");
  }
  if (absl::string_view mask = item.dup_mask();
      !mask.empty() && mask != kDupSite && mask != "NONE" &&
      mask.find_first_not_of("UHDV") != absl::string_view::npos) {
    return "duplicate mask is neither SITE, NONE nor letters of UHDV";
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
    machine_.display = identity.display();
    for (const std::string& text : identity.host_ids()) {
      absl::StatusOr<HostId> id = ParseHostId(text);
      if (!id.ok()) continue;
      if (id->type == HostId::Type::kEther) machine_.ethers.push_back(id->value);
      shown_.push_back(*std::move(id));
    }
  }

  bool Open(const Pool& pool) const {
    return pool.locks.empty() || std::any_of(pool.locks.begin(), pool.locks.end(),
                                             [this](const HostId& id) { return Shows(id); });
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

uint64_t Minus(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

uint64_t UnusedOf(const PoolReservation& reservation) {
  return Minus(reservation.count, reservation.used);
}

// What earlier items of the same request take of a pool.
struct Planned {
  const Pool* pool = nullptr;
  uint64_t taken = 0;                                    // anew
  uint64_t freed = 0;                                    // of lingers that are taken up in part
  uint64_t own = 0;                                      // of what lingers
  std::vector<std::pair<std::string, uint64_t>> groups;  // key -> licenses

  uint64_t UsedAfter(uint64_t used) const { return used + taken - freed; }
};

// What an item may have of one pool.
struct Room {
  std::string group;        // "": shares with none
  uint64_t base = 0;        // need not be taken anew: its group has it, or it lingers for the asker
  uint64_t stays = 0;       // of its group, when what lingers in it for the asker is taken up
  uint64_t free = 0;        // may be taken anew
  uint64_t unblocked = 0;   // ... if nobody waited
  uint64_t unreserved = 0;  // ... and nothing were set aside for others
  uint64_t allowed = kUnlimited;  // of `free`, by MAX
  std::string rule;               // that MAX

  uint64_t most() const { return free >= kUnlimited - base ? kUnlimited : base + Allowed(free); }
  uint64_t Allowed(uint64_t count) const { return std::min(count, allowed); }
};

// PLATFORMS=: none named is all.
bool RunsOn(const std::vector<std::string>& platforms, const std::string& platform) {
  if (platforms.empty()) return true;
  return std::find(platforms.begin(), platforms.end(), absl::AsciiStrToLower(platform)) !=
         platforms.end();
}

// How much an objection tells, most first.
int Rank(DenialCode code) {
  switch (code) {
    case DenialCode::kExcluded:
      return 0;
    case DenialCode::kNotIncluded:
      return 1;
    case DenialCode::kNoNamedUsers:
      return 2;
    case DenialCode::kVersionTooHigh:
      return 3;
    case DenialCode::kExpired:
      return 4;
    case DenialCode::kStartInFuture:
      return 5;
    default:
      return 6;
  }
}

class Decider {
 public:
  Decider(const LedgerState& state, const Asker& asker, const v1::Checkout& checkout)
      : state_(state),
        asker_(asker),
        session_(*asker.session),
        checkout_(checkout),
        who_(WhoOf(session_.identity, checkout.user())),
        today_(state.today()) {}

  // Adds one grant, or tells why not.
  std::optional<v1::Outcome> Decide(const v1::Checkout::Item& item);
  std::vector<Grant> TakeGrants() { return std::move(grants_); }
  // Adds the pools that would do for `item`, if there were enough free.
  void AddPoolsFor(const v1::Checkout::Item& item, std::vector<uint64_t>& pools);

 private:
  struct Wish {
    uint64_t wanted = 0;
    uint64_t needed = 0;
  };

  uint64_t HeldOf(absl::string_view feature) const;
  // Why the pool is none for `item`, whatever is free; nullopt: it would do.
  std::optional<DenialCode> Objection(const Pool& pool, const v1::Checkout::Item& item);
  std::optional<DenialCode> DayObjection(const Pool& pool) const;
  bool Unlocked(const Pool& pool);
  Wish WishOf(const Pool& pool, const v1::Checkout::Item& item, uint64_t room) const;
  static std::string MaskOf(const Pool& pool, const v1::Checkout::Item& item);
  std::string SuiteMaskOf(const Pool& suite, const std::string& mask) const;
  Room RoomIn(const Pool& pool, const std::string& mask, const std::string& data);
  void LimitByMax(const Pool& pool, Room& room);
  uint64_t KeptBySuites(const Pool& pool, const std::string& mask) const;
  uint64_t ReservedForOthers(const PoolUse& use, const Subjects& subjects) const;
  uint64_t OwnWhileOthersWait(const PoolUse& use, const Subjects& subjects) const;
  bool WaitsBefore(const PoolUse& use) const;
  bool IsFor(const PoolUse& use, const PoolReservation& reservation, const Who& who,
             const Subjects& subjects) const;
  const Planned* PlanOf(const Pool& pool) const;
  void Plan(const Pool& pool, const Room& room, uint64_t count);
  // How many licenses the group has without what lingers in it for the asker.
  uint64_t StaysOf(const PoolUse& use, const Group& group) const;
  bool CountsFor(const Pool& pool, const MaxLimit::Key& key) const;
  uint64_t LicensesOf(const Pool& pool) const { return LicensesAndOverdraft(state_, pool); }

  const LedgerState& state_;
  const Asker& asker_;
  const Session& session_;
  const v1::Checkout& checkout_;
  const Who who_;
  const Day today_;
  std::optional<Locks> locks_;  // made when a node-locked pool is met
  std::vector<Grant> grants_;   // of the items before; few, so searched
  std::vector<Planned> planned_;
};

uint64_t Decider::HeldOf(absl::string_view feature) const {
  auto held = session_.held.find(feature);
  uint64_t count = held == session_.held.end() ? 0 : held->second;
  for (const Grant& grant : grants_) {
    if (grant.pool->feature == feature) count += grant.count;
  }
  return count;
}

const Planned* Decider::PlanOf(const Pool& pool) const {
  for (const Planned& planned : planned_) {
    if (planned.pool == &pool) return &planned;
  }
  return nullptr;
}

void Decider::Plan(const Pool& pool, const Room& room, uint64_t count) {
  if (checkout_.items_size() == 1 && grants_.empty()) return;  // nobody comes after
  auto planned = std::find_if(planned_.begin(), planned_.end(),
                              [&pool](const Planned& each) { return each.pool == &pool; });
  if (planned == planned_.end()) planned = planned_.insert(planned_.end(), Planned{.pool = &pool});
  planned->taken += Minus(count, room.base);
  if (room.group.empty()) {
    planned->own += std::min(count, room.base);
    return;
  }
  const uint64_t seats = std::max(count, room.stays);
  planned->freed += Minus(room.base, seats);
  for (auto& [key, licenses] : planned->groups) {
    if (key == room.group) {
      licenses = seats;
      return;
    }
  }
  planned->groups.emplace_back(room.group, seats);
}

uint64_t Decider::StaysOf(const PoolUse& use, const Group& group) const {
  // What comes free may be set aside for others then: not counted on.
  if (!use.reservations.empty()) return group.seats();
  const auto own = use.lingers.find(SeatKeyOf(session_.identity, who_.user));
  if (own == use.lingers.end()) return group.seats();
  uint64_t most = 0;
  for (const uint64_t handle : group.handles) {
    if (!own->second.contains(handle)) most = std::max(most, state_.FindCheckout(handle)->count);
  }
  return most;
}

bool Decider::Unlocked(const Pool& pool) {
  if (pool.locks.empty()) return true;
  if (!locks_) locks_.emplace(session_.identity);
  return locks_->Open(pool);
}

std::optional<DenialCode> Decider::DayObjection(const Pool& pool) const {
  if (pool.ValidOn(today_)) return std::nullopt;
  const bool to_come = std::any_of(
      pool.lines.begin(), pool.lines.end(),
      [this](const Pool::Line& line) { return !line.expiry || *line.expiry >= today_; });
  return to_come ? DenialCode::kStartInFuture : DenialCode::kExpired;
}

std::optional<DenialCode> Decider::Objection(const Pool& pool, const v1::Checkout::Item& item) {
  if (!item.version().empty() && CompareVersions(pool.version, item.version()) < 0) {
    return DenialCode::kVersionTooHigh;
  }
  if (auto objection = DayObjection(pool)) return objection;
  if (!Unlocked(pool)) return DenialCode::kHostIdMismatch;
  if (!RunsOn(pool.platforms, session_.identity.platform())) return DenialCode::kPlatform;
  const Policy& policy = state_.catalog().policy();
  if (policy.settings().empty() && !pool.user_based && !pool.host_based) return std::nullopt;
  return policy.Bars(pool, policy.SubjectsOf(pool, who_));
}

// The line's own group, else what the client asks for.
std::string Decider::MaskOf(const Pool& pool, const v1::Checkout::Item& item) {
  if (pool.dup_group) return DupMaskOf(pool.dup_group->ToString());
  return item.dup_mask().empty() ? std::string() : DupMaskOf(item.dup_mask());
}

// By what a suite's license is shared: its own SUITE_DUP_GROUP, else its component's group, else
// one for each user at a display.
std::string Decider::SuiteMaskOf(const Pool& suite, const std::string& mask) const {
  if (suite.suite_dup_group) return DupMaskOf(suite.suite_dup_group->ToString());
  return mask.empty() ? "UHD" : mask;
}

bool Decider::IsFor(const PoolUse& use, const PoolReservation& reservation, const Who& who,
                    const Subjects& subjects) const {
  return state_.IsFor(use, reservation, who, subjects);
}

uint64_t Decider::ReservedForOthers(const PoolUse& use, const Subjects& subjects) const {
  uint64_t reserved = 0;
  for (const PoolReservation& reservation : use.reservations) {
    const uint64_t unused = UnusedOf(reservation);
    if (unused > 0 && !IsFor(use, reservation, who_, subjects)) reserved += unused;
  }
  return reserved;
}

bool Decider::WaitsBefore(const PoolUse& use) const {
  return !use.queue.empty() && (asker_.ticket == 0 || *use.queue.begin() < asker_.ticket);
}

// What reservations keep for the asker, and for none of those who wait before.
uint64_t Decider::OwnWhileOthersWait(const PoolUse& use, const Subjects& subjects) const {
  uint64_t own = 0;
  for (const PoolReservation& reservation : use.reservations) {
    const uint64_t unused = UnusedOf(reservation);
    if (unused == 0 || !IsFor(use, reservation, who_, subjects)) continue;
    const bool wanted = std::any_of(use.queue.begin(), use.queue.end(), [&](uint64_t ticket) {
      if (asker_.ticket != 0 && ticket >= asker_.ticket) return false;
      const Waiter& before = *state_.FindWaiter(ticket);
      const Who who = WhoOf(before.session->identity, before.checkout.user());
      return IsFor(use, reservation, who, state_.SubjectsOf(use, who));
    });
    if (!wanted) own += unused;
  }
  return own;
}

// Licenses that SUITE_RESERVED keeps for those who have another component out.
uint64_t Decider::KeptBySuites(const Pool& pool, const std::string& mask) const {
  if (!pool.suite || !pool.suite->reserved) return 0;
  const PoolUse* suite = state_.FindUse(pool.suite->pool);
  const Pool* enabling = state_.catalog().FindPool(pool.suite->pool);
  if (suite == nullptr || enabling == nullptr) return 0;
  const auto out = suite->suite_users.find(pool.id);
  const uint64_t have = out == suite->suite_users.end() ? 0 : out->second.size();
  uint64_t kept = Minus(suite->groups.size(), have);
  const std::string own =
      GroupKeyOf(SuiteMaskOf(*enabling, mask), session_.identity, who_.user, "");
  const bool mine = suite->groups.contains(own) && (have == 0 || !out->second.contains(own));
  return Minus(kept, mine ? 1 : 0);
}

// A MAX may be of some of a feature's pools alone (`feature:KEY=value`).
bool Decider::CountsFor(const Pool& pool, const MaxLimit::Key& key) const {
  const Policy& policy = state_.catalog().policy();
  const std::vector<MaxLimit> limits = policy.LimitsOf(pool, who_, policy.SubjectsOf(pool, who_));
  return std::any_of(limits.begin(), limits.end(),
                     [&key](const MaxLimit& limit) { return limit.key == key; });
}

void Decider::LimitByMax(const Pool& pool, Room& room) {
  const Policy& policy = state_.catalog().policy();
  if (policy.settings().empty() || !policy.HasLimits(pool)) return;
  for (const MaxLimit& limit : policy.LimitsOf(pool, who_, policy.SubjectsOf(pool, who_))) {
    uint64_t used = state_.UsedOfLimit(limit.key);
    for (const Planned& planned : planned_) {
      if (CountsFor(*planned.pool, limit.key)) used += planned.taken;
    }
    const uint64_t left = Minus(limit.limit, used);
    if (left >= room.allowed) continue;
    room.allowed = left;
    room.rule = limit.text;
  }
}

Room Decider::RoomIn(const Pool& pool, const std::string& mask, const std::string& data) {
  Room room;
  if (pool.uncounted) {
    room.free = room.unblocked = room.unreserved = kUnlimited;
    LimitByMax(pool, room);
    return room;
  }
  const PoolUse* use = state_.FindUse(pool.id);
  const Planned* planned = planned_.empty() ? nullptr : PlanOf(pool);
  uint64_t used = use == nullptr ? 0 : use->used;
  if (planned != nullptr) used = planned->UsedAfter(used);
  const uint64_t left = Minus(LicensesOf(pool), used);
  if (!mask.empty()) {
    room.group = GroupKeyOf(mask, session_.identity, who_.user, data);
    if (use != nullptr) {
      auto group = use->groups.find(room.group);
      if (group != use->groups.end()) {
        room.base = group->second.seats();
        if (checkout_.items_size() > 1) room.stays = StaysOf(*use, group->second);
      }
    }
    if (planned != nullptr) {
      for (const auto& [key, licenses] : planned->groups) {
        if (key == room.group) room.base = room.stays = licenses;
      }
    }
  } else if (use != nullptr && !use->lingers.empty()) {
    room.base = Minus(state_.LingeringOf(*use, SeatKeyOf(session_.identity, who_.user)),
                      planned == nullptr ? 0 : planned->own);
  }
  const uint64_t kept = KeptBySuites(pool, mask);
  room.free = room.unblocked = room.unreserved = left;
  if (kept > 0) room.free = room.unblocked = Minus(left, kept);
  if (use != nullptr && (!use->reservations.empty() || !use->queue.empty())) {
    const Subjects subjects =
        use->reservations.empty() ? Subjects() : state_.SubjectsOf(*use, who_);
    room.unblocked = Minus(room.unblocked, ReservedForOthers(*use, subjects));
    room.free = room.unblocked;
    if (WaitsBefore(*use)) {
      const uint64_t taken = planned == nullptr ? 0 : planned->taken;
      room.free = std::min(room.free, Minus(OwnWhileOthersWait(*use, subjects), taken));
    }
  }
  LimitByMax(pool, room);
  return room;
}

Decider::Wish Decider::WishOf(const Pool& pool, const v1::Checkout::Item& item,
                              uint64_t room) const {
  const uint64_t minimum = asker_.pool != 0 ? 1 : std::max<uint64_t>(1, pool.On(today_).minimum);
  Wish wish;
  wish.wanted = item.mode() == v1::ALL ? room : std::max(item.count(), minimum);
  if (item.mode() == v1::EXACT) {
    wish.needed = wish.wanted;
  } else {
    wish.wanted = std::min(wish.wanted, room);
    wish.needed = minimum;
  }
  return wish;
}

// NOLINTNEXTLINE(readability-function-size): one pool after the other, and what the best denial is
std::optional<v1::Outcome> Decider::Decide(const v1::Checkout::Item& item) {
  const std::string& feature = item.feature();
  if (!item.version().empty() && !IsVersion(item.version())) {
    return Deny(DenialCode::kBadVersion, feature);
  }
  const std::vector<const Pool*>& pools = state_.catalog().PoolsOf(feature);
  if (pools.empty()) return Deny(DenialCode::kNoSuchFeature, feature);

  const uint64_t held = HeldOf(feature);
  const uint64_t room_in_session = kLicensesPerSessionMax - std::min(held, kLicensesPerSessionMax);
  if (room_in_session < (item.mode() == v1::EXACT ? item.count() : 1)) {
    return Deny(DenialCode::kMaxExceeded, feature,
                absl::StrCat("more than ", kLicensesPerSessionMax,
                             " licenses of one feature for one session"));
  }

  std::optional<DenialCode> telling;
  bool any = false;
  bool enough_exist = false;  // in one pool that would do
  bool reserved = false;
  bool waited = false;
  std::string rule;       // the MAX that stands in the way
  uint64_t together = 0;  // what all pools that would do have, none of them enough
  uint64_t enough = 0;    // for any of them
  Grant best;
  Room best_room;
  Room suite_room;
  for (const Pool* pool : pools) {
    if (asker_.pool != 0 && pool->id != asker_.pool) continue;
    if (std::optional<DenialCode> objection = Objection(*pool, item)) {
      if (!telling || Rank(*objection) < Rank(*telling)) telling = objection;
      continue;
    }
    const Wish wish = WishOf(*pool, item, room_in_session);
    if (wish.needed > room_in_session) {
      if (!telling) telling = DenialCode::kMaxExceeded;
      continue;
    }
    any = true;
    // Also what lingers or is shared from before a change of licenses is not had again beyond them.
    const uint64_t exist = pool->uncounted ? kUnlimited : LicensesOf(*pool);
    if (exist < wish.needed) continue;
    enough_exist = true;
    const std::string mask = MaskOf(*pool, item);
    Room room = RoomIn(*pool, mask, item.checkout_data());
    const Pool* suite = nullptr;
    Room with;
    if (pool->suite) {
      suite = state_.catalog().FindPool(pool->suite->pool);
      if (suite == nullptr) continue;
      with = RoomIn(*suite, SuiteMaskOf(*suite, mask), "");
      with.stays = with.base;  // what lingers of the suite itself, a component does not take up
    }
    const bool suite_open = suite == nullptr || with.most() >= 1;
    const uint64_t count = suite_open ? std::min({room.most(), wish.wanted, exist}) : 0;
    if (count >= wish.needed && count > best.count) {
      best = {.pool = pool, .count = count, .dup_mask = mask, .suite = suite};
      if (suite != nullptr) best.suite_mask = SuiteMaskOf(*suite, mask);
      best_room = std::move(room);
      suite_room = std::move(with);
      if (count == wish.wanted) break;
      continue;
    }
    if (count >= wish.needed) continue;
    together += count;
    enough = std::max(enough, wish.needed);
    const Room& tight = suite_open ? room : with;
    const uint64_t need = Minus(suite_open ? wish.needed : 1, tight.base);
    if (tight.free >= need) {
      if (rule.empty()) rule = tight.rule;
    } else if (tight.unblocked >= need) {
      waited = true;
    } else if (tight.unreserved >= need) {
      reserved = true;
    }
  }
  if (best.pool != nullptr) {
    const uint64_t anew = Minus(best.count, best_room.base);
    if (!best.pool->uncounted) {
      const PoolUse* use = state_.FindUse(best.pool->id);
      const Planned* planned = PlanOf(*best.pool);
      uint64_t used = use == nullptr ? 0 : use->used;
      if (planned != nullptr) used = planned->UsedAfter(used);
      used += anew;
      best.overdraft = std::min(anew, Minus(used, best.pool->LicensesOn(today_)));
    }
    Plan(*best.pool, best_room, best.count);
    if (best.suite != nullptr) Plan(*best.suite, suite_room, 1);
    grants_.push_back(std::move(best));
    return std::nullopt;
  }
  if (!any) {
    if (!telling) return Deny(DenialCode::kNoSuchFeature, feature);
    return Deny(*telling, feature);
  }
  if (!enough_exist) return Deny(DenialCode::kMoreThanExist, feature);
  if (!rule.empty()) {
    return Deny(DenialCode::kMaxExceeded, feature,
                absl::StrCat(DenialText(DenialCode::kMaxExceeded), ": ", rule));
  }
  if (item.mode() == v1::EXACT && enough > 0 && together >= enough) {
    return Deny(DenialCode::kOtherPool, feature,
                absl::StrCat(DenialText(DenialCode::kOtherPool), ": ", together,
                             " are free, but a checkout takes its licenses from one pool"));
  }
  if (reserved) return Deny(DenialCode::kAllReserved, feature);
  return Deny(waited ? DenialCode::kUsersQueued : DenialCode::kAllInUse, feature);
}

void Decider::AddPoolsFor(const v1::Checkout::Item& item, std::vector<uint64_t>& pools) {
  const uint64_t held = HeldOf(item.feature());
  const uint64_t room = kLicensesPerSessionMax - std::min(held, kLicensesPerSessionMax);
  for (const Pool* pool : state_.catalog().PoolsOf(item.feature())) {
    if (pool->uncounted || Objection(*pool, item)) continue;
    if (LicensesOf(*pool) < WishOf(*pool, item, room).needed) continue;
    pools.push_back(pool->id);
    if (pool->suite) pools.push_back(pool->suite->pool);
  }
}

std::optional<v1::Outcome> RefuseMalformed(const v1::Checkout& checkout) {
  const size_t items = static_cast<size_t>(checkout.items_size());
  if (items == 0 || items > kItemsPerCheckoutMax) {
    return Refuse(
        v1::Refused::MALFORMED,
        absl::StrCat("a checkout asks for 1 to ", kItemsPerCheckoutMax, " features, not ", items));
  }
  if (checkout.user().size() > kNameBytesMax) {
    return Refuse(v1::Refused::MALFORMED,
                  absl::StrCat("user name is longer than ", kNameBytesMax, " bytes"));
  }
  for (const v1::Checkout::Item& item : checkout.items()) {
    if (std::string complaint = Complaint(item); !complaint.empty()) {
      return Refuse(v1::Refused::MALFORMED, std::move(complaint));
    }
  }
  return std::nullopt;
}

}  // namespace

v1::Outcome Refuse(v1::Refused::Why why, std::string reason) {
  v1::Outcome outcome;
  outcome.mutable_refused()->set_why(why);
  outcome.mutable_refused()->set_reason(std::move(reason));
  return outcome;
}

uint64_t LicensesAndOverdraft(const LedgerState& state, const Pool& pool) {
  const PoolTerms& terms = pool.On(state.today());
  if (terms.overdraft == 0) return terms.licenses;
  const std::optional<uint64_t> most = state.catalog().policy().OverdraftMax(pool);
  return terms.licenses + std::min(terms.overdraft, most.value_or(terms.overdraft));
}

uint64_t FreeForAll(const LedgerState& state, const Pool& pool) {
  const PoolUse* use = state.FindUse(pool.id);
  uint64_t taken = 0;
  if (use != nullptr) {
    taken = use->used;
    for (const PoolReservation& reservation : use->reservations) taken += UnusedOf(reservation);
  }
  return Minus(pool.LicensesOn(state.today()), taken);
}

std::variant<std::vector<Grant>, v1::Outcome> DecideCheckout(const LedgerState& state,
                                                             const Asker& asker,
                                                             const v1::Checkout& checkout,
                                                             size_t checkouts_max) {
  if (auto no = RefuseMalformed(checkout)) return *std::move(no);
  const size_t items = static_cast<size_t>(checkout.items_size());
  if (asker.session->handles.size() + items > kCheckoutsPerSessionMax) {
    return Refuse(v1::Refused::TOO_MANY_PENDING,
                  absl::StrCat("a session holds at most ", kCheckoutsPerSessionMax, " checkouts"));
  }
  if (state.checkouts().size() + items > checkouts_max) {
    return Refuse(v1::Refused::TOO_MANY_PENDING,
                  absl::StrCat("the servers hold at most ", checkouts_max, " checkouts"));
  }
  Decider decider(state, asker, checkout);
  for (const v1::Checkout::Item& item : checkout.items()) {
    if (std::optional<v1::Outcome> no = decider.Decide(item)) return *std::move(no);
  }
  return decider.TakeGrants();
}

bool MayWait(const v1::Outcome& no) {
  if (!no.has_denied()) return false;
  switch (static_cast<DenialCode>(no.denied().code())) {
    case DenialCode::kAllInUse:
    case DenialCode::kUsersQueued:
    case DenialCode::kAllReserved:
    case DenialCode::kOtherPool:
      return true;
    default:
      return false;
  }
}

std::optional<v1::Outcome> Hopeless(const LedgerState& state, const Session& session,
                                    const v1::Checkout& checkout) {
  const Asker asker{.session = &session};
  for (const v1::Checkout::Item& item : checkout.items()) {
    std::optional<v1::Outcome> no = Decider(state, asker, checkout).Decide(item);
    if (no && !MayWait(*no)) return no;
  }
  return std::nullopt;
}

std::vector<uint64_t> PoolsToWaitFor(const LedgerState& state, const Session& session,
                                     const v1::Checkout& checkout) {
  const Asker asker{.session = &session};
  Decider decider(state, asker, checkout);
  std::vector<uint64_t> pools;
  for (const v1::Checkout::Item& item : checkout.items()) decider.AddPoolsFor(item, pools);
  std::sort(pools.begin(), pools.end());
  pools.erase(std::unique(pools.begin(), pools.end()), pools.end());
  return pools;
}

}  // namespace triad::license
