#include "quorum/core.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorum/check.h"
#include "quorum/core_impl.h"

namespace triad::quorum {
namespace {

void CheckConfig(const Config& config) {
  TRIAD_CHECK(config.slots.size() == 1 || config.slots.size() == 3,
              absl::StrCat("a cluster has one or three slots, not ", config.slots.size()));
  for (size_t i = 0; i < config.slots.size(); ++i) {
    TRIAD_CHECK(config.slots[i] != Slot::kNone && ToInt(config.slots[i]) <= kSlotsMax,
                "a slot is not one of the three SERVER lines");
    for (size_t j = 0; j < i; ++j) {
      TRIAD_CHECK(config.slots[i] != config.slots[j], "a slot is listed twice");
    }
  }
  TRIAD_CHECK(
      std::find(config.slots.begin(), config.slots.end(), config.self) != config.slots.end(),
      "this node is not among the slots");
  TRIAD_CHECK(config.random != nullptr, "the core was given no source of chance");
  TRIAD_CHECK(config.heartbeat_ticks > 0, "heartbeat_ticks must be above 0");
  TRIAD_CHECK(config.election_min_ticks > config.heartbeat_ticks,
              "a leader must be heard within the election timeout");
}

}  // namespace

Progress* LeaderState::Find(Slot slot) {
  for (Progress& progress : followers) {
    if (progress.slot() == slot) return &progress;
  }
  return nullptr;
}

const Progress* LeaderState::Find(Slot slot) const {
  return const_cast<LeaderState*>(this)->Find(slot);
}

Core::Impl::Impl(Config config_in, Recovered recovered)
    : config(std::move(config_in)),
      hard_state(recovered.hard_state),
      hard_state_handed(recovered.hard_state),
      hard_state_durable(recovered.hard_state),
      log(recovered.snapshot_index, recovered.snapshot_term, std::move(recovered.entries),
          recovered.ledger_missing ? recovered.snapshot_index : recovered.applied),
      members_log(log.applied_index(), std::move(recovered.members)),
      ledger_missing(recovered.ledger_missing),
      empty_payload(std::make_shared<const std::string>()) {
  CheckConfig(config);
  TRIAD_CHECK(hard_state.term >= log.last_term(),
              absl::StrCat("the log has entries of term ", log.last_term().value(),
                           ", but the stored term is ", hard_state.term.value(),
                           ": term and vote were lost"));
  for (Index index = log.applied_index() + 1; index <= log.last_index(); ++index) {
    NoteMembers(log.At(index));
  }
  for (Slot slot : config.slots) {
    if (slot != config.self) peers.push_back(slot);
  }
  std::sort(peers.begin(), peers.end());
  DrawElectionTimeout();
  if (IsSoleVoter()) Campaign();  // nobody to wait for
}

bool Core::Impl::IsPeer(Slot slot) const {
  return std::find(peers.begin(), peers.end(), slot) != peers.end();
}

Slot Core::Impl::KnownLeader() const {
  if (std::holds_alternative<LeaderState>(state)) return config.self;
  if (const auto* follower = std::get_if<FollowerState>(&state)) return follower->leader;
  return Slot::kNone;
}

uint32_t Core::Impl::Random(uint32_t bound) {
  const uint32_t drawn = config.random(bound);
  TRIAD_CHECK(drawn < bound, "Config::random drew a number outside its bound");
  return drawn;
}

void Core::Impl::SendNow(Slot to, Term message_term, decltype(Message::body) body) {
  send_now.push_back({config.self, to, message_term, std::move(body)});
}

void Core::Impl::SendAfterWrite(Slot to, Term message_term, decltype(Message::body) body) {
  send_after_write.push_back({config.self, to, message_term, std::move(body)});
}

bool Core::Impl::MeetTerms(const Message& message) {
  const auto* vote = std::get_if<VoteRequest>(&message.body);
  const auto* vote_response = std::get_if<VoteResponse>(&message.body);
  if (vote != nullptr) {
    // Who hears a leader, or is one, lets nobody else stand (thesis 6.4, 9.6), whatever the term:
    // answered with a refusal, and the term not taken over. The leader's own wish is an exception.
    const bool disturbs = vote->pre_vote || message.term > hard_state.term;
    if ((disturbs && !vote->leadership_transfer && IsInContactWithLeader()) ||
        message.term < hard_state.term) {
      // Silence towards a lower term would leave it there for good (etcd 8501).
      SendAfterWrite(message.from, hard_state.term, VoteResponse{vote->pre_vote, false});
      return false;
    }
    if (vote->pre_vote) return true;  // a pre-vote changes no term
  }
  if (message.term > hard_state.term) {
    // The term of a granted pre-vote is the one that we asked about, and nobody's yet.
    if (vote_response != nullptr && vote_response->pre_vote && vote_response->granted) return true;
    const bool from_leader = std::holds_alternative<AppendRequest>(message.body) ||
                             std::holds_alternative<TimeoutNow>(message.body);
    BecomeFollower(message.term, from_leader ? message.from : Slot::kNone);
    return true;
  }
  if (message.term < hard_state.term) {
    if (std::holds_alternative<AppendRequest>(message.body)) {
      SendAfterWrite(message.from, hard_state.term, AppendResponse{});
    }
    return false;
  }
  return true;
}

void Core::Impl::Step(Message message) {
  if (message.to != config.self || !IsPeer(message.from) || !IsWellFormed(message)) return;
  // Who is no member has nothing to answer; but a node that is behind may not know yet that who
  // asks is one.
  const bool is_answer = std::holds_alternative<VoteResponse>(message.body) ||
                         std::holds_alternative<AppendResponse>(message.body);
  if (is_answer && members().Find(message.from) == nullptr) return;
  heard_at[static_cast<size_t>(ToInt(message.from))] = now_ticks;
  if (!MeetTerms(message)) return;
  std::visit(
      [&](auto& body) {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, VoteRequest>) {
          HandleVoteRequest(message, body);
        } else if constexpr (std::is_same_v<Body, VoteResponse>) {
          HandleVoteResponse(message, body);
        } else if constexpr (std::is_same_v<Body, AppendRequest>) {
          HandleAppendRequest(message, body);
        } else if constexpr (std::is_same_v<Body, AppendResponse>) {
          HandleAppendResponse(message, body);
        } else {
          HandleTimeoutNow(message);
        }
      },
      message.body);
}

