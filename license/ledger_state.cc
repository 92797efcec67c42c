#include "license/ledger_state.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/check.h"
#include "license/host_id.h"
#include "license/ledger_keys.h"
#include "license/limits.h"
#include "license/scratch.h"

namespace triad::license {
namespace {

using Kind = RowKey::Kind;

template <typename Message>
bool Parse(absl::string_view bytes, Message& message) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// Names of single users and machines; groups are the options files'.
bool IsNamed(absl::string_view type, absl::string_view name, const Who& who) {
  if (type == "USER") return name == who.user;
  if (type == "HOST") return name == who.host;
  if (type == "DISPLAY") return name == who.display;
  if (type == "PROJECT") return name == who.project;
  return false;
}

}  // namespace

Catalog BuildCatalog(const v1::InstallLicenses& set,
                     std::vector<std::shared_ptr<const VerifiedLines>> known) {
  LicenseSources sources;
  for (const auto& file : set.license_files()) {
    sources.license_files.push_back({file.name(), file.content()});
  }
  for (const auto& file : set.option_files()) {
    sources.option_files.push_back({file.name(), file.content(), file.path()});
  }
  for (const auto& vendor_key : set.vendor_keys()) {
    PublicKey key{};
    const std::string& bytes = vendor_key.public_key();
    std::copy_n(bytes.begin(), std::min(bytes.size(), key.size()), key.begin());
    sources.keys.emplace(vendor_key.vendor(), key);
  }
  return Catalog::Build(sources, {.known = std::move(known), .for_each = {}});
}

LedgerState::LedgerState() {
  head_.set_next_handle(kFirstHandle);
}

Session* LedgerState::FindSession(absl::string_view id) const {
  std::optional<SessionId> key = ToSessionId(id);
  if (!key) return nullptr;
  auto session = sessions_.find(*key);
  return session == sessions_.end() ? nullptr : session->second.get();
}

const Checkout* LedgerState::FindCheckout(uint64_t handle) const {
  auto checkout = checkouts_.find(handle);
  return checkout == checkouts_.end() ? nullptr : checkout->second.get();
}

const PoolUse* LedgerState::FindUse(uint64_t pool) const {
  auto use = uses_.find(pool);
  return use == uses_.end() ? nullptr : &use->second;
}

const Waiter* LedgerState::FindWaiter(uint64_t ticket) const {
  auto waiter = waiters_.find(ticket);
  return waiter == waiters_.end() ? nullptr : waiter->second.get();
}

v1::SessionState LedgerState::SessionStateOf(const Session& session) const {
  v1::SessionState state;
  state.set_session(session.id);
  state.set_index(head_.applied_index());
  state.set_attachment(session.attachment);
  state.set_acked(session.acked);
  state.set_ttl_ms(session.ttl_ms);
  for (uint64_t handle : session.handles) {
    *state.add_holdings() = HoldingOf(*FindCheckout(handle));
  }
  for (uint64_t ticket : session.waiting) *state.add_waiting() = WaitingOf(*FindWaiter(ticket));
  return state;
}

uint64_t LedgerState::PositionOf(const Waiter& waiter) const {
  uint64_t position = 1;
  for (uint64_t pool : waiter.pools) {
    const auto& queue = FindUse(pool)->queue;
    const auto ahead = std::distance(queue.begin(), queue.find(waiter.ticket));
    position = std::max(position, static_cast<uint64_t>(ahead) + 1);
  }
  return position;
}

uint64_t LedgerState::LastPositionOf(const Waiter& waiter) const {
  uint64_t position = 1;
  for (uint64_t pool : waiter.pools) {
    position = std::max<uint64_t>(position, FindUse(pool)->queue.size());
  }
  return position;
}

v1::Waiting LedgerState::WaitingOf(const Waiter& waiter) const {
  v1::Waiting waiting;
  waiting.set_ticket(waiter.ticket);
  *waiting.mutable_checkout() = waiter.checkout;
  waiting.set_position(PositionOf(waiter));
  waiting.set_since_ms(waiter.since_ms);
  waiting.set_since_wall_ms(waiter.since_wall_ms);
  waiting.set_since_utc_offset_s(waiter.since_utc_offset_s);
  return waiting;
}

void LedgerState::Install(const v1::InstallLicenses& set) {
  const RowKey row{Kind::kLicenseSet};
  installed_ ? changed_.Edited(row) : changed_.Added(row);
  installed_ = set;
  catalog_ = BuildCatalog(set, {known_, catalog_.verified()});
  head_.set_license_set_number(head_.license_set_number() + 1);
  RecountLimits();
  RebuildReservations(std::nullopt);
}

void LedgerState::SetMembers(const v1::Members& members) {
  Check(members.nodes_size() > 0, "a cluster has at least one node");
  const RowKey row{Kind::kMembers};
  members_.nodes_size() > 0 ? changed_.Edited(row) : changed_.Added(row);
  members_ = members;
}

Session& LedgerState::AddSession(Session session) {
  std::optional<SessionId> id = ToSessionId(session.id);
  Check(id.has_value(), "a session's id is 16 bytes");
  auto [entry, added] = sessions_.emplace(*id, std::make_unique<Session>(std::move(session)));
  Check(added, "a session is added once");
  changed_.Added(RowOf(*entry->second));
  return *entry->second;
}

Session& LedgerState::Edit(Session& session) {
  changed_.Edited(RowOf(session));
  return session;
}

void LedgerState::RemoveSession(Session& session) {
  Check(session.handles.empty(), "a session that ends holds nothing any more");
  Check(session.waiting.empty(), "a session that ends waits for nothing any more");
  for (const auto& [seq, result] : session.results) changed_.Removed(ResultRowOf(session, seq));
  changed_.Removed(RowOf(session));
  auto entry = sessions_.find(IdOf(session));
  removed_.push_back(std::move(entry->second));
  sessions_.erase(entry);
}

void LedgerState::SetResult(Session& session, uint64_t seq, const v1::Outcome& outcome) {
  Scratch scratch;
  auto& row = scratch.New<v1::ResultRow>();
  *row.mutable_outcome() = outcome;
  const bool added = session.results.emplace(seq, row.SerializeAsString()).second;
  Check(added && seq > session.acked,
        "a request is answered once, and not after its answer is "
        "acknowledged");
  changed_.Added(ResultRowOf(session, seq));
}

std::optional<v1::Outcome> LedgerState::FindResult(const Session& session, uint64_t seq) const {
  auto result = session.results.find(seq);
  if (result == session.results.end()) return std::nullopt;
  v1::ResultRow row;
  Check(Parse(result->second, row), "a kept result can be read");
  return std::move(*row.mutable_outcome());
}

void LedgerState::Acknowledge(Session& session, uint64_t acked) {
  if (acked <= session.acked) return;
  Edit(session).acked = acked;
  auto end = session.results.upper_bound(acked);
  for (auto result = session.results.begin(); result != end; ++result) {
    changed_.Removed(ResultRowOf(session, result->first));
  }
  session.results.erase(session.results.begin(), end);
}

uint64_t LedgerState::TakeHandles(uint64_t count) {
  const uint64_t first = head_.next_handle();
  head_.set_next_handle(first + count);
  return first;
}

// --- What is out ---

PoolUse& LedgerState::UseOf(uint64_t pool, absl::string_view feature) {
  auto [entry, first] = uses_.try_emplace(pool);
  if (first) entry->second.pool = pool;
  if (entry->second.feature.empty()) entry->second.feature = std::string(feature);
  return entry->second;
}

void LedgerState::DropIfIdle(PoolUse& use) {
  if (use.Idle()) uses_.erase(use.pool);
}

const Checkout& LedgerState::AddCheckout(Session& session, NewCheckout added) {
  auto checkout = std::make_unique<Checkout>();
  checkout->handle = added.handle != 0 ? added.handle : TakeHandles(1);
  checkout->session = &session;
  checkout->count = added.count;
  checkout->start_wall_ms = head_.wall_ms();
  checkout->start_utc_offset_s = head_.utc_offset_s();
  checkout->granted_index = head_.applied_index();
  checkout->version = std::move(added.version);
  if (!added.user.empty() || !added.checkout_data.empty() || !added.dup_mask.empty() ||
      added.ticket != 0 || added.ends_ms != 0 || added.overdraft != 0 || added.suite_of != 0) {
    checkout->extra = std::make_unique<CheckoutExtra>();
    CheckoutExtra& extra = *checkout->extra;
    extra.user = std::move(added.user);
    extra.checkout_data = std::move(added.checkout_data);
    extra.dup_mask = std::move(added.dup_mask);
    extra.ticket = added.ticket;
    extra.ends_ms = added.ends_ms;
    extra.overdraft = added.overdraft;
    extra.suite_of = added.suite_of;
  }
  changed_.Added(CheckoutRowOf(checkout->handle));
  return Insert(std::move(checkout), UseOf(added.pool->id, added.pool->feature));
}

const Checkout& LedgerState::Insert(std::unique_ptr<Checkout> checkout, PoolUse& use) {
  checkout->use = &use;
  const uint64_t handle = checkout->handle;
  Checkout& inserted =
      *checkouts_.emplace_hint(checkouts_.end(), handle, std::move(checkout))->second;
  Index(inserted);
  return inserted;
}

void LedgerState::RemoveCheckout(uint64_t handle) {
  auto entry = checkouts_.find(handle);
  Check(entry != checkouts_.end(), "a checkout is returned once");
  PoolUse& use = *entry->second->use;
  Unindex(*entry->second);
  if (entry->second->extra != nullptr && entry->second->extra->owner != nullptr) {
    removed_owners_.push_back(std::move(entry->second->extra->owner));
  }
  checkouts_.erase(entry);
  changed_.Removed(CheckoutRowOf(handle));
  if (!use.queue.empty()) freed_.insert(use.pool);
  DropIfIdle(use);
}

Checkout& LedgerState::BeginChange(uint64_t handle) {
  auto entry = checkouts_.find(handle);
  Check(entry != checkouts_.end(), "a checkout that is changed is out");
  Unindex(*entry->second);
  return *entry->second;
}

void LedgerState::EndChange(Checkout& checkout) {
  Index(checkout);
  changed_.Edited(CheckoutRowOf(checkout.handle));
  NoteFreed(checkout.use->pool);
}

void LedgerState::Unhold(uint64_t handle) {
  ChangeCheckout(handle, [](Checkout& checkout) {
    if (checkout.extra == nullptr) checkout.extra = std::make_unique<CheckoutExtra>();
    checkout.extra->owner = std::make_unique<v1::Identity>(checkout.session->identity);
    checkout.session = nullptr;
  });
}

void LedgerState::Index(Checkout& checkout) {
  PoolUse& use = *checkout.use;
  use.handles.insert(checkout.handle);
  if (checkout.extra == nullptr && use.reservations.empty()) {
    use.used += checkout.count;
    CountLimits(checkout, checkout.count, /*add=*/true);
  } else {
    IndexExtra(checkout);
  }
  Session* session = checkout.session;
  if (session == nullptr || (checkout.extra != nullptr && checkout.extra->suite_of != 0)) return;
  session->handles.insert(checkout.handle);
  session->held[use.feature] += checkout.count;
}

void LedgerState::Unindex(Checkout& checkout) {
  PoolUse& use = *checkout.use;
  use.handles.erase(checkout.handle);
  if (checkout.extra == nullptr) {
    use.used -= checkout.count;
    CountLimits(checkout, checkout.count, /*add=*/false);
  } else {
    UnindexExtra(checkout);
  }
  Session* session = checkout.session;
  if (session == nullptr || (checkout.extra != nullptr && checkout.extra->suite_of != 0)) return;
  session->handles.erase(checkout.handle);
  auto held = session->held.find(use.feature);
  held->second -= checkout.count;
  if (held->second == 0) session->held.erase(held);
}

void LedgerState::IndexExtra(Checkout& checkout) {
  PoolUse& use = *checkout.use;
  std::string key = GroupKeyOf(checkout);
  if (key.empty() && !use.reservations.empty() && NamedInReservation(checkout)) {
    key = absl::StrCat("#", checkout.handle);  // alone, to note what it takes of reservations
  }
  if (checkout.extra == nullptr && !key.empty()) {
    checkout.extra = std::make_unique<CheckoutExtra>();
  }
  if (key.empty()) {
    use.used += checkout.count;
    CountLimits(checkout, checkout.count, /*add=*/true);
  } else {
    JoinGroup(checkout, key);
  }
  if (checkout.extra == nullptr) return;
  if (checkout.lingers()) {
    use.lingers[SeatKeyOf(IdentityOf(checkout), UserOf(checkout))].insert(checkout.handle);
  }
  if (checkout.borrowed()) use.borrows.insert(checkout.handle);
  if (checkout.extra->suite_of != 0) LinkSuite(checkout, /*add=*/true);
  IndexDues(checkout, /*add=*/true);
}

void LedgerState::UnindexExtra(Checkout& checkout) {
  PoolUse& use = *checkout.use;
  if (checkout.extra->suite_of != 0) LinkSuite(checkout, /*add=*/false);
  if (checkout.extra->group == nullptr) {
    use.used -= checkout.count;
    CountLimits(checkout, checkout.count, /*add=*/false);
  } else {
    LeaveGroup(checkout);
  }
  if (checkout.lingers()) {
    auto its = use.lingers.find(SeatKeyOf(IdentityOf(checkout), UserOf(checkout)));
    its->second.erase(checkout.handle);
    if (its->second.empty()) use.lingers.erase(its);
  }
  if (checkout.borrowed()) use.borrows.erase(checkout.handle);
  IndexDues(checkout, /*add=*/false);
}

// The component knows the suite's license that goes with it, and the suite's pool which components
// each of its users has out.
void LedgerState::LinkSuite(const Checkout& suite, bool add) {
  auto component = checkouts_.find(suite.extra->suite_of);
  Check(component != checkouts_.end(), "a suite's license goes before its component");
  Checkout& other = *component->second;
  if (other.extra == nullptr) other.extra = std::make_unique<CheckoutExtra>();
  other.extra->suite = add ? suite.handle : 0;
  if (suite.extra->group == nullptr) return;
  auto& users = suite.use->suite_users[other.use->pool];
  const std::string& key = suite.extra->group->key;
  if (add) {
    users[key] += 1;
    return;
  }
  auto user = users.find(key);
  if (--user->second == 0) users.erase(user);
  if (users.empty()) suite.use->suite_users.erase(other.use->pool);
}

void LedgerState::JoinGroup(Checkout& checkout, const std::string& key) {
  PoolUse& use = *checkout.use;
  Group& group = use.groups[key];
  group.key = key;
  if (!group.charges.empty() && checkout.handle < *group.handles.begin()) {
    changed_.Edited(CheckoutRowOf(*group.handles.begin()));  // the charges stand with another now
  }
  const uint64_t before = group.seats();
  CountLimits(group, /*add=*/false);
  group.handles.insert(checkout.handle);
  group.counts[checkout.count] += 1;
  use.used += group.seats() - before;
  CountLimits(group, /*add=*/true);
  checkout.extra->group = &group;
  if (!loading_ && !use.reservations.empty()) Settle(use, group);
}

void LedgerState::LeaveGroup(Checkout& checkout) {
  PoolUse& use = *checkout.use;
  Group& group = *checkout.extra->group;
  const uint64_t before = group.seats();
  const bool stood_first = *group.handles.begin() == checkout.handle;
  CountLimits(group, /*add=*/false);
  group.handles.erase(checkout.handle);
  auto count = group.counts.find(checkout.count);
  if (--count->second == 0) group.counts.erase(count);
  use.used -= before - group.seats();
  CountLimits(group, /*add=*/true);
  checkout.extra->group = nullptr;
  if (group.handles.empty()) {
    if (!use.reservations.empty()) Unsettle(use, group);
    const std::string key = group.key;
    use.groups.erase(key);
    return;
  }
  if (stood_first && !group.charges.empty()) changed_.Edited(CheckoutRowOf(*group.handles.begin()));
  if (!use.reservations.empty()) Settle(use, group);
}

// A group counts for those whom its first member is: for the reservations that name that one, it
// takes what they have unused, in their order. What it does not need any more others take that they
// name. So as much as can be of what is set aside for someone is what they have out.
void LedgerState::Settle(PoolUse& use, Group& group) {
  const Checkout& first = *checkouts_.find(*group.handles.begin())->second;
  const Who who = WhoOf(first);
  const Subjects subjects = SubjectsOf(use, who);
  const std::map<uint64_t, uint64_t> before(group.charges.begin(), group.charges.end());
  uint64_t charged = 0;
  std::vector<PoolReservation*> named;
  for (PoolReservation& reservation : use.reservations) {
    auto charge = group.charges.find(reservation.id);
    if (IsFor(use, reservation, who, subjects)) {
      named.push_back(&reservation);
      if (charge != group.charges.end()) charged += charge->second;
    } else if (charge != group.charges.end()) {
      reservation.used -= charge->second;
      group.charges.erase(charge);
    }
  }
  for (auto it = named.rbegin(); it != named.rend() && charged > group.seats(); ++it) {
    uint64_t& charge = group.charges[(*it)->id];
    const uint64_t given = std::min(charge, charged - group.seats());
    (*it)->used -= given;
    charge -= given;
    charged -= given;
  }
  for (PoolReservation* reservation : named) {
    const uint64_t taken =
        std::min(reservation->count - reservation->used, group.seats() - charged);
    reservation->used += taken;
    group.charges[reservation->id] += taken;
    charged += taken;
  }
  for (auto charge = group.charges.begin(); charge != group.charges.end();) {
    charge = charge->second == 0 ? group.charges.erase(charge) : std::next(charge);
  }
  for (PoolReservation& reservation : use.reservations) reservation.open.erase(group.key);
  if (charged < group.seats()) {
    for (PoolReservation* reservation : named) reservation->open.insert(group.key);
  }
  if (!std::equal(before.begin(), before.end(), group.charges.begin(), group.charges.end())) {
    changed_.Edited(CheckoutRowOf(*group.handles.begin()));
    PassOn(use);
  }
}

// The group is gone.
void LedgerState::Unsettle(PoolUse& use, const Group& group) {
  for (PoolReservation& reservation : use.reservations) {
    reservation.open.erase(group.key);
    auto charge = group.charges.find(reservation.id);
    if (charge != group.charges.end()) reservation.used -= charge->second;
  }
  PassOn(use);
}

// What reservations have unused goes to those they name and who have out more than they take.
void LedgerState::PassOn(PoolUse& use) {
  for (PoolReservation& reservation : use.reservations) {
    while (reservation.used < reservation.count && !reservation.open.empty()) {
      Group& group = use.groups.find(*reservation.open.begin())->second;
      uint64_t charged = 0;
      for (const auto& [id, count] : group.charges) charged += count;
      const uint64_t taken =
          std::min(reservation.count - reservation.used, group.seats() - charged);
      reservation.used += taken;
      group.charges[reservation.id] += taken;
      changed_.Edited(CheckoutRowOf(*group.handles.begin()));
      if (charged + taken < group.seats()) continue;
      for (PoolReservation& each : use.reservations) each.open.erase(group.key);
    }
  }
}

// Who has out more than is taken from reservations, after the rows were read.
void LedgerState::ReopenReservations() {
  for (auto& [pool, use] : uses_) {
    if (use.reservations.empty()) continue;
    for (const auto& [key, group] : use.groups) {
      uint64_t charged = 0;
      for (const auto& [id, count] : group.charges) charged += count;
      if (charged >= group.seats()) continue;
      const Who who = WhoOf(*FindCheckout(*group.handles.begin()));
      const Subjects subjects = SubjectsOf(use, who);
      for (PoolReservation& reservation : use.reservations) {
        if (IsFor(use, reservation, who, subjects)) reservation.open.insert(key);
      }
    }
  }
}

// --- What MAX counts ---

void LedgerState::CountLimits(const Checkout& checkout, uint64_t count, bool add) {
  const Policy& policy = catalog_.policy();
  if (policy.settings().empty()) return;
  const Pool* pool = catalog_.FindPool(checkout.use->pool);
  if (pool == nullptr || !policy.HasLimits(*pool)) return;
  const Who who = WhoOf(checkout);
  for (const MaxLimit& limit : policy.LimitsOf(*pool, who, policy.SubjectsOf(*pool, who))) {
    uint64_t& used = limits_used_[limit.key];
    used = add ? used + count : used - count;
    if (used == 0) limits_used_.erase(limit.key);
  }
}

// What a group shares counts once, for the one who has had it longest. A checkout that comes is
// filed after its group, so the first may be just about to be.
void LedgerState::CountLimits(const Group& group, bool add) {
  if (group.handles.empty() || catalog_.policy().settings().empty()) return;
  CountLimits(*checkouts_.find(*group.handles.begin())->second, group.seats(), add);
}

void LedgerState::RecountLimits() {
  limits_used_.clear();
  if (catalog_.policy().settings().empty()) return;
  for (const auto& [handle, checkout] : checkouts_) {
    const Group* group = checkout->extra == nullptr ? nullptr : checkout->extra->group;
    if (group == nullptr) {
      CountLimits(*checkout, checkout->count, /*add=*/true);
    } else if (*group->handles.begin() == handle) {
      CountLimits(*group, /*add=*/true);
    }
  }
}

uint64_t LedgerState::UsedOfLimit(const MaxLimit::Key& key) const {
  auto used = limits_used_.find(key);
  return used == limits_used_.end() ? 0 : used->second;
}

// --- Reservations ---

Subjects LedgerState::SubjectsOf(const PoolUse& use, const Who& who) const {
  const Pool* pool = catalog_.FindPool(use.pool);
  return pool == nullptr ? Subjects() : catalog_.policy().SubjectsOf(*pool, who);
}

bool LedgerState::IsFor(const PoolUse& use, const PoolReservation& reservation, const Who& who,
                        const Subjects& subjects) const {
  if (reservation.id >= kFileReservation) {
    return std::binary_search(subjects.begin(), subjects.end(), reservation.subject);
  }
  if (IsNamed(reservation.type, reservation.name, who)) return true;
  const std::optional<SubjectType> type = FindSubjectType(reservation.type);
  const Pool* pool = catalog_.FindPool(use.pool);
  return type && pool != nullptr &&
         catalog_.policy().Names(pool->vendor, *type, reservation.name, who);
}

bool LedgerState::NamedInReservation(const Checkout& checkout) const {
  const PoolUse& use = *checkout.use;
  const Who who = WhoOf(checkout);
  const Subjects subjects = SubjectsOf(use, who);
  return std::any_of(use.reservations.begin(), use.reservations.end(),
                     [&](const PoolReservation& each) { return IsFor(use, each, who, subjects); });
}

uint64_t LedgerState::LingeringOf(const PoolUse& use, const std::string& seat) const {
  auto its = use.lingers.find(seat);
  if (its == use.lingers.end()) return 0;
  uint64_t count = 0;
  for (uint64_t handle : its->second) {
    const Checkout& checkout = *FindCheckout(handle);
    if (checkout.extra->dup_mask.empty() && checkout.extra->suite_of == 0) count += checkout.count;
  }
  return count;
}

void LedgerState::RebuildReservations(std::optional<uint64_t> only) {
  std::map<uint64_t, std::vector<PoolReservation>> lists = ReservationLists();
  for (auto& [pool, use] : uses_) {
    if (!use.reservations.empty()) lists.try_emplace(pool);
  }
  for (auto& [pool, list] : lists) {
    if (only && pool != *only) continue;
    auto use = uses_.find(pool);
    if (use == uses_.end()) {
      const Pool* known = catalog_.FindPool(pool);
      if (list.empty() || known == nullptr) continue;
      use = uses_.find(UseOf(pool, known->feature).pool);
    }
    const std::vector<uint64_t> handles(use->second.handles.begin(), use->second.handles.end());
    for (uint64_t handle : handles) Unindex(*checkouts_.find(handle)->second);
    use->second.reservations = std::move(list);
    for (uint64_t handle : handles) {
      Index(*checkouts_.find(handle)->second);
      changed_.Edited(CheckoutRowOf(handle));
    }
    NoteFreed(pool);
    DropIfIdle(use->second);
  }
}

std::map<uint64_t, std::vector<PoolReservation>> LedgerState::ReservationLists() const {
  std::map<uint64_t, std::vector<PoolReservation>> lists;
  for (const auto& [pool, reservations] : catalog_.policy().ReservationsOn(today())) {
    std::vector<PoolReservation>& list = lists[pool];
    for (const Reservation& each : reservations) {
      list.push_back({.id = kFileReservation + list.size(),
                      .count = each.count,
                      .type = std::string(SubjectTypeName(each.type)),
                      .name = each.name,
                      .subject = each.subject});
    }
  }
  for (const auto& [id, row] : reservations_) {
    if (catalog_.FindPool(row.pool()) == nullptr) continue;  // asleep until its pool comes back
    lists[row.pool()].push_back({.id = id,
                                 .count = row.reserve().count(),
                                 .type = row.reserve().type(),
                                 .name = row.reserve().name()});
  }
  return lists;
}

void LedgerState::AddReservation(uint64_t id, v1::ReservationRow reservation) {
  if (reservation.ends_ms() != 0) {
    due_.insert({reservation.ends_ms(), Due::What::kReservation, id});
  }
  const uint64_t pool = reservation.pool();
  Check(reservations_.emplace(id, std::move(reservation)).second, "a reservation is made once");
  changed_.Added(ReservationRowOf(id));
  RebuildReservations(pool);
}

void LedgerState::RemoveReservation(uint64_t id) {
  auto entry = reservations_.find(id);
  Check(entry != reservations_.end(), "a reservation is taken back once");
  due_.erase({entry->second.ends_ms(), Due::What::kReservation, id});
  const uint64_t pool = entry->second.pool();
  reservations_.erase(entry);
  changed_.Removed(ReservationRowOf(id));
  RebuildReservations(pool);
}

// --- Who waits ---

void LedgerState::NoteFreed(uint64_t pool) {
  const auto use = uses_.find(pool);
  if (use != uses_.end() && !use->second.queue.empty()) freed_.insert(pool);
}

void LedgerState::IndexWaiter(const Waiter& waiter, bool add) {
  for (uint64_t pool : waiter.pools) {
    PoolUse& use = UseOf(pool, "");
    if (use.feature.empty()) {
      if (const Pool* known = catalog_.FindPool(pool)) use.feature = known->feature;
    }
    if (add) {
      use.queue.insert(waiter.ticket);
      continue;
    }
    use.queue.erase(waiter.ticket);
    NoteFreed(pool);
    DropIfIdle(use);
  }
}

const Waiter& LedgerState::AddWaiter(Waiter added) {
  auto waiter = std::make_unique<Waiter>(std::move(added));
  const uint64_t ticket = waiter->ticket;
  waiter->session->waiting.insert(ticket);
  if (waiter->ends_ms != 0) due_.insert({waiter->ends_ms, Due::What::kWait, ticket});
  IndexWaiter(*waiter, /*add=*/true);
  if (!loading_) changed_.Added(WaitingRowOf(ticket));
  auto [entry, fresh] = waiters_.emplace(ticket, std::move(waiter));
  Check(fresh, "a checkout waits once");
  return *entry->second;
}

void LedgerState::MoveWaiter(uint64_t ticket, std::vector<uint64_t> pools) {
  Waiter& waiter = *waiters_.find(ticket)->second;
  if (waiter.pools == pools) return;
  IndexWaiter(waiter, /*add=*/false);
  waiter.pools = std::move(pools);
  IndexWaiter(waiter, /*add=*/true);
  changed_.Edited(WaitingRowOf(ticket));
}

void LedgerState::RemoveWaiter(uint64_t ticket) {
  auto entry = waiters_.find(ticket);
  Check(entry != waiters_.end(), "a checkout leaves the queue once");
  Waiter& waiter = *entry->second;
  IndexWaiter(waiter, /*add=*/false);
  waiter.session->waiting.erase(ticket);
  due_.erase({waiter.ends_ms, Due::What::kWait, ticket});
  waiters_.erase(entry);
  changed_.Removed(WaitingRowOf(ticket));
}

// --- What is due, and what is wrong ---

void LedgerState::IndexDues(const Checkout& checkout, bool add) {
  const CheckoutExtra& extra = *checkout.extra;
  const auto note = [&](absl::btree_set<Due>& table, uint64_t at_ms, Due::What what) {
    if (at_ms == 0) return;
    const Due due{at_ms, what, checkout.handle};
    if (add) {
      table.insert(due);
    } else {
      table.erase(due);
    }
  };
  note(due_, extra.lingers_until_ms, Due::What::kLinger);
  note(due_, extra.ends_ms, Due::What::kTimeLimit);
  note(due_, extra.reclaims_ms, Due::What::kIdle);
  note(due_by_date_, static_cast<uint64_t>(extra.borrowed_until_wall_ms), Due::What::kBorrow);
}

void LedgerState::SetViolation(uint64_t pool, absl::string_view feature,
                               const v1::ViolationRow& row) {
  PoolUse& use = UseOf(pool, feature);
  use.violation != nullptr ? changed_.Edited(ViolationRowOf(pool))
                           : changed_.Added(ViolationRowOf(pool));
  use.violation = std::make_unique<v1::ViolationRow>(row);
  violated_.insert(pool);
}

void LedgerState::ClearViolation(uint64_t pool) {
  auto use = uses_.find(pool);
  if (use == uses_.end() || use->second.violation == nullptr) return;
  use->second.violation = nullptr;
  violated_.erase(pool);
  changed_.Removed(ViolationRowOf(pool));
  NoteFreed(pool);
  DropIfIdle(use->second);
}

}  // namespace triad::license
