#include "client/machine.h"

#include <unistd.h>

#include <cstdlib>

#include "gtest/gtest.h"
#include "license/limits.h"

namespace triad::client {
namespace {

TEST(Machine, ADirectoryOrDeviceInThePathDoesNotHangOrCrash) {
  Machine machine = RealMachine();
  EXPECT_FALSE(machine.read_file("/").ok());
  EXPECT_FALSE(machine.read_file("/dev/zero").ok());
  EXPECT_FALSE(machine.read_file("/no/such/file").ok());
  EXPECT_FALSE(machine.list_directory("/no/such/file").ok());
  EXPECT_TRUE(machine.list_directory("/").ok());
  EXPECT_TRUE(machine.read_file("/proc/self/comm").ok());
}

TEST(Machine, SaysWhoIsAskingUnlessToldOtherwise) {
  v1::Identity identity = MakeIdentity({});
  EXPECT_NE(identity.user(), "");
  EXPECT_NE(identity.host(), "");
  EXPECT_NE(identity.display(), "");
  EXPECT_NE(identity.application(), "");
  EXPECT_EQ(identity.process_id(), static_cast<uint64_t>(getpid()));

  ClientOptions options;
  options.user = "alice";
  options.host = "desk1";
  options.display = ":0";
  options.project = "p";
  options.application = std::string(1000, 'x');
  identity = MakeIdentity(options);
  EXPECT_EQ(identity.user(), "alice");
  EXPECT_EQ(identity.host(), "desk1");
  EXPECT_EQ(identity.display(), ":0");
  EXPECT_EQ(identity.project(), "p");
  EXPECT_EQ(identity.application().size(), license::kNameBytesMax);
}

TEST(Machine, TheProjectIsTheApplicationsOrTheUsers) {
  setenv("LM_PROJECT", "moon", 1);
  EXPECT_EQ(MakeIdentity({}).project(), "moon");
  ClientOptions options;
  options.project = "mars";
  EXPECT_EQ(MakeIdentity(options).project(), "mars");
  unsetenv("LM_PROJECT");
  EXPECT_EQ(MakeIdentity({}).project(), "");
}

}  // namespace
}  // namespace triad::client
