// Which cluster of a search path is used, and what is said when there is none.
#include "client/client_state.h"

#include <stdlib.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/server_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad {
namespace {

using client::TestServers;
using ::testing::HasSubstr;

TEST(ClientState, TheFirstClusterThatServesIsUsed) {
  TestServers servers(1);
  ClientOptions options;
  options.license_path = absl::StrCat("nonsense@:/no/such/file:1@127.0.0.1:", servers.path());
  Result<Client> client = Client::Open(options);
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  EXPECT_TRUE(client->Checkout({"f"}).ok());
  EXPECT_THAT(absl::StrJoin(client->Diagnostics(), "\n"), HasSubstr("/no/such/file: no such file"));
}

TEST(ClientState, ASearchPathOfNonsenseSaysWhatIsWrong) {
  ClientOptions options;
  options.license_path = "nonsense@:/no/such/file";
  Result<Client> client = Client::Open(options);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.status().kind, ErrorKind::kSearchPath);
  EXPECT_THAT(client.status().message, HasSubstr("/no/such/file: no such file"));
}

TEST(ClientState, NobodyThereIsUnreachable) {
  ClientOptions options;
  options.license_path = "1@127.0.0.1,2@127.0.0.1,3@127.0.0.1";
  Result<Client> client = Client::Open(options);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.status().kind, ErrorKind::kUnreachable);
  EXPECT_THAT(client.status().message, HasSubstr("Connection refused"));
}

TEST(ClientState, PlaintextBeyondLoopbackNeedsTheWordInsecure) {
  unsetenv("TRIAD_INSECURE");
  ClientOptions options;
  options.license_path = "27000@192.0.2.1";
  Result<Client> client = Client::Open(options);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.status().kind, ErrorKind::kInsecure);
  EXPECT_THAT(client.status().message, HasSubstr("TRIAD_INSECURE=1"));
}

}  // namespace
}  // namespace triad