void Core::Impl::Tick() {
  ++now_ticks;
  if (auto* leader = std::get_if<LeaderState>(&state)) {
    TickLeader(*leader);
  } else if (++election_elapsed >= election_timeout) {
    Campaign();
  }
}

bool Core::Impl::HasReady() const {
  if (!send_now.empty() || !send_after_write.empty() || !reads_done.empty() || log.HasUnsaved() ||
      new_start.has_value() || (log.HasApplicable() && !ledger_missing) ||
      hard_state != hard_state_handed) {
    return true;
  }
  const auto* leader = std::get_if<LeaderState>(&state);
  if (leader == nullptr) return false;
  return MayBeginReadRound(*leader) ||
         std::any_of(leader->followers.begin(), leader->followers.end(),
                     [this](const Progress& progress) { return OwesMessage(progress); });
}

Ready Core::Impl::TakeReady() {
  if (auto* leader = std::get_if<LeaderState>(&state)) {
    TRIAD_CHECK(hard_state_durable == hard_state,
                "a leader speaks in a term that its own disk may forget");
    if (MayBeginReadRound(*leader)) BeginRound(*leader);
    ConfirmReads(*leader);
    for (Progress& progress : leader->followers) SendAppends(progress);
  }
  log.CheckOrder();
  Ready ready;
  ready.send_now = std::exchange(send_now, {});
  const bool has_entries = log.HasUnsaved();
  if (has_entries || new_start.has_value() || hard_state != hard_state_handed)
    ready.write_id = ++write_id;
  if (hard_state != hard_state_handed) {
    ready.hard_state = hard_state;
    hard_state_handed = hard_state;
    hard_state_writes.push_back({write_id, hard_state});
  }
  ready.start = std::exchange(new_start, std::nullopt);
  if (has_entries) ready.entries = log.TakeUnsaved(write_id);
  ready.send_after_write = std::exchange(send_after_write, {});
  if (!ledger_missing) ready.committed = log.TakeApplicable();
  ready.reads = std::exchange(reads_done, {});
  return ready;
}

void Core::Impl::Advance(uint64_t done_id) {
  TRIAD_CHECK(done_id <= write_id, "a write was reported done that was never given out");
  while (!hard_state_writes.empty() && hard_state_writes.front().write_id <= done_id) {
    hard_state_durable = hard_state_writes.front().hard_state;
    hard_state_writes.pop_front();
  }
  log.WriteDone(done_id);
  if (std::holds_alternative<CandidateState>(state)) CountOwnVote();
  if (auto* leader = std::get_if<LeaderState>(&state)) MaybeCommit(*leader);
}

