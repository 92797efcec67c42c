#include "license/usage_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "license/act_text.h"
#include "license/civil.h"
#include "license/denial.h"
#include "license/digest.h"
#include "license/ledger.h"
#include "license/ledger_state.h"
#include "license/scratch.h"
#include "license/utf8.h"

namespace triad::license {
namespace {

// Holders named in a denial; the rest is a number.
constexpr size_t kHoldersNamedMax = 5;
// Checkouts looked at for it: a pool may have a million.
constexpr size_t kHoldersSeenMax = 64;
// Hex digits of a hashed name: 48 bits, so that a million names hardly ever meet.
constexpr size_t kHashedNameDigits = 12;

// What all pools of a feature have out and may have.
void SetTotals(const LedgerState& state, v1::UsageRecord& record) {
  uint64_t used = 0;
  uint64_t licensed = 0;
  bool own_pool_seen = false;
  for (const Pool* pool : state.catalog().PoolsOf(record.feature())) {
    if (const PoolUse* use = state.FindUse(pool->id)) used += use->used;
    if (pool->uncounted) {
      record.set_uncounted(true);
    } else {
      licensed += pool->LicensesOn(state.today());
    }
    own_pool_seen = own_pool_seen || pool->id == record.pool();
    if (record.vendor().empty()) record.set_vendor(pool->vendor);
  }
  if (!own_pool_seen && record.pool() != 0) {
    if (const PoolUse* use = state.FindUse(record.pool())) used += use->used;
  }
  record.set_used(used);
  record.set_licensed(licensed);
}

// "ann@pc1 (3), bob@pc2 and 12 more"
std::string HeldBy(const LedgerState& state, absl::string_view feature) {
  std::vector<std::pair<std::string, uint64_t>> holders;  // in the order of their oldest handle
  size_t seen = 0;
  size_t out = 0;
  for (const Pool* pool : state.catalog().PoolsOf(feature)) {
    const PoolUse* use = state.FindUse(pool->id);
    if (use == nullptr) continue;
    out += use->handles.size();
    for (const uint64_t handle : use->handles) {
      const Checkout* checkout = state.FindCheckout(handle);
      if (++seen > kHoldersSeenMax) break;
      if (checkout == nullptr) continue;
      const std::string name = absl::StrCat(UserOf(*checkout), "@", IdentityOf(*checkout).host());
      const auto known = std::find_if(holders.begin(), holders.end(),
                                      [&name](const auto& holder) { return holder.first == name; });
      if (known != holders.end()) {
        known->second += checkout->count;
      } else if (holders.size() < kHoldersNamedMax) {
        holders.emplace_back(name, checkout->count);
      } else {
        continue;
      }
      --out;
    }
  }
  std::vector<std::string> texts;
  texts.reserve(holders.size());
  for (const auto& [name, count] : holders) texts.push_back(absl::StrCat(name, " (", count, ")"));
  return absl::StrCat(absl::StrJoin(texts, ", "), texts.empty() || out == 0 ? "" : " and ",
                      texts.empty() || out == 0 ? "" : absl::StrCat(out, " more"));
}

// gRPC's "ipv4:10.0.0.7:4711" and "ipv6:%5B::1%5D:4711" as people write them.
std::string AddressText(absl::string_view peer) {
  if (absl::ConsumePrefix(&peer, "unix:")) return "local";
  if (!absl::ConsumePrefix(&peer, "ipv6:")) absl::ConsumePrefix(&peer, "ipv4:");
  if (!absl::StrContains(peer, '%')) return std::string(peer);
  return absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}});
}

void SetIdentity(const v1::Identity& identity, v1::UsageRecord& record) {
  record.set_user(identity.user());
  record.set_host(identity.host());
  record.set_display(identity.display());
  record.set_project(identity.project());
  record.set_process_id(identity.process_id());
  record.set_address(AddressText(identity.peer_address()));
  record.set_application(identity.application());
  record.set_application_version(identity.version());
  record.set_platform(identity.platform());
}

void SetHolding(const v1::Holding& holding, v1::UsageRecord& record) {
  record.set_version(holding.version());
  record.set_count(holding.count());
  record.set_handle(holding.handle());
  record.set_pool(holding.pool());
  record.set_checkout_data(holding.checkout_data());
  if (!holding.user().empty()) record.set_user(holding.user());
}

