// The guide, "Interaction Server".
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysInteraction : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysInteraction,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysInteraction, ChecksOutWhatEachFeaturesOptionSays) {
  Play("interaction_start");
}

TEST_P(GenesysInteraction, ReactsToNewOptions) {
  Play("interaction_new_type");
}

TEST_P(GenesysInteraction, ReactsToChangedOptions) {
  Play("interaction_options");
}

TEST_P(GenesysInteraction, ForcesAgentsOutUntilNoMoreAreInUseThanConfigured) {
  Play("interaction_forced_out");
}

TEST_P(GenesysInteraction, NothingToBeHadIsReportedAndEndsIt) {
  Play("interaction_denied");
}

}  // namespace
}  // namespace triad::integration
