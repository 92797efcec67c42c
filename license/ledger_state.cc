#include "license/ledger_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "license/check.h"
#include "license/limits.h"

namespace triad::license {
namespace {

using Kind = RowKey::Kind;

SessionId IdOf(const Session& session) {
  return *ToSessionId(session.id);
}

RowKey RowOf(const Session& session) {
  return {Kind::kSession, IdOf(session)};
}

RowKey ResultRowOf(const Session& session, uint64_t seq) {
  return {Kind::kResult, IdOf(session), seq};
}

RowKey CheckoutRowOf(uint64_t handle) {
  return {Kind::kCheckout, {}, handle};
}

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
  return row;
}

Catalog BuildCatalog(const v1::InstallLicenses& set) {
  LicenseSources sources;
  for (const auto& file : set.license_files()) {
    sources.license_files.push_back({file.name(), file.content()});
  }
  for (const auto& file : set.option_files()) {
    sources.option_files.push_back({file.name(), file.content()});
  }
  for (const auto& vendor_key : set.vendor_keys()) {
    PublicKey key{};
    const std::string& bytes = vendor_key.public_key();
    std::copy_n(bytes.begin(), std::min(bytes.size(), key.size()), key.begin());
    sources.keys.emplace(vendor_key.vendor(), key);
  }
  return Catalog::Build(sources);
}

template <typename Message>
bool Parse(absl::string_view bytes, Message& message) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

absl::Status Bad(absl::string_view what) {
  return absl::DataLossError(what);
}

}  // namespace

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
  return holding;
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
  return state;
}

void LedgerState::Install(const v1::InstallLicenses& set) {
  const RowKey row{Kind::kLicenseSet};
  installed_ ? changed_.Edited(row) : changed_.Added(row);
  installed_ = set;
  catalog_ = BuildCatalog(set);
  head_.set_license_set_number(head_.license_set_number() + 1);
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
  for (const auto& [seq, result] : session.results) changed_.Removed(ResultRowOf(session, seq));
  changed_.Removed(RowOf(session));
  auto entry = sessions_.find(IdOf(session));
  removed_.push_back(std::move(entry->second));
  sessions_.erase(entry);
}

void LedgerState::SetResult(Session& session, uint64_t seq, const v1::Outcome& outcome) {
  v1::ResultRow row;
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

const Checkout& LedgerState::AddCheckout(Session& session, const Pool& pool, uint64_t count,
                                         absl::string_view version) {
  auto checkout = std::make_unique<Checkout>();
  checkout->handle = head_.next_handle();
  checkout->session = &session;
  checkout->count = count;
  checkout->start_wall_ms = head_.wall_ms();
  checkout->start_utc_offset_s = head_.utc_offset_s();
  checkout->granted_index = head_.applied_index();
  checkout->version = std::string(version);
  head_.set_next_handle(head_.next_handle() + 1);
  changed_.Added(CheckoutRowOf(checkout->handle));
  return Insert(std::move(checkout), pool.id, pool.feature);
}

const Checkout& LedgerState::Insert(std::unique_ptr<Checkout> checkout, uint64_t pool,
                                    absl::string_view feature) {
  auto [entry, first] = uses_.try_emplace(pool);
  PoolUse& use = entry->second;
  if (first) {
    use.pool = pool;
    use.feature = std::string(feature);
  }
  use.used += checkout->count;
  use.handles.insert(checkout->handle);
  checkout->use = &use;
  checkout->session->handles.insert(checkout->handle);
  checkout->session->held[use.feature] += checkout->count;
  const uint64_t handle = checkout->handle;
  return *checkouts_.emplace_hint(checkouts_.end(), handle, std::move(checkout))->second;
}

void LedgerState::RemoveCheckout(uint64_t handle) {
  auto entry = checkouts_.find(handle);
  Check(entry != checkouts_.end(), "a checkout is returned once");
  const Checkout& checkout = *entry->second;
  Session& session = *checkout.session;
  PoolUse& use = *checkout.use;
  session.handles.erase(handle);
  auto held = session.held.find(use.feature);
  held->second -= checkout.count;
  if (held->second == 0) session.held.erase(held);
  use.used -= checkout.count;
  use.handles.erase(handle);
  if (use.handles.empty()) uses_.erase(use.pool);
  checkouts_.erase(entry);
  changed_.Removed(CheckoutRowOf(handle));
}

// --- Rows ---

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
      v1::CheckoutRow value;
      value.set_session(checkout->session->id);
      *value.mutable_holding() = HoldingOf(*checkout);
      return value.SerializeAsString();
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
  for (const auto& [id, session] : sessions_) rows.push_back({Kind::kSession, id});
  for (const auto& [id, session] : sessions_) {
    for (const auto& [seq, result] : session->results) rows.push_back({Kind::kResult, id, seq});
  }
  for (const auto& [handle, checkout] : checkouts_) rows.push_back(CheckoutRowOf(handle));
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
  catalog_ = BuildCatalog(set);
  installed_ = std::move(set);
  return absl::OkStatus();
}

