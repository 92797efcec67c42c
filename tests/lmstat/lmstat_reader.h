// A reader of lmstat's text as monitors have them: written from FlexNet's layout (flexnet-facts
// 3.3) alone, it knows nothing of how ours is made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace triad::lmstat {

struct ReadServer {
  std::string host;
  bool up = false;
  bool master = false;
};

// A line of a user. USER, HOST, DISPLAY and CHECKOUT_DATA may hold blanks, so they stay together.
struct ReadUse {
  std::string who;
  std::string version;
  std::string server;  // host/port
  uint64_t handle = 0;
  std::string start;  // "Fri 11/20 17:02"; "": it waits
  uint64_t count = 1;
  bool lingers = false;
  uint64_t lingered_s = 0;
  uint64_t linger_s = 0;
};

struct ReadReservation {
  uint64_t count = 0;
  std::string type;
  std::string name;
  std::string server;
};

struct ReadPool {
  std::string version;
  std::string expiry;
  std::string kind;  // "floating license", ...
  std::string vendor_string;
  std::vector<ReadUse> uses;
  std::vector<ReadUse> waiting;
  std::vector<ReadReservation> reservations;
};

struct ReadFeature {
  std::string name;
  std::string vendor;  // whose block it stands in
  bool uncounted = false;
  bool unsupported = false;
  uint64_t issued = 0;
  uint64_t in_use = 0;
  std::vector<ReadPool> pools;
};

struct ReadStatus {
  std::vector<std::string> addresses;
  std::vector<ReadServer> servers;
  std::vector<ReadFeature> features;
  std::vector<std::string> vendors_up;
  std::vector<std::string> not_understood;  // lines
};

ReadStatus ReadLmstat(const std::string& text);

}  // namespace triad::lmstat
