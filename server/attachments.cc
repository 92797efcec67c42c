#include "server/attachments.h"

#include <algorithm>

#include "server/limits.h"

namespace triad::server {

bool Attachments::Bind(ConnectionId connection, const std::string& session, uint64_t attachment) {
  Unbind(session);
  if (connection != 0) {
    auto& here = by_connection_[connection];
    if (here.size() >= kSessionsPerConnectionMax) return false;
    here.insert(session);
  }
  sessions_[session] = Attached{connection, attachment, 0, 0};
  return true;
}

void Attachments::Unbind(absl::string_view session) {
  auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  auto here = by_connection_.find(it->second.connection);
  if (here != by_connection_.end()) {
    here->second.erase(it->first);
    if (here->second.empty()) by_connection_.erase(here);
  }
  unreported_.erase(it->first);
  sessions_.erase(it);
  ForgetSilenceWhenEmpty();
}

bool Attachments::IsBound(ConnectionId connection, absl::string_view session) const {
  auto it = sessions_.find(session);
  return connection != 0 && it != sessions_.end() && it->second.connection == connection;
}

std::optional<ConnectionId> Attachments::ConnectionOf(absl::string_view session) const {
  auto it = sessions_.find(session);
  if (it == sessions_.end()) return std::nullopt;
  return it->second.connection;
}

std::vector<std::pair<std::string, uint64_t>> Attachments::Close(ConnectionId connection) {
  std::vector<std::pair<std::string, uint64_t>> lost;
  auto it = by_connection_.find(connection);
  if (it == by_connection_.end()) return lost;
  const std::set<std::string, std::less<>> sessions = std::move(it->second);
  by_connection_.erase(it);
  for (const std::string& session : sessions) {
    lost.emplace_back(session, sessions_[session].attachment);
    sessions_.erase(session);
    unreported_.erase(session);
  }
  ForgetSilenceWhenEmpty();
  return lost;
}

// With nobody attached nobody waits for an acknowledgement.
void Attachments::ForgetSilenceWhenEmpty() {
  if (sessions_.empty()) unacknowledged_since_ms_.reset();
}

bool Attachments::OnBeat(ConnectionId connection, absl::string_view session, uint64_t number,
                         int64_t now_ms) {
  auto it = sessions_.find(session);
  if (it == sessions_.end() || it->second.connection != connection) return false;
  if (number <= it->second.beat) return true;  // late or doubled
  it->second.beat = number;
  unreported_.insert(it->first);
  if (!unacknowledged_since_ms_) unacknowledged_since_ms_ = now_ms;
  return true;
}

uint64_t Attachments::Confirmed(absl::string_view session) const {
  auto it = sessions_.find(session);
  return it == sessions_.end() ? 0 : it->second.confirmed;
}

std::optional<v1::SessionReport> Attachments::TakeReport(int64_t now_ms) {
  // A report without an answer is given up after a few intervals, and its sessions are reported
  // again.
  for (auto it = reports_.begin(); it != reports_.end();) {
    if (now_ms - it->second.sent_ms < 3 * kReportIntervalMs) break;
    for (const auto& seen : it->second.report.seen()) {
      auto found = sessions_.find(seen.session());
      if (found != sessions_.end() && found->second.confirmed < found->second.beat) {
        unreported_.insert(found->first);
      }
    }
    it = reports_.erase(it);
  }
  if (unreported_.empty() || reports_.size() >= kReportsPendingMax) return std::nullopt;
  v1::SessionReport report;
  report.set_id(next_report_++);
  while (!unreported_.empty() && static_cast<size_t>(report.seen_size()) < kReportSessionsMax) {
    auto found = sessions_.find(*unreported_.begin());
    unreported_.erase(unreported_.begin());
    auto* seen = report.add_seen();
    seen->set_session(found->first);
    seen->set_attachment(found->second.attachment);
    seen->set_number(found->second.beat);
  }
  reports_[report.id()] = Report{now_ms, report};
  return report;
}

std::map<ConnectionId, v1::HeartbeatAnswer> Attachments::OnReportAnswer(
    const v1::SessionReportAnswer& answer, int64_t now_ms) {
  std::map<ConnectionId, v1::HeartbeatAnswer> answers;
  auto it = reports_.find(answer.id());
  if (it == reports_.end()) return answers;
  const v1::SessionReport report = std::move(it->second.report);
  reports_.erase(it);
  unacknowledged_since_ms_.reset();
  if (!unreported_.empty()) unacknowledged_since_ms_ = now_ms;
  const std::set<uint32_t> rejected(answer.rejected().begin(), answer.rejected().end());
  for (int i = 0; i < report.seen_size(); ++i) {
    const auto& seen = report.seen(i);
    auto found = sessions_.find(seen.session());
    if (found == sessions_.end() || found->second.attachment != seen.attachment()) continue;
    auto* ack = answers[found->second.connection].add_acks();
    ack->set_session(seen.session());
    if (rejected.contains(static_cast<uint32_t>(i))) {
      ack->set_number(found->second.confirmed);
      ack->set_unknown(true);
      continue;
    }
    found->second.confirmed = std::max(found->second.confirmed, seen.number());
    ack->set_number(found->second.confirmed);
  }
  return answers;
}

int64_t Attachments::UnacknowledgedForMs(int64_t now_ms) const {
  return unacknowledged_since_ms_ ? now_ms - *unacknowledged_since_ms_ : 0;
}

std::vector<std::pair<std::string, uint64_t>> Attachments::sessions() const {
  std::vector<std::pair<std::string, uint64_t>> all;
  all.reserve(sessions_.size());
  for (const auto& [session, attached] : sessions_) all.emplace_back(session, attached.attachment);
  return all;
}

std::vector<ConnectionId> Attachments::connections() const {
  std::vector<ConnectionId> all;
  all.reserve(by_connection_.size());
  for (const auto& [connection, sessions] : by_connection_) all.push_back(connection);
  return all;
}

}  // namespace triad::server