// UNSPECIFIED: what happened is no record.
v1::UsageRecord::Kind KindOf(LedgerEvent::Kind kind) {
  switch (kind) {
    case LedgerEvent::Kind::kCheckedOut:
      return v1::UsageRecord::CHECKED_OUT;
    case LedgerEvent::Kind::kCheckedIn:
      return v1::UsageRecord::CHECKED_IN;
    case LedgerEvent::Kind::kDenied:
      return v1::UsageRecord::DENIED;
    case LedgerEvent::Kind::kQueued:
      return v1::UsageRecord::QUEUED;
    case LedgerEvent::Kind::kDequeued:
    case LedgerEvent::Kind::kGranted:
      return v1::UsageRecord::DEQUEUED;
    case LedgerEvent::Kind::kLingers:
      return v1::UsageRecord::LINGERS;
    case LedgerEvent::Kind::kLingerOver:
      return v1::UsageRecord::LINGER_OVER;
    case LedgerEvent::Kind::kReserved:
      return v1::UsageRecord::RESERVED;
    case LedgerEvent::Kind::kUnreserved:
      return v1::UsageRecord::UNRESERVED;
    case LedgerEvent::Kind::kViolation:
      return v1::UsageRecord::VIOLATION;
    case LedgerEvent::Kind::kRestored:
      return v1::UsageRecord::RESTORED;
    case LedgerEvent::Kind::kBorrowed:
      return v1::UsageRecord::BORROWED;
    case LedgerEvent::Kind::kReturned:
      return v1::UsageRecord::RETURNED;
    case LedgerEvent::Kind::kResized:
      return v1::UsageRecord::RESIZED;
    case LedgerEvent::Kind::kClockUndone:
      return v1::UsageRecord::CLOCK;
    case LedgerEvent::Kind::kInstalled:
      return v1::UsageRecord::LICENSES_CHANGED;
    case LedgerEvent::Kind::kMembers:
      return v1::UsageRecord::NODES_CHANGED;
    case LedgerEvent::Kind::kRecovered:
      return v1::UsageRecord::RECOVERED;
    default:
      return v1::UsageRecord::UNSPECIFIED;
  }
}

bool HasStart(v1::UsageRecord::Kind kind) {
  return kind == v1::UsageRecord::CHECKED_IN || kind == v1::UsageRecord::RETURNED;
}

// What the record says of the request itself, beside what came of it.
void SetRequest(const v1::LogRecord& record, v1::UsageRecord& usage) {
  if (!record.command().has_request() || !record.command().request().has_checkout()) return;
  const v1::Checkout& checkout = record.command().request().checkout();
  if (!checkout.user().empty()) usage.set_user(checkout.user());
  for (const v1::Checkout::Item& item : checkout.items()) {
    if (item.feature() != usage.feature()) continue;
    usage.set_count(item.count());
    usage.set_version(item.version());
    usage.set_checkout_data(item.checkout_data());
    return;
  }
}

// " (waiver for 00aabbccddee until 2026-12-22)"
std::string WaiverText(const v1::Members::Node& node) {
  if (!node.waiver()) return "";
  if (node.waiver_ends_wall_ms() == 0) return " (waiver)";
  const Civil ends = CivilOf(node.waiver_ends_wall_ms(), 0);
  return absl::StrCat(node.waiver_over() ? " (its waiver for " : " (waiver for ", node.host_id(),
                      node.waiver_over() ? " ended " : " until ", ends.year, "-",
                      absl::Dec(ends.month, absl::kZeroPad2), "-",
                      absl::Dec(ends.day, absl::kZeroPad2), ")");
}

std::string NodesText(const v1::Members& members) {
  std::vector<std::string> nodes;
  for (const auto& node : members.nodes()) {
    nodes.push_back(
        absl::StrCat("node ", node.slot(), node.voter() ? "" : " (learner)", WaiverText(node)));
  }
  return absl::StrJoin(nodes, ", ");
}

// The records of one entry, one after the other.
class Recorder {
 public:
  Recorder(LedgerState& state, std::vector<UsageRow>& rows)
      : state_(state), rows_(rows), chain_(*state.head().mutable_usage()) {}

