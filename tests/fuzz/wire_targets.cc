#include <string>
#include <utility>
#include <vector>

#include "license/check.h"
#include "license/ledger.h"
#include "license/ledger_testing.h"
#include "server/peer_codec.h"
#include "server/test_world.h"
#include "tests/fuzz/targets.h"
#include "triad/v1/command.pb.h"
#include "triad/v1/license.pb.h"
#include "triad/v1/peer.pb.h"

namespace triad::fuzz {
namespace {

// Messages of one input: more of them find no more, and take longer.
constexpr int kMessagesMax = 64;

const v1::InstallLicenses& Licenses() {
  static const auto* const kLicenses = new v1::InstallLicenses(
      license::testing::SetOf("FEATURE f acme 1.0 permanent 2 OVERDRAFT=1 LINGER=60\n"
                              "INCREMENT g acme 2.0 31-dec-2030 5 DUP_GROUP=UH BORROW MINIMUM=2\n"
                              "INCREMENT s acme 1 permanent 3\n"
                              "PACKAGE s acme 1 COMPONENTS=\"a b\" OPTIONS=SUITE\n",
                              0));
  return *kLicenses;
}

void Apply(license::Ledger& ledger, uint64_t index, v1::LogRecord record) {
  // An entry of a later version stops the node before Apply sees it.
  record.set_version(license::RequiredVersion(record.command()));
  std::vector<license::LedgerEvent> events;
  ledger.Apply({index, 1}, &record, &events);
  ledger.TakeChanges();
  license::Check(ledger.CheckInvariants().ok(), "the ledger's tables agree after any command");
}

license::Ledger Installed() {
  license::Ledger ledger;
  v1::LogRecord record;
  record.mutable_stamp()->set_wall_ms(license::testing::kNoonMs);
  *record.mutable_command()->mutable_install() = Licenses();
  Apply(ledger, 1, std::move(record));
  return ledger;
}

// Commands as a follower relays them, through the log to the ledger.
void ApplyCommands(absl::string_view bytes) {
  v1::Relay relay;
  if (!relay.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  license::Ledger ledger = Installed();
  uint64_t index = 1;
  for (v1::Command& command : *relay.mutable_commands()) {
    if (index > kMessagesMax) return;
    v1::LogRecord record;
    record.mutable_stamp()->set_cluster_ms(index * 1000);
    record.mutable_stamp()->set_wall_ms(license::testing::kNoonMs +
                                        static_cast<int64_t>(index) * 1000);
    *record.mutable_command() = std::move(command);
    Apply(ledger, ++index, std::move(record));
  }
}

// One record as the log has it, with any stamp.
void ApplyRecord(absl::string_view bytes) {
  v1::LogRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  license::Ledger ledger = Installed();
  Apply(ledger, 2, std::move(record));
}

// What an application says to a node that serves.
void SayToNode(absl::string_view bytes) {
  v1::ClientBatch batch;
  if (!batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  server::testing::World world(1);
  world.Until([&world] { return world.Leader() == 1; });
  world.Open(1, 5, "app");
  int said = 0;
  for (v1::ClientMessage& message : *batch.mutable_messages()) {
    if (++said > kMessagesMax) break;
    world.Say(1, 5, std::move(message));
  }
  world.Advance(100);
  license::Check(world.node(1).ledger().CheckInvariants().ok(),
                 "the ledger's tables agree whatever clients say");
}

// What comes in on the peers' port before anyone has shown that they are one.
void SayAsPeer(absl::string_view bytes) {
  v1::PeerBatch batch;
  if (!batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  server::testing::World world(1);
  world.Until([&world] { return world.Leader() == 1; });
  int said = 0;
  for (v1::PeerMessage& message : *batch.mutable_messages()) {
    if (++said > kMessagesMax) break;
    if (message.has_quorum()) {
      const auto decoded = server::Decode(quorum::Slot::k2, quorum::Slot::k1, message.quorum());
      if (decoded.ok()) {
        const v1::PeerMessage again = server::Encode(*decoded);
        const auto twice = server::Decode(quorum::Slot::k2, quorum::Slot::k1, again.quorum());
        license::Check(twice.ok(), "what is written can be read");
      }
    }
    world.node(1).OnIncoming(server::LinkId(77), std::move(message));
    world.node(1).Flush();
  }
}

}  // namespace

void WireMessages(absl::string_view bytes) {
  if (bytes.empty()) return;
  const absl::string_view rest = bytes.substr(1);
  switch (bytes[0] & 3) {
    case 0:
      return SayToNode(rest);
    case 1:
      return SayAsPeer(rest);
    case 2:
      return ApplyCommands(rest);
    default:
      return ApplyRecord(rest);
  }
}

}  // namespace triad::fuzz
