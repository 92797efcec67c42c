// One node of the cluster: its machine (clocks, disk), its process (server::Node and the loop that
// runs it) and its wires, the way server/daemon.cc puts them together.
//
// A process may be killed, lose power, stand still, be stopped on purpose; its machine lives on and
// boots it again when told.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/data_directory.h"
#include "server/node.h"
#include "tests/simulation/clocks.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/network.h"

namespace triad::simulation {

class Cluster;

class Host final : public server::Clock,
                   public server::Random,
                   public server::PeerTransport,
                   public server::ClientTransport,
                   public server::LogWriter,
                   public server::LedgerWriter,
                   public server::IdentityWriter,
                   public server::DiskSpace,
                   public server::SnapshotTransport,
                   public server::Logger {
 public:
  Host(Cluster* cluster, int slot);

  // triadd init, once.
  void Init();
  // Starts the process; it may refuse, and then says why.
  void Boot();
  // Ends it: killed, or with the power.
  void Kill(bool power_lost);
  void Pause();
  void Resume();
  // Hands over and ends by itself; Boot again later.
  void Stop();

  int slot() const { return slot_; }
  bool running() const { return node_ != nullptr; }
  bool paused() const { return paused_; }
  bool stopping() const { return stop_since_us_.has_value(); }
  const std::string& refusal() const { return refusal_; }
  server::Node* node() { return node_.get(); }
  Disk& disk() { return disk_; }
  MachineClock& clock() { return clock_; }
  uint64_t epoch() const { return epoch_; }
  // It cannot start any more, and should not.
  bool out() const { return !refusal_.empty(); }
  // Under an incarnation that the others have replaced: they tell the operator to run `rejoin`.
  bool put_out() const { return put_out_; }
  // Its log was damaged since it was last found whole.
  bool damaged() const { return damaged_; }
  // Nothing that it has promised is lost: two such logs together hold what is committed.
  bool HasLog() const { return !damaged() && !out(); }
  // It must fetch its ledger from another node, and cannot lead before it has.
  bool lacks_ledger() const;
  // Lost by damage, and not looked at by a start since.
  bool ledger_lost() const { return ledger_lost_; }
  void set_ledger_lost(bool lost) { ledger_lost_ = lost; }
  bool ever_damaged() const { return ever_damaged_; }
  void set_damaged() { damaged_ = ever_damaged_ = true; }
  // Its log is damaged, and nobody can see that before its machine has lost its power.
  void set_latent_damage() {
    set_damaged();
    latent_damage_ = true;
  }
  void set_turn_extra_us(int64_t us) { turn_extra_us_ = us; }

  // An event for the process's loop.
  void Post(Event event);

  // A peer's stream arrives here; the number is the link's. A client's likewise.
  server::LinkId Accept(std::shared_ptr<Stream> stream);
  void OnLinkClosed(server::LinkId link);
  server::ConnectionId AcceptClient(std::shared_ptr<Stream> stream,
                                    std::function<void(v1::ServerMessage)> to_client);
  void OnClientClosed(server::ConnectionId connection);
  // This node closes the connections from that machine.
  void CutClients(int machine);

  // --- server::Environment
  int64_t NowMs() override { return clock_.NowMs(); }
  int64_t WallMs() override { return clock_.WallMs(); }
  int32_t UtcOffsetSeconds() override { return 0; }
  uint32_t Below(uint32_t bound) override;
  std::string Bytes(size_t size) override;
  void Send(quorum::Slot to, v1::PeerMessage message) override;
  void Answer(server::LinkId link, v1::PeerMessage message) override;
  void CloseLink(server::LinkId link) override;
  void Send(server::ConnectionId connection, v1::ServerMessage message) override;
  void Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
             std::optional<quorum::LogStart> start, std::vector<quorum::Entry> entries) override;
  void Write(std::vector<license::RowChange> changes, license::LogPosition applied) override;
  void Sync() override;
  void ReadSnapshot(uint64_t view, std::string after, size_t bytes_max) override;
  void CloseSnapshot(uint64_t view) override;
  void StageRows(bool first, std::vector<license::RowChange> rows,
                 std::optional<license::LogPosition> complete) override;
  void AdoptStaged() override;
  void Fetch(quorum::Slot from, v1::SnapshotRequest request) override;
  int64_t FreeBytes() override;
  void Store(const storage::Identity& identity) override;
  void Begin(const storage::Identity& identity) override;
  void Log(server::LogLevel level, absl::string_view line) override;

  // The disk is replaced by an empty one, and triadd rejoin run on it; or triadd init, by mistake.
  void Wipe(bool rejoin);
  // triadd rejoin, by an operator who has read why it does not start.
  void Rejoin();
  // triadd recover --accept-loss, again until it is through; then it is started.
  void GoOnAlone();
  // Which incarnation of the slot this is, counted, and its bytes.
  int incarnation() const { return incarnation_; }
  const std::string& incarnation_id() const { return incarnation_id_; }
  void set_whole() { damaged_ = came_back_ = false; }
  // The newest command that its program knows.
  uint32_t version() const { return version_; }
  void set_version(uint32_t version) { version_ = version; }
  bool has_clients() const { return !connections_.empty(); }

 private:
  // The stream that this node dials to a peer.
  struct Dialled {
    std::shared_ptr<Stream> stream;
    server::LinkId link = 0;  // at the other end
    bool up = false;
    int failures = 0;
  };
  struct Connection {
    std::shared_ptr<Stream> stream;
    std::function<void(v1::ServerMessage)> to_client;
  };

  server::DataPlace Place();
  absl::StatusOr<server::OpenedData> Open();
  void MakeNode(server::OpenedData opened);
  void Dial(int peer);
  void DialLater(int peer);
  void Transmit(Stream& stream, v1::PeerMessage message, int peer, server::LinkId link);
  void Tick(uint64_t epoch);
  void ScheduleTurn();
  void Turn();
  void EndProcess(bool power_lost);
  // Now and then the power fails in the middle of what follows.
  void MayStopDisk();
  void Die(const absl::Status& status);
  int64_t TurnLatency();

  Cluster* const cluster_;
  World* const world_;
  const int slot_;
  MachineClock clock_;
  Disk disk_;

  std::unique_ptr<server::Node> node_;
  std::string refusal_;
  bool damaged_ = false;
  bool ever_damaged_ = false;
  bool latent_damage_ = false;
  bool ledger_missing_ = false;  // at the start
  bool ledger_lost_ = false;
  bool goes_on_alone_ = false;  // it has become a new cluster, and has not started since
  bool came_back_ = false;      // under a new incarnation, and has no vote yet
  int incarnation_ = 0;
  std::string incarnation_id_;
  // What there was when it was let in anew, while that may not have been done.
  struct Before {
    std::string incarnation;
    std::vector<LogMirror> possible;
  };
  std::optional<Before> before_;
  bool put_out_ = false;
  uint32_t version_ = 1;
  uint64_t epoch_ = 0;  // of the process
  bool paused_ = false;
  std::optional<int64_t> stop_since_us_;
  std::deque<Event> inbox_;
  bool turn_scheduled_ = false;
  int64_t turn_extra_us_ = 0;
  bool die_ = false;  // at the end of this turn: the disk failed

  std::map<int, Dialled> dialled_;
  std::map<server::LinkId, std::shared_ptr<Stream>> links_;
  std::map<server::ConnectionId, Connection> connections_;
};

}  // namespace triad::simulation