  void AddEvent(const v1::LogRecord& record, const LedgerEvent& event);
  void AddAdmin(const v1::AdminCommand& admin, const v1::Outcome& outcome);
  void AddPruned(const v1::PruneUsage& prune);
  void HidePeople(v1::UsageRecord& usage) const;

 private:
  void Append(v1::UsageRecord& record);

  LedgerState& state_;
  std::vector<UsageRow>& rows_;
  v1::UsageChain& chain_;
};

void Recorder::Append(v1::UsageRecord& record) {
  const v1::LedgerHead& head = state_.head();
  record.set_number(chain_.count() + 1);
  record.set_index(head.applied_index());
  record.set_wall_ms(head.wall_ms());
  record.set_utc_offset_s(head.utc_offset_s());
  record.set_previous(chain_.head());
  UsageRow row{record.number(), record.SerializeAsString()};
  chain_.set_count(record.number());
  chain_.set_head(UsageHash(row.bytes));
  rows_.push_back(std::move(row));
}

void Recorder::AddEvent(const v1::LogRecord& record, const LedgerEvent& event) {
  // Drawn by nobody else than a client's node, and never told: a key for hashed names.
  if (event.kind == LedgerEvent::Kind::kOpened && chain_.names_key().empty()) {
    chain_.set_names_key(
        Sha256(absl::StrCat("triad names ", record.command().open().token_hash())));
  }
  v1::UsageRecord::Kind kind = KindOf(event.kind);
  // The first license set is older than the first record: the chain begins with it.
  if (event.kind == LedgerEvent::Kind::kClusterVersion && chain_.count() == 0 &&
      state_.installed() != nullptr) {
    kind = v1::UsageRecord::LICENSES_CHANGED;
  }
  if (kind == v1::UsageRecord::UNSPECIFIED) return;
  Scratch scratch;
  auto& usage = scratch.New<v1::UsageRecord>();
  usage.set_kind(kind);
  usage.set_feature(event.feature);
  usage.set_reason(ToUtf8(event.reason));  // it may quote a license file
  usage.set_code(event.code);
  usage.set_session(event.session);
  usage.set_node(event.node);
  if (event.identity != nullptr) SetIdentity(*event.identity, usage);
  SetHolding(event.holding, usage);
  if (event.ticket != 0) usage.set_handle(event.ticket);
  if (kind == v1::UsageRecord::RESIZED) usage.set_count_before(event.count);
  if (event.reservation != 0) {
    usage.set_handle(event.reservation);
    usage.set_count(event.count);
  }
  usage.set_who(event.who);
  if (event.kind == LedgerEvent::Kind::kGranted) usage.set_reason("granted");
  if (kind == v1::UsageRecord::DENIED || kind == v1::UsageRecord::QUEUED) {
    SetRequest(record, usage);
    if (event.code == ToNumber(DenialCode::kAllInUse) || kind == v1::UsageRecord::QUEUED) {
      usage.set_held_by(HeldBy(state_, event.feature));
    }
  }
  if (HasStart(kind)) usage.set_start_wall_ms(event.holding.start_wall_ms());
  if (kind == v1::UsageRecord::LICENSES_CHANGED) {
    usage.set_count(state_.head().license_set_number());
    usage.set_node(state_.installed()->from_node());
    usage.set_who(state_.installed()->who());
  }
  if (kind == v1::UsageRecord::NODES_CHANGED) usage.set_reason(NodesText(state_.members()));
  if (!usage.feature().empty()) {
    if (const Pool* pool = state_.catalog().FindPool(usage.pool())) usage.set_vendor(pool->vendor);
    SetTotals(state_, usage);
    HidePeople(usage);
  }
  Append(usage);
}

// A vendor's REPORTLOG ... HIDE_USER keeps names out of the records themselves: what is not written
// down cannot be read anywhere. One and the same user stays told from others.
void Recorder::HidePeople(v1::UsageRecord& usage) const {
  const auto& settings = state_.catalog().policy().settings();
  const auto options = settings.find(usage.vendor());
  if (options == settings.end() || !options->second.report_log ||
      !options->second.report_log->hide_user) {
    return;
  }
  usage.set_user(HashedName(chain_.names_key(), usage.user()));
  usage.clear_display();
  usage.clear_held_by();
}

