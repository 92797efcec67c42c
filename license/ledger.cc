#include "license/ledger.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "license/check.h"
#include "license/denial.h"
#include "license/ledger_words.h"

namespace triad::license {
namespace {

constexpr size_t kTokenHashBytes = 32;

v1::Outcome SessionUnknown() {
  return Refuse(v1::Refused::SESSION_UNKNOWN, "session is unknown: it has ended or never began");
}

v1::Outcome BadToken() {
  return Refuse(v1::Refused::BAD_TOKEN, "resume token is not the session's");
}

// An administrator's command that was sent again while leaders changed.
bool IsDoneAlready(const LedgerState& state, const v1::Command& command) {
  const std::string& id = command.admin().id();
  const auto& results = state.head().admin_results();
  return command.has_admin() && !id.empty() &&
         std::any_of(results.begin(), results.end(),
                     [&id](const auto& result) { return result.id() == id; });
}

v1::Outcome StaleAttachment(const Session& session) {
  return Refuse(v1::Refused::STALE_ATTACHMENT,
                absl::StrCat("session is attached by number ", session.attachment,
                             " already: take a higher one"));
}

// "": within the limits.
std::string Complaint(const v1::Identity& identity) {
  for (const std::string* field :
       {&identity.user(), &identity.host(), &identity.display(), &identity.application(),
        &identity.version(), &identity.platform(), &identity.project(), &identity.peer_address()}) {
    if (field->size() > kNameBytesMax) {
      return absl::StrCat("a field of the identity is longer than ", kNameBytesMax, " bytes");
    }
  }
  if (static_cast<size_t>(identity.host_ids_size()) > kHostIdsMax) {
    return absl::StrCat("the identity has more than ", kHostIdsMax, " host ids");
  }
  for (const std::string& host_id : identity.host_ids()) {
    if (host_id.size() > kNameBytesMax) {
      return absl::StrCat("a host id is longer than ", kNameBytesMax, " bytes");
    }
  }
  return "";
}

std::string Complaint(const v1::OpenSession& open) {
  if (open.session().size() != kSessionIdBytes) {
    return absl::StrCat("a session's id has ", kSessionIdBytes, " bytes");
  }
  if (open.token_hash().size() != kTokenHashBytes) {
    return absl::StrCat("a token's hash has ", kTokenHashBytes, " bytes");
  }
  if (open.attachment() == 0) return "attachments count from 1";
  return Complaint(open.identity());
}

// MAX_CONNECTIONS: a session is one connection to all vendors, so it takes all of them to cap
// sessions, and the largest of theirs counts. 0: no cap.
uint64_t ConnectionsMax(const Catalog& catalog) {
  const auto& settings = catalog.policy().settings();
  if (settings.empty()) return 0;
  uint64_t most = 0;
  for (const std::string& vendor : catalog.vendors()) {
    const auto it = settings.find(vendor);
    if (it == settings.end() || it->second.max_connections == 0) return 0;
    most = std::max(most, it->second.max_connections);
  }
  return most;
}

}  // namespace

namespace {

bool NeedsVersion3(const v1::Request& request) {
  if (!request.has_checkout()) return !request.has_checkin();
  const v1::Checkout& checkout = request.checkout();
  return checkout.wait() || !checkout.user().empty() || checkout.time_limit_ms() != 0 ||
         std::any_of(checkout.items().begin(), checkout.items().end(), [](const auto& item) {
           return !item.checkout_data().empty() || !item.dup_mask().empty();
         });
}

}  // namespace

uint32_t RequiredVersion(const v1::Command& command) {
  if (!command.recovered().how().empty()) return kWaiverVersion;
  if (command.has_prune_usage()) return kUsageVersion;
  if (command.has_admin() || command.has_time_passes()) return 3;
  if (!command.install().who().empty()) return 3;
  if (command.has_request() && NeedsVersion3(command.request())) return 3;
  if (command.open().client_wall_ms() != 0 || command.attach().client_wall_ms() != 0) return 3;
  return command.has_install() && command.install().replaces() != 0 ? 2 : 1;
}

LogPosition Ledger::applied() const {
  return {state_.head().applied_index(), state_.head().applied_term()};
}

uint64_t Ledger::license_set_number() const {
  return state_.head().license_set_number();
}

uint32_t Ledger::cluster_version() const {
  return std::max(1u, state_.head().cluster_version());
}

uint64_t Ledger::UsedOf(uint64_t pool) const {
  const PoolUse* use = state_.FindUse(pool);
  return use == nullptr ? 0 : use->used;
}

std::vector<uint64_t> Ledger::HandlesOf(uint64_t pool) const {
  const PoolUse* use = state_.FindUse(pool);
  if (use == nullptr) return {};
  return {use->handles.begin(), use->handles.end()};
}

absl::Status Ledger::Restore(LedgerStore& store) {
  LedgerState state;
  state.SetKnown(state_.known());
  absl::Status status = store.Load([&state](absl::string_view key, absl::string_view value) {
    return state.LoadRow(key, value);
  });
  if (status.ok()) status = state.Loaded(store.applied());
  if (!status.ok()) return status;
  state_ = std::move(state);
  usage_.clear();
  return absl::OkStatus();
}

v1::Outcome Ledger::Apply(LogPosition position, const v1::LogRecord* record,
                          std::vector<LedgerEvent>* events) {
  v1::LedgerHead& head = state_.head();
  Check(position.index == head.applied_index() + 1, "entries are applied in order, without gaps");
  Check(position.term >= head.applied_term(), "terms never go back in the log");
  head.set_applied_index(position.index);
  head.set_applied_term(position.term);
  if (record == nullptr) return Done();
  const Day day_before = today();
  const v1::Stamp& stamp = stamp_ = record->stamp();
  head.set_cluster_ms(std::max(head.cluster_ms(), stamp.cluster_ms()));
  if (stamp.wall_ms() > head.wall_ms()) {
    head.set_wall_ms(stamp.wall_ms());
    head.set_utc_offset_s(stamp.utc_offset_s());
  }
  state_.ForgetRemoved();
  Events unheard;
  Events& all = events == nullptr ? unheard : *events;
  const size_t before = all.size();
  if (today() != day_before) OnNewDay(all);
  if (members().nodes_size() > 0) JudgeWaivers(all);
  const bool again = IsDoneAlready(state_, record->command());
  v1::Outcome outcome = ApplyCommand(record->command(), all);
  JudgeViolations(all);
  if (state_.AnyFreed()) ServeQueues(all);
  if (cluster_version() >= kUsageVersion) {
    const auto happened = absl::MakeConstSpan(all).subspan(before);
    if (again) {
      v1::LogRecord without_command;  // what is only answered again is recorded already
      *without_command.mutable_stamp() = stamp;
      RecordUsage(state_, without_command, outcome, happened, usage_);
    } else {
      RecordUsage(state_, *record, outcome, happened, usage_);
    }
  }
  return outcome;
}

UsageChanges Ledger::TakeUsage() {
  UsageChanges changes;
  changes.rows.swap(usage_);
  changes.first = usage_chain().first();
  changes.next = usage_chain().count() + 1;
  return changes;
}

v1::Outcome Ledger::ApplyCommand(const v1::Command& command, Events& events) {
  switch (command.body_case()) {
    case v1::Command::kInstall:
      return ApplyInstall(command.install(), events);
    case v1::Command::kOpen:
      return ApplyOpen(command.open(), events);
    case v1::Command::kAttach:
      return ApplyAttach(command.attach(), events);
    case v1::Command::kDetach:
      return ApplyDetach(command.detach(), events);
    case v1::Command::kClose:
      return ApplyClose(command.close(), events);
    case v1::Command::kExpire:
      return ApplyExpire(command.expire(), events);
    case v1::Command::kRequest:
      return ApplyRequest(command.request(), events);
    case v1::Command::kMembers:
      return ApplyMembers(command.members(), events);
    case v1::Command::kRecovered:
      return ApplyRecovered(command.recovered(), events);
    case v1::Command::kSetClusterVersion:
      return ApplyClusterVersion(command.set_cluster_version(), events);
    case v1::Command::kPruneUsage:
      return ApplyPruneUsage(command.prune_usage());
    case v1::Command::kAdmin:
      return ApplyAdmin(command.admin(), events);
    case v1::Command::kTimePasses:
      return ApplyTimePasses(events);
    case v1::Command::BODY_NOT_SET:
      break;
  }
  return Malformed("a command without a body");
}

// --- The cluster itself ---

// What this node does not know was granted by the others, perhaps a moment before the loss: its
// holder resumes, or is silent for its time to live. Sessions that nobody here knows had no longer
// one than the longest that the node that recovers gives.
v1::Outcome Ledger::ApplyRecovered(const v1::Recovered& recovered, Events& events) {
  uint32_t hold_ms = std::min(recovered.hold_ms(), kTtlMsMax);
  for (const auto& entry : sessions()) hold_ms = std::max(hold_ms, entry.second->ttl_ms);
  v1::LedgerHead& head = state_.head();
  head.set_no_grants_until_ms(std::max(head.no_grants_until_ms(), head.cluster_ms() + hold_ms));
  // Holders know handles that nobody here does: none of them may come to mean another license.
  state_.TakeHandles(kHandlesLostMax);
  events.push_back(EventOf(LedgerEvent::Kind::kRecovered));
  events.back().reason = recovered.how();
  return Done();
}

v1::Outcome Ledger::ApplyClusterVersion(const v1::SetClusterVersion& set, Events& events) {
  if (set.version() <= cluster_version()) return Done();
  state_.head().set_cluster_version(set.version());
  events.push_back(EventOf(LedgerEvent::Kind::kClusterVersion));
  return Done();
}

// The record of it says where the chain begins from now on (usage_record.h).
v1::Outcome Ledger::ApplyPruneUsage(const v1::PruneUsage& prune) {
  if (!PruneUsage(state_, prune)) return Malformed("no usage records are there to prune");
  return Done();
}

// --- Sessions ---

// The session was heard of: an expiry proposed before is void.
void Ledger::Touch(Session& session) {
  state_.Edit(session).last_seen_index = state_.head().applied_index();
}

v1::Outcome Ledger::ApplyOpen(const v1::OpenSession& open, Events& events) {
  if (std::string complaint = Complaint(open); !complaint.empty()) return Malformed(complaint);
  if (Session* session = state_.FindSession(open.session())) {
    return ApplyReopen(*session, open, events);
  }
  if (sessions().size() >= limits_.sessions_max) {
    return Refuse(v1::Refused::SESSION_TABLE_FULL, absl::StrCat("there are ", limits_.sessions_max,
                                                                " sessions, and no room for more"));
  }
  if (const uint64_t most = ConnectionsMax(catalog()); most > 0 && sessions().size() >= most) {
    return Refuse(v1::Refused::SESSION_TABLE_FULL,
                  absl::StrCat(DenialText(DenialCode::kTooManyConnections), " (",
                               ToNumber(DenialCode::kTooManyConnections), "): MAX_CONNECTIONS ",
                               most, " of the options file"));
  }
  Session session;
  session.id = open.session();
  session.token_hash = open.token_hash();
  session.identity = open.identity();
  session.attachment = open.attachment();
  session.node = open.node();
  session.ttl_ms = std::clamp(open.ttl_ms(), kTtlMsMin, kTtlMsMax);
  session.opened_index = state_.head().applied_index();
  session.last_seen_index = session.opened_index;
  NoteClock(session, open.client_wall_ms());
  const Session& opened = state_.AddSession(std::move(session));
  events.push_back(EventOf(LedgerEvent::Kind::kOpened, opened));
  v1::Outcome outcome;
  *outcome.mutable_session() = StateOf(opened);
  return outcome;
}

// An open again: from the same node the same command, retried; from another node a retry with a
// token that this node has drawn, which counts as long as nobody has used the first.
v1::Outcome Ledger::ApplyReopen(Session& session, const v1::OpenSession& open, Events& events) {
  const bool same_token = open.token_hash() == session.token_hash;
  const bool moves = session.untouched && open.attachment() > session.attachment;
  if (!moves && !same_token && !session.untouched) return BadToken();
  if (same_token || moves) Touch(session);
  if (moves) {
    session.token_hash = open.token_hash();
    session.attachment = open.attachment();
    session.node = open.node();
    session.identity.set_peer_address(open.identity().peer_address());
    NoteClock(session, open.client_wall_ms());
    events.push_back(EventOf(LedgerEvent::Kind::kAttached, session));
  } else if (!same_token || open.attachment() != session.attachment) {
    return StaleAttachment(session);
  }
  v1::Outcome outcome;
  *outcome.mutable_session() = StateOf(session);
  return outcome;
}

v1::Outcome Ledger::ApplyAttach(const v1::AttachSession& attach, Events& events) {
  Session* session = state_.FindSession(attach.session());
  if (session == nullptr) return SessionUnknown();
  if (attach.token_hash() != session->token_hash) return BadToken();
  if (attach.peer_address().size() > kNameBytesMax) {
    return Malformed(absl::StrCat("peer address is longer than ", kNameBytesMax, " bytes"));
  }
  Touch(*session);
  session->untouched = false;
  if (attach.attachment() > session->attachment) {
    session->attachment = attach.attachment();
    session->node = attach.node();
    session->identity.set_peer_address(attach.peer_address());
    NoteClock(*session, attach.client_wall_ms());
    session->detached = false;
    events.push_back(EventOf(LedgerEvent::Kind::kAttached, *session));
  } else if (attach.attachment() < session->attachment || attach.node() != session->node) {
    return StaleAttachment(*session);
  }
  v1::Outcome outcome;
  *outcome.mutable_session() = StateOf(*session);
  return outcome;
}

v1::Outcome Ledger::ApplyDetach(const v1::DetachSession& detach, Events& events) {
  Session* session = state_.FindSession(detach.session());
  if (session == nullptr || detach.attachment() != session->attachment || session->detached) {
    return Done();
  }
  Touch(*session);
  session->untouched = false;
  session->detached = true;
  events.push_back(EventOf(LedgerEvent::Kind::kDetached, *session));
  return Done();
}

v1::Outcome Ledger::ApplyClose(const v1::CloseSession& close, Events& events) {
  Session* session = state_.FindSession(close.session());
  if (session == nullptr) return Done();
  if (!close.token_hash().empty() && close.token_hash() != session->token_hash) return BadToken();
  End(*session, "closed", events);
  return Done();
}

v1::Outcome Ledger::ApplyExpire(const v1::ExpireSession& expire, Events& events) {
  Session* session = state_.FindSession(expire.session());
  if (session == nullptr || expire.term() != applied().term ||
      expire.attachment() != session->attachment ||
      expire.last_seen_index() != session->last_seen_index ||
      (expire.connection_lost() && !session->detached)) {
    return Done();
  }
  End(*session, expire.connection_lost() ? "connection lost" : "silent", events);
  return Done();
}

void Ledger::End(Session& session, absl::string_view reason, Events& events) {
  while (!session.waiting.empty()) Dequeue(*session.waiting.begin(), reason, 0, events);
  while (!session.handles.empty()) {
    Release(*session.handles.begin(), reason, After::kLinger, events);
  }
  events.push_back(EventOf(LedgerEvent::Kind::kEnded, session));
  events.back().reason = std::string(reason);
  state_.RemoveSession(session);
}

// --- Requests ---

v1::Outcome Ledger::ApplyRequest(const v1::Request& request, Events& events) {
  Session* session = state_.FindSession(request.session());
  if (session == nullptr) return SessionUnknown();
  if (!request.token_hash().empty() && request.token_hash() != session->token_hash) {
    return BadToken();
  }
  Touch(*session);
  session->untouched = false;
  const uint64_t seq = request.seq();
  if (request.acked() >= seq) {
    return Malformed(absl::StrCat("request ", seq, " acknowledges answers up to ", request.acked(),
                                  ", its own among them"));
  }
  state_.Acknowledge(*session, request.acked());
  if (seq <= session->acked) {
    return Refuse(v1::Refused::ANSWERED_BEFORE,
                  absl::StrCat("request ", seq, " was answered, and answers up to ", session->acked,
                               " are acknowledged"));
  }
  if (std::optional<v1::Outcome> before = state_.FindResult(*session, seq)) return *before;
  if (seq - session->acked > kPendingPerSessionMax) {
    return Refuse(v1::Refused::TOO_MANY_PENDING,
                  absl::StrCat("request ", seq, " is more than ", kPendingPerSessionMax,
                               " above the last acknowledged, ", session->acked));
  }
  v1::Outcome outcome = ApplyOperation(*session, request, events);
  state_.SetResult(*session, seq, outcome);
  return outcome;
}

v1::Outcome Ledger::ApplyOperation(Session& session, const v1::Request& request, Events& events) {
  switch (request.op_case()) {
    case v1::Request::kCheckout:
      return ApplyCheckout(session, request.checkout(), events);
    case v1::Request::kCheckin:
      return ApplyCheckin(session, request.checkin(), events);
    case v1::Request::kResize:
      return ApplyResize(session, request.resize(), events);
    case v1::Request::kSetIdle:
      return ApplySetIdle(session, request.set_idle(), events);
    case v1::Request::kCancelWait:
      return ApplyCancelWait(session, request.cancel_wait(), events);
    case v1::Request::kBorrow:
      return ApplyBorrow(session, request.borrow(), events);
    case v1::Request::kReturnBorrowed:
      return ApplyReturn(session, request.return_borrowed(), events);
    case v1::Request::OP_NOT_SET:
      break;
  }
  return Malformed("a request without an operation");
}

// After a recovery nothing new is granted for a time; uncounted licenses cannot be granted twice.
std::optional<v1::Outcome> Ledger::HoldBack(const std::vector<Grant>& grants) const {
  const uint64_t until_ms = no_grants_until_ms();
  if (cluster_ms() >= until_ms) return std::nullopt;
  for (const Grant& grant : grants) {
    if (grant.pool->uncounted) continue;
    constexpr uint64_t kSecond = 1'000;
    v1::Outcome outcome;
    outcome.mutable_denied()->set_code(ToNumber(DenialCode::kServerDown));
    outcome.mutable_denied()->set_reason(absl::StrCat(
        "the license servers were recovered with a possible loss: nothing new is granted for ",
        (until_ms - cluster_ms() + kSecond - 1) / kSecond,
        " s, until those who hold licenses have come back"));
    outcome.mutable_denied()->set_feature(grant.pool->feature);
    return outcome;
  }
  return std::nullopt;
}

std::variant<std::vector<Grant>, v1::Outcome> Ledger::Decide(const Asker& asker,
                                                             const v1::Checkout& checkout) const {
  if (auto no = StoppedObjection(checkout)) return *std::move(no);
  auto decision = DecideCheckout(state_, asker, checkout, limits_.checkouts_max);
  if (const auto* grants = std::get_if<std::vector<Grant>>(&decision)) {
    auto no = HoldBack(*grants);
    if (!no) no = WaiverObjection(*grants);
    if (!no) no = ClockObjection(*asker.session, *grants);
    if (no) decision = *std::move(no);
  }
  return decision;
}

namespace {

// It was cut off until its licenses were given to others, and goes on using them: so it says
// itself, once for each.
void AddOveruse(const Session& session, const v1::Checkout& checkout,
                std::vector<LedgerEvent>& events) {
  for (const v1::Checkout::Item& item : checkout.items()) {
    if (item.lost_handle() == 0) continue;
    LedgerEvent event = EventOf(LedgerEvent::Kind::kViolation, session);
    event.feature = item.feature();
    event.reason = "usage level exceeded";
    event.holding.set_handle(item.lost_handle());
    event.holding.set_feature(item.feature());
    event.holding.set_version(item.version());
    event.holding.set_count(item.count());
    event.holding.set_user(checkout.user());
    events.push_back(std::move(event));
  }
}

}  // namespace

v1::Outcome Ledger::ApplyCheckout(Session& session, const v1::Checkout& checkout, Events& events) {
  const Asker asker{.session = &session};
  auto decision = Decide(asker, checkout);
  if (const auto* no = std::get_if<v1::Outcome>(&decision)) {
    if (MayWait(*no) && EndLingersOver(events)) {
      if (state_.AnyFreed()) ServeQueues(events);  // those who came first
      decision = Decide(asker, checkout);
    }
  }
  if (auto* no = std::get_if<v1::Outcome>(&decision)) {
    const bool held_back = no->has_denied() && cluster_ms() < no_grants_until_ms();
    if (checkout.wait() && (MayWait(*no) || held_back)) {
      *no = Enqueue(session, checkout, std::move(*no), events);
    }
    if (no->has_denied()) {
      LedgerEvent event = EventOf(LedgerEvent::Kind::kDenied, session);
      event.feature = no->denied().feature();
      event.reason = no->denied().reason();
      event.code = no->denied().code();
      events.push_back(std::move(event));
      AddOveruse(session, checkout, events);
    }
    return std::move(*no);
  }
  v1::Outcome outcome;
  *outcome.mutable_granted() =
      Give(session, checkout, std::get<std::vector<Grant>>(decision), /*ticket=*/0, events);
  return outcome;
}

v1::Outcome Ledger::ApplyCheckin(Session& session, const v1::Checkin& checkin, Events& events) {
  if (!session.handles.contains(checkin.handle())) {
    return Malformed(absl::StrCat("handle ", checkin.handle(), " is not held by this session"));
  }
  Release(checkin.handle(), "", After::kLinger, events);
  return Done();
}

}  // namespace triad::license