absl::Status LedgerState::LoadMembers(absl::string_view value) {
  if (!Parse(value, members_) || members_.nodes_size() == 0) return Bad("unreadable");
  return absl::OkStatus();
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

absl::Status LedgerState::LoadCheckout(const RowKey& row, absl::string_view value) {
  v1::CheckoutRow read;
  if (!Parse(value, read)) return Bad("unreadable");
  const v1::Holding& holding = read.holding();
  Session* session = FindSession(read.session());
  if (session == nullptr) return Bad("its session is missing");
  if (holding.handle() != row.number) return Bad("has another handle inside");
  if (holding.handle() >= head_.next_handle()) return Bad("its handle was never given out");
  if (holding.count() == 0) return Bad("holds nothing");
  if (FindCheckout(row.number) != nullptr) return Bad("stands twice");
  const PoolUse* use = FindUse(holding.pool());
  if (use != nullptr && use->feature != holding.feature())
    return Bad("its pool has another feature");
  auto checkout = std::make_unique<Checkout>();
  checkout->handle = holding.handle();
  checkout->session = session;
  checkout->count = holding.count();
  checkout->start_wall_ms = holding.start_wall_ms();
  checkout->start_utc_offset_s = holding.start_utc_offset_s();
  checkout->granted_index = holding.granted_index();
  checkout->version = holding.version();
  Insert(std::move(checkout), holding.pool(), holding.feature());
  return absl::OkStatus();
}

absl::Status LedgerState::Loaded(LogPosition applied) const {
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

absl::Status LedgerState::CheckMembers() const {
  uint32_t slot = 0;
  size_t voters = 0;
  for (const auto& node : members_.nodes()) {
    if (node.slot() <= slot) return absl::InternalError("members are not in the order of slots");
    slot = node.slot();
    if (node.voter()) ++voters;
  }
  if (members_.nodes_size() > 0 && voters == 0) return absl::InternalError("nobody may vote");
  return absl::OkStatus();
}

absl::Status LedgerState::CheckInvariants() const {
  if (absl::Status status = CheckMembers(); !status.ok()) return status;
  std::map<uint64_t, uint64_t> used;
  std::map<uint64_t, std::vector<uint64_t>> out;
  std::map<std::string, std::vector<uint64_t>> handles;
  std::map<std::string, std::map<std::string, uint64_t>> held;
  auto differs = [](auto&&... what) { return absl::InternalError(absl::StrCat(what...)); };
  for (const auto& [handle, checkout] : checkouts_) {
    const Session* session = checkout->session;
    if (handle != checkout->handle) return differs("handle ", handle, " is filed wrongly");
    if (handle < kFirstHandle || handle >= head_.next_handle()) {
      return differs("handle ", handle, " was never given out");
    }
    if (checkout->count == 0) return differs("handle ", handle, " holds nothing");
    if (FindSession(session->id) != session) return differs("handle ", handle, " has no session");
    used[checkout->use->pool] += checkout->count;
    out[checkout->use->pool].push_back(handle);
    handles[session->id].push_back(handle);
    held[session->id][checkout->use->feature] += checkout->count;
  }
  if (used.size() != uses_.size()) return differs("pools in use are counted wrongly");
  for (const auto& [pool, use] : uses_) {
    if (use.pool != pool || use.used != used[pool]) {
      return differs("pool ", pool, ": ", used[pool], " out, ", use.used, " counted");
    }
    if (!std::equal(use.handles.begin(), use.handles.end(), out[pool].begin(), out[pool].end())) {
      return differs("pool ", pool, ": its handles are not those out");
    }
  }
  for (const auto& [id, session] : sessions_) {
    const std::string name = absl::BytesToHexString(session->id);
    const std::vector<uint64_t>& its = handles[session->id];
    if (IdOf(*session) != id) return differs("session ", name, " is filed wrongly");
    if (!std::equal(session->handles.begin(), session->handles.end(), its.begin(), its.end())) {
      return differs("session ", name, ": its handles are not those out");
    }
    const std::map<std::string, uint64_t>& sums = held[session->id];
    if (!std::equal(session->held.begin(), session->held.end(), sums.begin(), sums.end())) {
      return differs("session ", name, ": its licenses are summed wrongly");
    }
    for (const auto& [feature, count] : sums) {
      if (count > kLicensesPerSessionMax) return differs("session ", name, " holds ", count);
    }
    if (!session->results.empty() && session->results.begin()->first <= session->acked) {
      return differs("session ", name, " keeps an acknowledged result");
    }
    if (session->results.size() > kPendingPerSessionMax) {
      return differs("session ", name, " keeps too many results");
    }
    if (session->last_seen_index > head_.applied_index()) {
      return differs("session ", name, " was seen in the future");
    }
  }
  return absl::OkStatus();
}

}  // namespace triad::license
