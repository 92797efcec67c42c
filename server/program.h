// What this program knows, and how long an upgrade to it can be taken back: all that makes it
// another program than the release before in the eyes of its peers, clients and data.
//
// In one place, which the tests replace at link time: tests/integration/next_program.cc makes the
// program that comes after this one, so that upgrades are tested with two real programs. The
// daemon asks here; the deciding classes are handed it in their Config.
#pragma once

#include <cstdint>

namespace triad::server {

struct Program {
  uint32_t commands = 0;         // the newest command, see license/ledger.h
  uint32_t peer_protocol = 0;    // between nodes
  uint32_t client_protocol = 0;  // with applications, see license/protocol.h
  int64_t finalise_after_ms = 0;
};

Program ThisProgram();

}  // namespace triad::server
