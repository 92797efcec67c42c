// The guide, "License Check Process".
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysLicenseCheck : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysLicenseCheck,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysLicenseCheck, TheCommandLineLeadsToTheServer) {
  Play("license_check_command_line");
}

TEST_P(GenesysLicenseCheck, TheLicenseFileOptionLeadsToTheServer) {
  Play("license_check_option");
}

TEST_P(GenesysLicenseCheck, TheLicenseDataFileLeadsToTheServer) {
  Play("license_check_data_file");
}

TEST_P(GenesysLicenseCheck, AFileOrItsDirectoryMayBeGiven) {
  Play("license_check_file_given");
}

TEST_P(GenesysLicenseCheck, DeniedItReports0007100AndExits) {
  Play("license_check_denied");
}

TEST_P(GenesysLicenseCheck, WithoutAServerItReports0007100AndExits) {
  Play("license_check_no_server");
}

TEST_P(GenesysLicenseCheck, TheLicenseOfACrashedApplicationIsNoLongerInUse) {
  Play("license_check_crash");
}

}  // namespace
}  // namespace triad::integration
