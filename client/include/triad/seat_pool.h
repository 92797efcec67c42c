// SeatPool: licenses checked out in bulk and handed to named agents inside the application.
//
//   triad::SeatPoolOptions options;
//   options.on_event = [](const triad::LicensingEvent& event) { Log(event.ToString()); };
//   auto pool = triad::SeatPool::Open(&*client, {"tserver_sdn", "", 0, triad::CountMode::kAll},
//                                     options);
//   pool->Allocate("alice");    // the agent works, with a license or in violation
//   pool->Release("alice");
//
// A pool never says no: an agent beyond the count works too, is in violation (00-07100) and is
// restored (00-07101) when it has a license again or leaves. Licenses belong to the agents that
// came first; one that becomes free goes to the agent that waits longest. Every violation is
// restored exactly once, when its own cause ends, or never if the pool goes first.
//
// What it is not: a queue or a limit of agents; an application that must turn agents away looks at
// Seat::licensed. The cluster sees one checkout, not the agents.
//
// Thread-safety: may be used from any thread. on_event is called by a thread that is inside one of
// the functions below (not always the one that caused the event), one event at a time and in order,
// with nothing locked: it may call the pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "triad/client.h"

namespace triad {

// Why a licensing violation came to be; an event's reason is one of these.
inline constexpr char kReasonExpired[] = "expired";
inline constexpr char kReasonDecreasedInFile[] = "decreased in license file";
inline constexpr char kReasonDecreasedInConfiguration[] = "decreased in configuration";
inline constexpr char kReasonUsageLevelExceeded[] = "usage level exceeded";
inline constexpr char kReasonUnlicensedMode[] = "unlicensed mode";
inline constexpr char kReasonDeniedAtStart[] = "denied at start";
inline constexpr char kReasonLost[] = "lost";

// What the guide calls log events 00-07100 and 00-07101.
struct LicensingEvent {
  bool restored = false;  // false: Licensing Violation, true: Licensing Restored
  std::string feature;
  std::string reason;  // one of the above; of a restoration, the one that has ended
  std::string agent;   // "": the feature as a whole

  const char* number() const;  // "00-07100" or "00-07101"
  // One line: "00-07100 Licensing Violation: tserver_sdn: usage level exceeded: agent alice".
  std::string ToString() const;
};
bool operator==(const LicensingEvent& a, const LicensingEvent& b);

// What an agent got.
struct Seat {
  bool licensed = false;  // false: beyond the count, in violation
  bool shared = false;    // the agent had a seat; it is the same one
};

struct SeatCounts {
  uint64_t licenses = 0;  // that agents may have
  uint64_t agents = 0;
  uint64_t licensed = 0;  // agents with a license
  uint64_t beyond = 0;    // agents in violation
};

struct SeatPoolOptions {
  // The application's clock, in milliseconds since any moment; never called with anything locked
  // that the application has. Empty: the machine's monotonic clock.
  std::function<int64_t()> now_ms = {};
  std::function<void(const LicensingEvent&)> on_event = {};
};

class SeatPool {
 public:
  // Checks the licenses out; `client` must live longer than the pool. A count of 0 (kExact, kUpTo)
  // checks nothing out. On a denial there is no pool: the application decides what that means.
  static Result<SeatPool> Open(Client* client, const CheckoutRequest& request,
                               const SeatPoolOptions& options);
  SeatPool(SeatPool&&) noexcept;
  SeatPool& operator=(SeatPool&&) noexcept;
  SeatPool(const SeatPool&) = delete;
  SeatPool& operator=(const SeatPool&) = delete;
  ~SeatPool();  // gives the licenses back; no events

  // A seat until it is released. Twice for the same agent: one seat, released twice.
  Seat Allocate(const std::string& agent);
  // A seat for `duration_ms` by the application's clock; again: until the later of both ends.
  Seat AllocateFor(const std::string& agent, int64_t duration_ms);
  // Gives one Allocate back (ReleaseAll: everything that the agent has, also time). False: the
  // agent has none.
  bool Release(const std::string& agent);
  bool ReleaseAll(const std::string& agent);
  // Frees the seats whose time is over. Every other function does so first.
  void Advance();

  // The configuration wants another count: more or fewer licenses are checked out, at most `count`
  // are handed to agents from now on. With kAll all that are free. Agents beyond a smaller count
  // are in violation ("decreased in configuration"). An error says what the cluster answered; then
  // the licenses held are what they were, and a smaller count holds all the same.
  Status Resize(uint64_t count, CountMode mode = CountMode::kUpTo);

  // To be handed every event of the client; those of other licenses are left alone.
  void Hear(const Event& event);

  // A cause that the application knows of itself, as "unlicensed mode". Twice: once.
  void BeginViolation(const std::string& reason, const std::string& agent);
  void EndViolation(const std::string& reason, const std::string& agent);

  SeatCounts counts() const;
  // Agents in violation, those that wait longest first.
  std::vector<std::string> Beyond() const;
  bool Licensed(const std::string& agent) const;

 private:
  class State;
  explicit SeatPool(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace triad
