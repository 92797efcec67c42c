// The ledger's tables as rows, and from them.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "license/ledger_keys.h"
#include "license/ledger_state.h"
#include "license/limits.h"

namespace triad::license {
namespace {

using Kind = RowKey::Kind;

v1::SessionRow ToRow(const Session& session) {
  v1::SessionRow row;
  row.set_token_hash(session.token_hash);
  *row.mutable_identity() = session.identity;
  row.set_attachment(session.attachment);
  row.set_node(session.node);
  row.set_ttl_ms(session.ttl_ms);
  row.set_last_seen_index(session.last_seen_index);
  row.set_detached(session.detached);
  row.set_acked(session.acked);
  row.set_untouched(session.untouched);
  row.set_opened_index(session.opened_index);
  row.set_clock_ahead_ms(session.clock_ahead_ms);
  return row;
}

v1::CheckoutRow ToRow(const Checkout& checkout) {
  v1::CheckoutRow row;
  if (checkout.session != nullptr) row.set_session(checkout.session->id);
  *row.mutable_holding() = HoldingOf(checkout);
  row.mutable_holding()->clear_violation();  // the pool's, in a row of its own
  if (checkout.extra == nullptr) return row;
  const CheckoutExtra& extra = *checkout.extra;
  row.set_dup_mask(extra.dup_mask);
  if (extra.owner != nullptr) *row.mutable_owner() = *extra.owner;
  row.set_suite_of(extra.suite_of);
  row.set_linger_ms(extra.linger_ms);
  row.set_idle_since_ms(extra.idle_since_ms);
  row.set_reclaims_ms(extra.reclaims_ms);
  if (extra.group == nullptr || *extra.group->handles.begin() != checkout.handle) return row;
  for (const auto& [reservation, count] : extra.group->charges) {
    auto* charge = row.add_charges();
    charge->set_reservation(reservation);
    charge->set_count(count);
  }
  return row;
}

v1::WaitingRow ToRow(const Waiter& waiter) {
  v1::WaitingRow row;
  row.set_session(waiter.session->id);
  *row.mutable_checkout() = waiter.checkout;
  row.set_since_ms(waiter.since_ms);
  row.set_since_wall_ms(waiter.since_wall_ms);
  row.set_since_utc_offset_s(waiter.since_utc_offset_s);
  row.set_ends_ms(waiter.ends_ms);
  row.mutable_pools()->Add(waiter.pools.begin(), waiter.pools.end());
  return row;
}

std::unique_ptr<CheckoutExtra> ExtraOf(v1::CheckoutRow& row) {
  auto extra = std::make_unique<CheckoutExtra>();
  const v1::Holding& holding = row.holding();
  extra->user = holding.user();
  extra->checkout_data = holding.checkout_data();
  extra->dup_mask = row.dup_mask();
  extra->ticket = holding.ticket();
  extra->borrowed_until_wall_ms = holding.borrowed_until_wall_ms();
  extra->idle_since_ms = row.idle_since_ms();
  extra->reclaims_ms = row.reclaims_ms();
  extra->lingers_until_ms = holding.lingers_until_ms();
  extra->linger_ms = row.linger_ms();
  extra->ends_ms = holding.ends_ms();
  extra->overdraft = holding.overdraft();
  extra->suite_of = row.suite_of();
  if (row.has_owner()) {
    extra->owner = std::make_unique<v1::Identity>(std::move(*row.mutable_owner()));
  }
  return extra;
}

bool HasExtra(const v1::CheckoutRow& row) {
  const v1::Holding& holding = row.holding();
  return !holding.user().empty() || !holding.checkout_data().empty() || !row.dup_mask().empty() ||
         holding.ticket() != 0 || holding.borrowed_until_wall_ms() != 0 ||
         row.idle_since_ms() != 0 || row.reclaims_ms() != 0 || holding.lingers_until_ms() != 0 ||
         row.linger_ms() != 0 || holding.ends_ms() != 0 || holding.overdraft() != 0 ||
         row.suite_of() != 0 || row.has_owner();
}

template <typename Message>
bool Parse(absl::string_view bytes, Message& message) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

absl::Status Bad(absl::string_view what) {
  return absl::DataLossError(what);
}

}  // namespace

std::optional<std::string> LedgerState::ValueOf(const RowKey& row) const {
  switch (row.kind) {
    case Kind::kHead:
      return head_.SerializeAsString();
    case Kind::kLicenseSet:
      if (!installed_) return std::nullopt;
      return installed_->SerializeAsString();
    case Kind::kMembers:
      if (members_.nodes_size() == 0) return std::nullopt;
      return members_.SerializeAsString();
    case Kind::kCheckout: {
      const Checkout* checkout = FindCheckout(row.number);
      if (checkout == nullptr) return std::nullopt;
      return ToRow(*checkout).SerializeAsString();
    }
    case Kind::kReservation: {
      auto reservation = reservations_.find(row.number);
      if (reservation == reservations_.end()) return std::nullopt;
      return reservation->second.SerializeAsString();
    }
    case Kind::kViolation: {
      const PoolUse* use = FindUse(row.number);
      if (use == nullptr || use->violation == nullptr) return std::nullopt;
      return use->violation->SerializeAsString();
    }
    case Kind::kWaiting: {
      const Waiter* waiter = FindWaiter(row.number);
      if (waiter == nullptr) return std::nullopt;
      return ToRow(*waiter).SerializeAsString();
    }
    case Kind::kSession:
    case Kind::kResult:
      break;
  }
  auto entry = sessions_.find(row.session);
  if (entry == sessions_.end()) return std::nullopt;
  const Session& session = *entry->second;
  if (row.kind == Kind::kSession) return ToRow(session).SerializeAsString();
  auto result = session.results.find(row.number);
  if (result == session.results.end()) return std::nullopt;
  return result->second;
}

std::vector<RowKey> LedgerState::AllRows() const {
  std::vector<RowKey> rows{{Kind::kHead}};
  if (installed_) rows.push_back({Kind::kLicenseSet});
  if (members_.nodes_size() > 0) rows.push_back({Kind::kMembers});
  for (const auto& [id, reservation] : reservations_) rows.push_back(ReservationRowOf(id));
  for (const auto& [id, session] : sessions_) rows.push_back({Kind::kSession, id});
  for (const auto& [id, session] : sessions_) {
    for (const auto& [seq, result] : session->results) rows.push_back({Kind::kResult, id, seq});
  }
  for (const auto& [handle, checkout] : checkouts_) rows.push_back(CheckoutRowOf(handle));
  for (const auto& [pool, use] : uses_) {
    if (use.violation != nullptr) rows.push_back(ViolationRowOf(pool));
  }
  for (const auto& [ticket, waiter] : waiters_) rows.push_back(WaitingRowOf(ticket));
  return rows;
}

std::vector<RowChange> LedgerState::TakeChanges() {
  if (head_.applied_index() == taken_index_) return {};
  changed_.Edited({Kind::kHead});
  std::vector<RowChange> changes;
  changes.reserve(changed_.rows().size());
  for (const auto& [row, stored] : changed_.rows()) {
    changes.push_back({EncodeRowKey(row), ValueOf(row)});
  }
  changed_.Clear();
  taken_index_ = head_.applied_index();
  return changes;
}

uint64_t LedgerState::Digest() const {
  RowHash hash;
  for (const RowKey& row : AllRows()) {
    hash.Add(EncodeRowKey(row));
    hash.Add(*ValueOf(row));
  }
  return hash.value();
}

absl::Status LedgerState::LoadRow(absl::string_view key, absl::string_view value) {
  absl::Status status;
  std::optional<RowKey> row = DecodeRowKey(key);
  if (!row) {
    status = Bad("no row of the ledger is named so");
  } else if (row->kind != Kind::kHead && head_.applied_index() == 0) {
    status = Bad("row \"H\" is missing");
  } else {
    switch (row->kind) {
      case Kind::kHead:
        status = LoadHead(value);
        break;
      case Kind::kLicenseSet:
        status = LoadLicenseSet(value);
        break;
      case Kind::kMembers:
        status = LoadMembers(value);
        break;
      case Kind::kSession:
        status = LoadSession(*row, value);
        break;
      case Kind::kResult:
        status = LoadResult(*row, value);
        break;
      case Kind::kCheckout:
        status = LoadCheckout(*row, value);
        break;
      case Kind::kReservation:
        status = LoadReservation(*row, value);
        break;
      case Kind::kViolation:
        status = LoadViolation(*row, value);
        break;
      case Kind::kWaiting:
        status = LoadWaiting(*row, value);
        break;
    }
  }
  if (status.ok()) return status;
  return Bad(absl::StrCat("ledger row \"", absl::CHexEscape(key), "\": ", status.message()));
}

absl::Status LedgerState::LoadHead(absl::string_view value) {
  if (!Parse(value, head_) || head_.next_handle() < kFirstHandle) return Bad("unreadable");
  taken_index_ = head_.applied_index();
  return absl::OkStatus();
}

absl::Status LedgerState::LoadLicenseSet(absl::string_view value) {
  v1::InstallLicenses set;
  if (!Parse(value, set)) return Bad("unreadable");
  catalog_ = BuildCatalog(set, {known_});
  installed_ = std::move(set);
  return absl::OkStatus();
}

absl::Status LedgerState::LoadMembers(absl::string_view value) {
  if (!Parse(value, members_) || members_.nodes_size() == 0) return Bad("unreadable");
  return absl::OkStatus();
}

// Before the checkouts, which take from them: the first row after the reservations calls it.
void LedgerState::LoadedReservations() {
  if (!reservations_listed_) RebuildReservations(std::nullopt);
  reservations_listed_ = true;
}

absl::Status LedgerState::LoadSession(const RowKey& row, absl::string_view value) {
  v1::SessionRow read;
  if (!Parse(value, read)) return Bad("unreadable");
  auto session = std::make_unique<Session>();
  session->id = ToBytes(row.session);
  session->token_hash = read.token_hash();
  session->identity = std::move(*read.mutable_identity());
  session->attachment = read.attachment();
  session->node = read.node();
  session->ttl_ms = read.ttl_ms();
  session->last_seen_index = read.last_seen_index();
  session->detached = read.detached();
  session->untouched = read.untouched();
  session->acked = read.acked();
  session->opened_index = read.opened_index();
  session->clock_ahead_ms = read.clock_ahead_ms();
  if (!sessions_.emplace(row.session, std::move(session)).second) return Bad("stands twice");
  return absl::OkStatus();
}

absl::Status LedgerState::LoadResult(const RowKey& row, absl::string_view value) {
  v1::ResultRow read;
  if (!Parse(value, read) || !read.has_outcome()) return Bad("unreadable");
  auto session = sessions_.find(row.session);
  if (session == sessions_.end()) return Bad("its session is missing");
  if (row.number <= session->second->acked) return Bad("is acknowledged, and still there");
  if (!session->second->results.emplace(row.number, std::string(value)).second) {
    return Bad("stands twice");
  }
  return absl::OkStatus();
}

absl::Status LedgerState::LoadReservation(const RowKey& row, absl::string_view value) {
  v1::ReservationRow read;
  if (!Parse(value, read)) return Bad("unreadable");
  if (row.number >= head_.next_handle()) return Bad("its id was never given out");
  if (read.ends_ms() != 0) due_.insert({read.ends_ms(), Due::What::kReservation, row.number});
  if (!reservations_.emplace(row.number, std::move(read)).second) return Bad("stands twice");
  return absl::OkStatus();
}

absl::Status LedgerState::LoadCheckout(const RowKey& row, absl::string_view value) {
  v1::CheckoutRow read;
  if (!Parse(value, read)) return Bad("unreadable");
  LoadedReservations();
  const v1::Holding& holding = read.holding();
  Session* session = read.session().empty() ? nullptr : FindSession(read.session());
  if (session == nullptr && (!read.session().empty() || !read.has_owner())) {
    return Bad("its session is missing");
  }
  if (holding.handle() != row.number) return Bad("has another handle inside");
  if (holding.handle() >= head_.next_handle()) return Bad("its handle was never given out");
  if (holding.count() == 0) return Bad("holds nothing");
  if (FindCheckout(row.number) != nullptr) return Bad("stands twice");
  if (read.suite_of() != 0 && FindCheckout(read.suite_of()) == nullptr) {
    return Bad("is a suite's license, and its component is missing");
  }
  const PoolUse* known = FindUse(holding.pool());
  if (known != nullptr && known->feature != holding.feature()) {
    return Bad("its pool has another feature");
  }
  auto checkout = std::make_unique<Checkout>();
  checkout->handle = holding.handle();
  checkout->session = session;
  checkout->count = holding.count();
  checkout->start_wall_ms = holding.start_wall_ms();
  checkout->start_utc_offset_s = holding.start_utc_offset_s();
  checkout->granted_index = holding.granted_index();
  checkout->version = holding.version();
  if (HasExtra(read)) checkout->extra = ExtraOf(read);
  PoolUse& use = UseOf(holding.pool(), holding.feature());
  loading_ = true;
  const Checkout& loaded = Insert(std::move(checkout), use);
  loading_ = false;
  if (read.charges().empty()) return absl::OkStatus();
  if (loaded.extra == nullptr || loaded.extra->group == nullptr ||
      *loaded.extra->group->handles.begin() != loaded.handle) {
    return Bad("takes from a reservation that does not name it");
  }
  for (const auto& charge : read.charges()) {
    auto reservation = std::find_if(
        use.reservations.begin(), use.reservations.end(),
        [&charge](const PoolReservation& each) { return each.id == charge.reservation(); });
    if (reservation == use.reservations.end()) return Bad("takes from a reservation that is none");
    reservation->used += charge.count();
    loaded.extra->group->charges[charge.reservation()] = charge.count();
  }
  return absl::OkStatus();
}

absl::Status LedgerState::LoadViolation(const RowKey& row, absl::string_view value) {
  v1::ViolationRow read;
  if (!Parse(value, read)) return Bad("unreadable");
  LoadedReservations();
  PoolUse& use = UseOf(row.number, read.feature());
  if (use.violation != nullptr) return Bad("stands twice");
  use.violation = std::make_unique<v1::ViolationRow>(std::move(read));
  violated_.insert(row.number);
  return absl::OkStatus();
}

absl::Status LedgerState::LoadWaiting(const RowKey& row, absl::string_view value) {
  v1::WaitingRow read;
  if (!Parse(value, read)) return Bad("unreadable");
  LoadedReservations();
  Session* session = FindSession(read.session());
  if (session == nullptr) return Bad("its session is missing");
  if (row.number >= head_.next_handle()) return Bad("its ticket was never given out");
  if (FindWaiter(row.number) != nullptr) return Bad("stands twice");
  if (read.pools().empty()) return Bad("waits for no pool");
  Waiter waiter;
  waiter.ticket = row.number;
  waiter.session = session;
  waiter.checkout = std::move(*read.mutable_checkout());
  waiter.since_ms = read.since_ms();
  waiter.since_wall_ms = read.since_wall_ms();
  waiter.since_utc_offset_s = read.since_utc_offset_s();
  waiter.ends_ms = read.ends_ms();
  waiter.pools.assign(read.pools().begin(), read.pools().end());
  loading_ = true;
  AddWaiter(std::move(waiter));
  loading_ = false;
  return absl::OkStatus();
}

absl::Status LedgerState::Loaded(LogPosition applied) {
  LoadedReservations();
  ReopenReservations();
  const LogPosition head{head_.applied_index(), head_.applied_term()};
  if (head != applied) {
    return Bad(absl::StrCat("ledger row \"H\" stands at index ", head.index, " term ", head.term,
                            ", the store at index ", applied.index, " term ", applied.term));
  }
  if (installed_.has_value() != (head_.license_set_number() > 0)) {
    return Bad(absl::StrCat("ledger row \"L\" does not fit ", head_.license_set_number(),
                            " license sets in row \"H\""));
  }
  return absl::OkStatus();
}

}  // namespace triad::license