Core::Core(Config config, Recovered recovered)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(recovered))) {
}
Core::~Core() = default;
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;

void Core::Step(Message message) {
  impl_->Step(std::move(message));
}
void Core::Tick() {
  impl_->Tick();
}
absl::StatusOr<Core::Position> Core::Propose(
    absl::Span<const std::shared_ptr<const std::string>> payloads) {
  return impl_->Propose(payloads);
}
absl::Status Core::RequestRead(uint64_t id) {
  return impl_->RequestRead(id);
}
void Core::LinkDown(Slot peer) {
  impl_->LinkDown(peer);
}
absl::Status Core::TransferLeadership(Slot to) {
  return impl_->TransferLeadership(to);
}
void Core::StoodStill() {
  impl_->StoodStill();
}
void Core::SetDiskStuck(bool stuck) {
  impl_->SetDiskStuck(stuck);
}
absl::StatusOr<Core::Position> Core::ProposeMembers(std::shared_ptr<const std::string> payload) {
  return impl_->ProposeMembers(std::move(payload));
}
void Core::Compact(Index upto) {
  impl_->Compact(upto);
}
void Core::InstallSnapshot(Index index, Term term, Members members) {
  impl_->InstallSnapshot(index, term, std::move(members));
}
void Core::LearnCommitted(Index index, Term term) {
  impl_->LearnCommitted(index, term);
}
void Core::CheckInvariants() const {
  impl_->CheckInvariants();
}
bool Core::HasReady() const {
  return impl_->HasReady();
}
Ready Core::TakeReady() {
  return impl_->TakeReady();
}
void Core::Advance(uint64_t write_id) {
  impl_->Advance(write_id);
}

Slot Core::self() const {
  return impl_->config.self;
}
Role Core::role() const {
  return static_cast<Role>(impl_->state.index());
}
static_assert(static_cast<int>(Role::kFollower) == 0 &&
                  static_cast<int>(Role::kPreCandidate) == 1 &&
                  static_cast<int>(Role::kCandidate) == 2 && static_cast<int>(Role::kLeader) == 3,
              "the order of Impl::state");
Term Core::term() const {
  return impl_->hard_state.term;
}
Slot Core::leader() const {
  return impl_->KnownLeader();
}
Index Core::commit_index() const {
  return impl_->log.commit_index();
}
Index Core::last_index() const {
  return impl_->log.last_index();
}
Index Core::applied_index() const {
  return impl_->log.applied_index();
}
Index Core::snapshot_index() const {
  return impl_->log.snapshot_index();
}
Term Core::snapshot_term() const {
  return impl_->log.snapshot_term();
}
const Members& Core::members() const {
  return impl_->members();
}
Index Core::members_index() const {
  return impl_->members_log.index();
}
bool Core::members_committed() const {
  return impl_->members_log.index() <= impl_->log.commit_index();
}
bool Core::CaughtUp(Slot peer) const {
  return impl_->CaughtUp(peer);
}
Slot Core::snapshot_source() const {
  return impl_->SnapshotSource();
}
bool Core::ledger_missing() const {
  return impl_->ledger_missing;
}
Index Core::durable_index() const {
  return impl_->log.durable_index();
}
bool Core::leads_confirmed() const {
  const auto* leader = std::get_if<LeaderState>(&impl_->state);
  return leader != nullptr && impl_->LeadsConfirmed(*leader);
}
bool Core::transferring() const {
  const auto* leader = std::get_if<LeaderState>(&impl_->state);
  return leader != nullptr && leader->transfer.has_value();
}
uint64_t Core::ticks_since_heard(Slot peer) const {
  if (!impl_->IsPeer(peer)) return 0;
  return impl_->now_ticks - impl_->heard_at[static_cast<size_t>(ToInt(peer))];
}
Index Core::match_index(Slot peer) const {
  const auto* leader = std::get_if<LeaderState>(&impl_->state);
  if (leader == nullptr) return Index();
  if (peer == impl_->config.self) return impl_->log.durable_index();
  const Progress* progress = leader->Find(peer);
  return progress == nullptr ? Index() : progress->match();
}

}  // namespace triad::quorum