void Recorder::AddAdmin(const v1::AdminCommand& admin, const v1::Outcome& outcome) {
  Scratch scratch;
  auto& usage = scratch.New<v1::UsageRecord>();
  usage.set_kind(v1::UsageRecord::ADMIN);
  usage.set_who(admin.who());
  usage.set_reason(ActText(admin));
  if (outcome.has_denied()) {
    usage.set_code(outcome.denied().code());
    usage.set_reason(absl::StrCat(usage.reason(), ": ", outcome.denied().reason()));
  } else if (outcome.has_refused()) {
    usage.set_code(ToNumber(DenialCode::kBadParameter));
    usage.set_reason(absl::StrCat(usage.reason(), ": ", outcome.refused().reason()));
  }
  Append(usage);
}

void Recorder::AddPruned(const v1::PruneUsage& prune) {
  Scratch scratch;
  auto& usage = scratch.New<v1::UsageRecord>();
  usage.set_kind(v1::UsageRecord::PRUNED);
  usage.set_count(prune.before());
  usage.set_pruned_hash(prune.hash());
  usage.set_reason(prune.reason());
  Append(usage);
}

}  // namespace

void RecordUsage(LedgerState& state, const v1::LogRecord& record, const v1::Outcome& outcome,
                 absl::Span<const LedgerEvent> events, std::vector<UsageRow>& rows) {
  const v1::Command& command = record.command();
  Recorder recorder(state, rows);
  if (command.has_admin()) recorder.AddAdmin(command.admin(), outcome);
  if (command.has_prune_usage() && outcome.has_done()) {
    recorder.AddPruned(command.prune_usage());
  }
  for (const LedgerEvent& event : events) recorder.AddEvent(record, event);
}

bool PruneUsage(LedgerState& state, const v1::PruneUsage& prune) {
  const v1::UsageChain& chain = state.head().usage();
  if (prune.before() <= std::max<uint64_t>(1, chain.first()) || prune.before() > chain.count()) {
    return false;
  }
  state.head().mutable_usage()->set_first(prune.before());
  return true;
}

std::string UsageHash(absl::string_view record_bytes) {
  return Sha256(record_bytes);
}

std::string HashedName(absl::string_view names_key, absl::string_view name) {
  if (name.empty()) return "";
  std::string keyed;
  AppendField(keyed, names_key);
  AppendField(keyed, name);
  return absl::StrCat("user-", Sha256Hex(keyed).substr(0, kHashedNameDigits));
}

absl::Status UsageVerifier::Add(absl::string_view record_bytes) {
  v1::UsageRecord record;
  const bool readable =
      record.ParseFromArray(record_bytes.data(), static_cast<int>(record_bytes.size()));
  const uint64_t expected = last_ + 1;
  const bool begins = hash_.empty();
  std::string before = std::move(hash_);
  hash_ = UsageHash(record_bytes);
  if (!readable || record.number() == 0) {
    last_ = expected;
    return absl::DataLossError(absl::StrCat("record ", expected, " cannot be read"));
  }
  ++count_;
  last_ = record.number();
  if (begins) {
    if (first_ == 0) first_ = last_;
    if (last_ == 1 && !record.previous().empty()) {
      return absl::DataLossError("record 1 follows another: its beginning was cut off");
    }
    return absl::OkStatus();
  }
  if (last_ != expected) {
    return absl::DataLossError(
        absl::StrCat("record ", expected, " is missing: record ", last_, " stands in its place"));
  }
  if (record.previous() != before) {
    return absl::DataLossError(absl::StrCat("record ", last_ - 1, " was changed: record ", last_,
                                            " holds another hash of it"));
  }
  return absl::OkStatus();
}

absl::Status UsageVerifier::End(const v1::UsageChain& chain) const {
  if (chain.count() == 0 && count_ == 0) return absl::OkStatus();
  if (last_ != chain.count()) {
    return absl::DataLossError(
        absl::StrCat("the last record is ", last_, ", and the chain ends with ", chain.count()));
  }
  if (hash_ != chain.head()) {
    return absl::DataLossError(absl::StrCat("record ", last_,
                                            " is not the one that the chain ends "
                                            "with: it was changed"));
  }
  return absl::OkStatus();
}

}  // namespace triad::license
