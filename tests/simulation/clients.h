// The applications: on several machines, each with a client::Session, checking out, holding, giving
// back, dying in every way that an application may.
//
// What an application was told is what rules 7 and 10 are about: every request gets exactly one
// reply, and no license counts as confirmed after the cluster has freed it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/session.h"
#include "tests/simulation/clocks.h"
#include "tests/simulation/network.h"

namespace triad::simulation {

class Cluster;

// A machine that applications run on.
struct Machine {
  Machine(const World* world, int number, int64_t start_us)
      : number(number), clock(world, start_us) {}
  int endpoint() const { return kMachineBase + number; }

  const int number;
  MachineClock clock;
  bool paused = false;
};

class App final : public client::Transport,
                  public client::Clock,
                  public client::Random,
                  public client::Observer {
 public:
  App(Cluster* cluster, Machine* machine, int number);
  ~App() override;

  // A new process: a new session.
  void Start();
  // Dies: its connections are reset, or nothing is heard of it any more.
  void Die(bool silently);
  void OnMachineResumed();
  // No new work; what is asked is waited for. Of those who wait in queues some give up.
  void SetQuiet();

  int number() const { return number_; }
  Machine& machine() { return *machine_; }
  bool running() const { return session_ != nullptr; }
  // Whether this process, by its own clock, counts the license as confirmed.
  bool CountsAsConfirmed(uint64_t handle);
  // Of its processes, one after another: which one it is.
  uint64_t process() const { return process_; }
  // The session that it asks in; "" before it has asked for anything.
  const std::string& session() const { return session_id_; }
  // It was told of some request that it may have been done.
  bool was_uncertain() const { return was_uncertain_; }
  bool closing() const { return closing_; }
  const std::map<client::LicenseId, client::LicenseView>& licenses() const { return licenses_; }
  // What it still waits for, or does not know; "" when it knows where it stands.
  std::string Restless() const;

  // --- client::Environment
  void Connect(size_t server) override;
  void Send(size_t server, v1::ClientMessage message) override;
  void Disconnect(size_t server) override;
  int64_t NowMs() override { return machine_->clock.NowMs(); }
  uint32_t Below(uint32_t bound) override;
  std::string Bytes(size_t size) override;
  void OnEvent(const triad::Event& event) override;
  void OnLicense(client::LicenseId id, const client::LicenseView& view) override;
  void OnNote(int level, const std::string& line) override;

 private:
  struct Connection {
    std::shared_ptr<Stream> stream;
    uint64_t attempt = 0;
    uint64_t id = 0;  // at the server
  };
  enum class Ask { kCheckout, kWait, kCheckin, kResize };
  struct Asked {
    Ask kind = Ask::kCheckout;
    client::LicenseId license = 0;  // kCheckin, kResize
  };

  // Runs `event` in the process, unless it is another by then; later if the machine stands still.
  void Post(Event event);
  void Schedule();
  void Act();
  void ActLater();
  void Checkout();
  void Checkin();
  void Resize();
  void CancelWaits();
  void Close();
  // One of what it holds; there is one.
  client::LicenseId PickLicense();
  bool Resizes(client::LicenseId license) const;
  void OnAnswer(uint64_t number, const Status& status,
                const std::vector<client::LicenseId>& licenses);
  void EndProcess(bool silently);

  Cluster* const cluster_;
  World* const world_;
  Machine* const machine_;
  const int number_;
  uint64_t epoch_ = 0;
  uint64_t process_ = 0;  // unlike any other's
  std::unique_ptr<client::Session> session_;
  std::deque<Event> inbox_;
  std::map<size_t, Connection> connections_;
  uint64_t next_attempt_ = 1;
  int64_t timer_us_ = INT64_MAX;  // the earliest wake-up that is scheduled
  std::map<client::LicenseId, client::LicenseView> licenses_;
  std::map<uint64_t, Asked> waiting_;
  uint64_t next_request_ = 1;
  bool quiet_ = false;
  bool closing_ = false;
  std::string session_id_;
  bool was_uncertain_ = false;
};

}  // namespace triad::simulation
