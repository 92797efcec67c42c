// The guide, "T-Server"; the table of its options: client/examples/seat_table_test.cc.
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysTServer : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysTServer,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysTServer, DeniedForTooManyItTakesTheMost) {
  Play("tserver_too_many");
}

TEST_P(GenesysTServer, WithNoneAvailableItReports0007100AndExits) {
  Play("tserver_none");
}

TEST_P(GenesysTServer, OptionsLeaveLicensesForAnother) {
  Play("tserver_two");
}

TEST_P(GenesysTServer, ChangedOptionsTakeEffectAtOnce) {
  Play("tserver_options");
}

}  // namespace
}  // namespace triad::integration
