// What the deciding classes of the library are handed: transport, clock, randomness, and whom to
// tell. The library gives them gRPC and CLOCK_BOOTTIME, the simulator a world in one thread.
//
// All calls come from the one thread that runs the Session; none may block or call back into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "triad/client.h"
#include "triad/v1/license.pb.h"

namespace triad::client {

// A checkout within the library; handles come and go with losses, this stays.
using LicenseId = uint64_t;

// Streams to the servers of one cluster, numbered from 0 in the order of the SERVER lines. Results
// come later: Session::OnConnected, OnDisconnected, OnMessage.
class Transport {
 public:
  virtual ~Transport() = default;
  // OnConnected, or OnDisconnected if it fails, follows.
  virtual void Connect(size_t server) = 0;
  // In order, on a connected stream. May be lost when the stream breaks; OnDisconnected follows.
  virtual void Send(size_t server, v1::ClientMessage message) = 0;
  // Ends a stream, or the attempt. No OnDisconnected follows.
  virtual void Disconnect(size_t server) = 0;
  // The same, and whatever the stream ran on is not used again: the next Connect begins anew.
  virtual void Abandon(size_t server) { Disconnect(server); }
};

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds of a clock that never steps and goes on during suspend (CLOCK_BOOTTIME).
  virtual int64_t NowMs() = 0;
  // Milliseconds since 1970 UTC, as this machine believes; only said to the servers. 0: not known.
  virtual int64_t WallMs() { return 0; }
};

class Random {
 public:
  virtual ~Random() = default;
  virtual uint32_t Below(uint32_t bound) = 0;  // bound > 0
  // Unpredictable bytes, for session ids.
  virtual std::string Bytes(size_t size) = 0;
};

// A license as the library knows it.
struct LicenseView {
  std::string feature;
  std::string version;  // as asked for
  uint64_t count = 0;
  uint64_t handle = 0;
  uint32_t node = 0;
  LicenseState state = LicenseState::kHeld;
  bool usable = true;
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnEvent(const Event& event) = 0;
  // A new license, or something about one has changed. After kReturned no more is heard of it.
  virtual void OnLicense(LicenseId id, const LicenseView& view) = 0;
  // For diagnostics: level 1 failures, 2 connections and sessions, 3 requests.
  virtual void OnNote(int level, const std::string& line) = 0;
};

// What a transport drives; Session is one. All calls from one thread, none from within Transport's.
class Driven {
 public:
  virtual ~Driven() = default;
  virtual void OnConnected(size_t server) = 0;
  virtual void OnDisconnected(size_t server, absl::string_view reason) = 0;
  virtual void OnMessage(size_t server, const v1::ServerMessage& message) = 0;
  virtual void OnTimer() = 0;
  // When OnTimer wants to be called; INT64_MAX: not before something else happens.
  virtual int64_t NextTimer() const = 0;
};

struct Environment {
  Transport* transport = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Observer* observer = nullptr;
};

// Between half and all of `ms`, so that many clients do not come at once.
inline int64_t Jittered(Random& random, int64_t ms) {
  return ms - static_cast<int64_t>(random.Below(static_cast<uint32_t>(ms / 2 + 1)));
}

}  // namespace triad::client
