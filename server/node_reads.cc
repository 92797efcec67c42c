// Reads that are as new as the moment they were asked, and heartbeats, which only a confirmed
// leader acknowledges.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/node.h"

namespace triad::server {
namespace {

using quorum::Slot;

// Serving goes on for this part of a session's time to live without the leader's confirmation, then
// clients are sent on.
int64_t MoveAwayAfterMs(uint32_t ttl_ms) {
  return ttl_ms / 2;
}

}  // namespace

void Node::Read(std::function<void(const absl::Status&)> done) {
  if (!core_) return done(absl::UnavailableError(NotReady()));
  if (reads_.size() >= kReadsMax) {
    return done(absl::ResourceExhaustedError("too many reads are waiting: try again shortly"));
  }
  WaitingRead read;
  read.done = std::move(done);
  read.asked_ms = env_.clock->NowMs();
  reads_.Add(std::move(read));
}

void Node::OnReadRequest(Slot from, uint64_t id) {
  if (reads_.size() >= kReadsMax) return;  // the caller asks again
  WaitingRead read;
  read.kind = WaitingRead::Kind::kPeer;
  read.from = from;
  read.peer_id = id;
  read.asked_ms = env_.clock->NowMs();
  const uint64_t own_id = reads_.Add(std::move(read));
  if (core_->RequestRead(own_id).ok()) return;
  reads_.Erase(own_id);
  v1::PeerMessage answer;
  answer.mutable_read_answer()->set_id(id);
  env_.peers->Send(from, std::move(answer));
}

void Node::OnReadAnswer(const v1::ReadAnswer& answer) {
  WaitingRead* read = reads_.Find(answer.id());
  if (read == nullptr || read->confirmed) return;
  if (answer.index() == 0) {
    read->asked = false;
    return;
  }
  read->confirmed = true;
  read->index = quorum::Index(answer.index());
}

void Node::OnReadState(const quorum::ReadState& state) {
  WaitingRead* read = reads_.Find(state.id);
  if (read == nullptr) return;
  if (!state.confirmed) {
    read->asked = false;
    if (read->kind != WaitingRead::Kind::kLocal) reads_.Erase(state.id);
    return;
  }
  read->confirmed = true;
  read->index = state.index;
  if (read->kind != WaitingRead::Kind::kPeer) return;
  v1::PeerMessage answer;
  answer.mutable_read_answer()->set_id(read->peer_id);
  answer.mutable_read_answer()->set_index(state.index.value());
  env_.peers->Send(read->from, std::move(answer));
  reads_.Erase(state.id);
}

void Node::FinishReads() {
  for (WaitingRead& read : reads_.TakeReady(quorum::Index(ledger_->applied().index))) {
    switch (read.kind) {
      case WaitingRead::Kind::kLocal:
        read.done(absl::OkStatus());
        break;
      case WaitingRead::Kind::kReport:
        FinishReport(read);
        break;
      case WaitingRead::Kind::kPeer:
        break;  // answered when it was confirmed
    }
  }
}

// Asks the core, or the leader, about reads that nobody has been asked about.
void Node::AskReads() {
  for (uint64_t id : reads_.Unasked()) {
    WaitingRead* read = reads_.Find(id);
    if (Leads()) {
      read->asked = core_->RequestRead(id).ok();
    } else if (IsReachable(core_->leader())) {
      v1::PeerMessage message;
      message.mutable_read()->set_id(id);
      env_.peers->Send(core_->leader(), std::move(message));
      read->asked = true;
    }
  }
}

// The lead is confirmed before a heartbeat is: a leader that was cut off, or stood still, confirms
// nothing.
void Node::OnSessionReport(Slot from, const v1::SessionReport& report) {
  if (!Leads()) return;
  if (report.low_space()) low_space_ms_[from] = env_.clock->NowMs();
  if (report.wall_ms() != 0 && from != config_.self) {
    clocks_[from] = {report.wall_ms() - env_.clock->WallMs(), report.utc_offset_s(),
                     env_.clock->NowMs()};
  }
  if (report.seen_size() == 0 || reads_.size() >= kReadsAndReportsMax) return;
  WaitingRead read;
  read.kind = WaitingRead::Kind::kReport;
  read.from = from;
  read.report = report;
  read.asked_ms = env_.clock->NowMs();
  const uint64_t id = reads_.Add(std::move(read));
  if (!core_->RequestRead(id).ok()) reads_.Erase(id);
}

void Node::FinishReport(const WaitingRead& read) {
  if (!expiry_.leading()) return;
  v1::PeerMessage message;
  auto* answer = message.mutable_report_answer();
  answer->set_id(read.report.id());
  answer->set_term(core_->term().value());
  for (int i = 0; i < read.report.seen_size(); ++i) {
    const auto& seen = read.report.seen(i);
    if (expiry_.Accepts(*ledger_, seen.session(), seen.attachment())) {
      expiry_.OnSeen(seen.session(), ledger_->FindSession(seen.session())->ttl_ms, read.asked_ms);
    } else {
      answer->add_rejected(static_cast<uint32_t>(i));
    }
  }
  if (read.from == config_.self) {
    desk_.OnReportAnswer(message.report_answer());
  } else {
    env_.peers->Send(read.from, std::move(message));
  }
}

void Node::ReportHeartbeats(int64_t now_ms) {
  if (now_ms - report_ms_ < kReportIntervalMs) return;
  report_ms_ = now_ms;
  const int64_t unacknowledged_ms = attachments_.UnacknowledgedForMs(now_ms);
  if (unacknowledged_ms < MoveAwayAfterMs(config_.desk.session_ttl_ms)) {
    moved_clients_away_ = false;
  } else if (!moved_clients_away_) {
    moved_clients_away_ = true;
    Log(LogLevel::kWarning, absl::StrCat("no leader has acknowledged heartbeats for ",
                                         unacknowledged_ms, " ms: sending clients to other nodes"));
    desk_.MoveAway("this node cannot reach the leader");
  }
  const Slot leader = core_->leader();
  if (!Leads() && !IsReachable(leader)) return;
  auto report = attachments_.TakeReport(now_ms);
  if (Leads()) {
    if (report) OnSessionReport(config_.self, *report);
    return;
  }
  const bool tells_clock = now_ms - clock_report_ms_ >= kClockReportMs;
  if (!report && !low_space_ && !tells_clock) return;
  v1::PeerMessage message;
  if (report) *message.mutable_report() = *std::move(report);
  if (tells_clock) {
    clock_report_ms_ = now_ms;
    message.mutable_report()->set_wall_ms(env_.clock->WallMs());
    message.mutable_report()->set_utc_offset_s(env_.clock->UtcOffsetSeconds());
  }
  message.mutable_report()->set_low_space(low_space_);
  env_.peers->Send(leader, std::move(message));
}

}  // namespace triad::server
