// What the daemon makes of bad input: one line that says what is wrong and what to do, and nothing
// is lost.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw_client.h"

namespace triad::integration {
namespace {

constexpr int kRefused = 1;
constexpr int kUsage = 2;

std::string LastLine(const std::string& output) {
  const std::vector<std::string> lines = absl::StrSplit(output, '\n', absl::SkipEmpty());
  return lines.empty() ? "" : lines.back();
}

// It ended with this status, and its last line has all of `texts`.
void ExpectSays(const RunResult& result, int exit_status, const std::vector<std::string>& texts) {
  EXPECT_EQ(result.exit_status, exit_status) << result.output;
  for (const std::string& text : texts) {
    EXPECT_TRUE(absl::StrContains(LastLine(result.output), text))
        << "its last line lacks `" << text << "`:\n"
        << result.output;
  }
}

// triadd with the node's flags, changed by more.
RunResult Daemon(const Cluster& cluster, int node, const std::vector<std::string>& more = {}) {
  std::vector<std::string> argv = {TRIAD_TRIADD};
  for (const std::string& flag : cluster.Flags(node)) argv.push_back(flag);
  argv.insert(argv.end(), more.begin(), more.end());
  return RunToEnd(argv, {}, 15'000);
}

void ExpectServes(const Cluster& cluster) {
  auto client = Client::Open(OptionsFor(cluster.path(), "good"));
  ASSERT_TRUE(client) << client.status().ToString();
  auto license = client->Checkout(Want("tserver_sdn"));
  EXPECT_TRUE(license) << license.status().ToString();
}

Cluster::Options One() {
  Cluster::Options options;
  options.nodes = 1;
  return options;
}

// "FILE:LINE" of the line that begins with `start`.
std::string Place(const Cluster& cluster, const std::string& start) {
  int number = 0;
  for (const absl::string_view line :
       absl::StrSplit(ReadFileOrEmpty(cluster.LicenseFile(1)), '\n')) {
    ++number;
    if (absl::StartsWith(line, start)) return absl::StrCat(cluster.LicenseFile(1), ":", number);
  }
  return "no such line: " + start;
}

// The line of the log about that place; it must say `text`.
void ExpectReported(const Cluster& cluster, const std::string& start, const std::string& text) {
  const std::string place = Place(cluster, start);
  for (const absl::string_view line : absl::StrSplit(cluster.Log(1), '\n')) {
    const bool there = absl::StrContains(line, place + ":") || absl::StrContains(line, place + " ");
    if (there && absl::StrContains(line, text)) return;
  }
  ADD_FAILURE() << "the log has no line with `" << place << "` and `" << text << "`";
}

// One line, signed for the machine of a cluster of one.
std::string SignedLine(const license::NamedPrivateKey& key, const std::string& line) {
  const std::string text = SignedWith(key, "SERVER any INTERNET=127.0.0.1 27000\n" + line);
  return text.substr(text.find('\n') + 1);
}

// Above every limit of the wire.
std::string Oversized() {
  std::string text;
  text.resize(20'000'000, 'x');
  return text;
}

TEST(BadInput, BadLicenseLinesAreReportedWithFileAndLineAndTheGoodOnesServed) {
  const license::NamedPrivateKey other_key{kVendor, license::GenerateKeyPair().value()};
  const std::string edited = SignedLine(DemoKey(), "FEATURE edited genesys.d 8.0 permanent 3\n");
  Cluster::Options options = One();
  options.features +=
      "FEATURE old genesys.d 8.0 1-jan-2020 3\n"
      "FEATURE twice genesys.d 8.0 permanent 3\n"
      "FEATURE twice genesys.d 8.0 permanent 4\n";
  options.raw_lines = absl::StrReplaceAll(edited, {{"permanent 3", "permanent 30"}}) +
                      SignedLine(other_key, "FEATURE other_key genesys.d 8.0 permanent 3\n") +
                      "FEATURE unsigned genesys.d 8.0 permanent 3\n"
                      "FEATURE short genesys.d\n"
                      "FEATURE date genesys.d 8.0 40-foo-2030 3 SIGN=0\n"
                      "FRATURE typing_error genesys.d 8.0 permanent 3\n"
                      "FEATURE flexnet_key genesys.d 8.0 permanent 3 1234567890ABCDEF1234\n"
                      "FEATURE flexnet_sign genesys.d 8.0 permanent 3 SIGN=\"0102 0304 0506 0708 "
                      "090A 0B0C 0D0E\"\n";
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  ExpectReported(cluster, "FEATURE edited", "signature does not fit");
  ExpectReported(cluster, "FEATURE other_key", "key");
  ExpectReported(cluster, "FEATURE unsigned", "not signed");
  ExpectReported(cluster, "FEATURE short", "error");
  ExpectReported(cluster, "FEATURE date", "40-foo-2030");
  ExpectReported(cluster, "FRATURE", "FRATURE");
  ExpectReported(cluster, "FEATURE flexnet_key", "signed for FlexNet");
  ExpectReported(cluster, "FEATURE flexnet_sign", "FlexNet");
  ExpectReported(cluster, "FEATURE old", "expired");
  ExpectReported(cluster, "FEATURE twice", "use INCREMENT, or remove it");

  ExpectServes(cluster);
  auto client = Client::Open(OptionsFor(cluster.path()));
  ASSERT_TRUE(client) << client.status().ToString();
  for (const char* feature : {"edited", "other_key", "unsigned", "short", "date", "typing_error",
                              "flexnet_key", "flexnet_sign"}) {
    auto denied = client->Checkout(Want(feature));
    ASSERT_FALSE(denied) << feature;
    EXPECT_EQ(denied.status().code, -5) << denied.status().ToString();
  }
  auto expired = client->Checkout(Want("old"));
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.status().code, -10) << expired.status().ToString();
  EXPECT_TRUE(client->Checkout(Want("twice", 3)));
  EXPECT_FALSE(client->Checkout(Want("twice", 4)));
}

TEST(BadInput, AHostIdOfAnotherMachineIsRefused) {
  Cluster cluster(One());
  WriteFileOrDie(cluster.LicenseFile(1),
                 Signed(absl::StrCat("SERVER 127.0.0.1 02deadbeef01 ", cluster.port(1),
                                     "\nVENDOR genesys.d\nUSE_SERVER\n"
                                     "FEATURE tserver_sdn genesys.d 8.0 permanent 10\n")));
  ExpectSays(cluster.Init(1), kRefused,
             {cluster.LicenseFile(1) + ":1", "02deadbeef01", "this machine has", "(-9)"});
  EXPECT_FALSE(std::filesystem::exists(cluster.Directory(1)));
}

TEST(BadInput, TwoOrFourServerLinesAreRefused) {
  Cluster cluster(Cluster::Options{});
  const std::string good = ReadFileOrEmpty(cluster.LicenseFile(1));
  const std::string two = good.substr(good.find('\n') + 1);
  WriteFileOrDie(cluster.LicenseFile(1), two);
  ExpectSays(cluster.Init(1), kRefused, {cluster.LicenseFile(1) + ":2", "SERVER lines"});
  const std::string four =
      absl::StrCat("SERVER 127.0.0.4 INTERNET=127.0.0.4 ", FreePort(), "\n", good);
  WriteFileOrDie(cluster.LicenseFile(1), four);
  ExpectSays(cluster.Init(1), kRefused, {cluster.LicenseFile(1) + ":", "SERVER lines"});
  WriteFileOrDie(cluster.LicenseFile(1), "# nothing\n");
  ExpectSays(cluster.Init(1), kRefused, {"SERVER line"});
}

TEST(BadInput, NodesInitialisedWithDifferentLicenseFilesDoNotFormAClusterAndSayWhy) {
  Cluster cluster(Cluster::Options{});
  const std::string same = ReadFileOrEmpty(cluster.LicenseFile(2));
  WriteFileOrDie(cluster.LicenseFile(2),
                 Signed(same.substr(0, same.find("FEATURE")) +
                        "FEATURE tserver_sdn genesys.d 8.0 permanent 11\n"));
  cluster.InitAll();
  for (int node : {1, 2, 3}) cluster.StartNode(node);
  const std::string text = "were initialised with different license files";
  for (int node : {1, 2, 3}) EXPECT_TRUE(cluster.WaitForLog(node, text)) << "node " << node;
  const auto status = cluster.Status(1);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->role(), "forming");
  EXPECT_TRUE(absl::StrContains(status->waiting_for(), text)) << status->waiting_for();
  auto client = Client::Open(OptionsFor(cluster.path()));
  ASSERT_FALSE(client) << "it serves";
  EXPECT_TRUE(absl::StrContains(client.status().ToString(), text)) << client.status().ToString();
  // What it tells to do helps.
  cluster.Kill(2);
  WriteFileOrDie(cluster.LicenseFile(2), same);
  cluster.StartNode(2);
  EXPECT_TRUE(WaitFor([&] { return cluster.Leader() != 0; }));
  ExpectServes(cluster);
}

TEST(BadInput, ADataDirectoryOfAnotherSlotOrLicenseServerIsRefused) {
  Cluster cluster(Cluster::Options{});
  cluster.InitAll();
  const std::string foreign = "--data-dir=" + cluster.Directory(1);
  ExpectSays(Daemon(cluster, 2, {foreign}), kRefused, {cluster.Directory(1), "node 1's"});
  ExpectSays(cluster.Init(2, {foreign}), kRefused,
             {cluster.Directory(1), "node 1's", "--data-dir"});
  // The same slot of other machines.
  const Cluster one(One());
  const std::string other = "--license=" + one.LicenseFile(1);
  ExpectSays(cluster.Init(1, {other}), kRefused,
             {cluster.Directory(1), "another license server", "--data-dir"});
  ExpectSays(Daemon(cluster, 1, {other}), kRefused, {cluster.Directory(1), "other SERVER lines"});
  // And what is in order stays so: a second init does nothing.
  ExpectSays(cluster.Init(1), 0, {"initialised already"});
}

TEST(BadInput, ADataDirectoryOfAnotherClusterIsRefusedByTheOthers) {
  Cluster cluster(Cluster::Options{});
  Cluster other(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  ASSERT_TRUE(other.Start());
  other.Kill(3);
  cluster.Kill(3);
  cluster.StartNode(3, {"--data-dir=" + other.Directory(3)});
  EXPECT_TRUE(cluster.WaitForLog(1, "belong to different clusters"));
  EXPECT_TRUE(cluster.WaitForLog(3, "belong to different clusters"));
  ExpectServes(cluster);
  auto there = Client::Open(OptionsFor(cluster.clients().node[3]));
  EXPECT_FALSE(there) << "a node of another cluster serves";
}

TEST(BadInput, AWipedNodeThatWasInitialisedAgainIsToldToRejoinAndTheOthersSaySo) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  auto holder = Client::Open(OptionsFor(cluster.path(), "holder"));
  ASSERT_TRUE(holder) << holder.status().ToString();
  auto held = holder->Checkout(Want("tserver_sdn", 9));
  ASSERT_TRUE(held) << held.status().ToString();
  cluster.Kill(2);
  std::filesystem::remove_all(cluster.Directory(2));
  const RunResult again = cluster.Init(2);
  EXPECT_EQ(again.exit_status, 0) << again.output;
  cluster.StartNode(2);
  const std::string text = "slot 2 is known: run triadd rejoin";
  EXPECT_EQ(cluster.process(2).WaitForExit(), kRefused);
  EXPECT_TRUE(absl::StrContains(cluster.Log(2), text)) << cluster.Log(2);
  EXPECT_TRUE(absl::StrContains(cluster.Log(1) + cluster.Log(3), text));
  // The other two still know everything, and need no third.
  EXPECT_EQ(cluster.Used("tserver_sdn"), 9u);
  ExpectServes(cluster);
}

TEST(BadInput, ASecondDaemonOnTheSameDirectoryIsRefused) {
  Cluster cluster(One());
  ASSERT_TRUE(cluster.Start());
  ExpectSays(Daemon(cluster, 1), kRefused, {cluster.Directory(1)});
  ExpectSays(cluster.Init(1), kRefused, {cluster.Directory(1)});
  ExpectServes(cluster);
}

TEST(BadInput, AMissingOrEmptyDirectoryNamesInitAndRejoin) {
  const Cluster cluster(One());
  ExpectSays(Daemon(cluster, 1), kRefused, {cluster.Directory(1), "triadd init", "triadd rejoin"});
  std::filesystem::create_directory(cluster.Directory(1));
  ExpectSays(Daemon(cluster, 1), kRefused, {cluster.Directory(1), "triadd init", "triadd rejoin"});
}

TEST(BadInput, ADirectoryThatCannotBeMadeOrWrittenIsRefused) {
  const Cluster cluster(One());
  // A file in its place; a place where nobody can make one.
  WriteFileOrDie(cluster.Directory(1), "not a directory");
  ExpectSays(cluster.Init(1), kRefused, {cluster.Directory(1), "--data-dir"});
  ExpectSays(Daemon(cluster, 1), kRefused, {cluster.Directory(1)});
  ExpectSays(cluster.Init(1, {"--data-dir=/proc/triad"}), kRefused, {"/proc/triad", "--data-dir"});
  ExpectSays(cluster.Init(1, {"--data-dir=/proc"}), kRefused, {"/proc"});
  std::filesystem::remove(cluster.Directory(1));
  if (geteuid() == 0) {
    std::cout << "[note] as root every directory is writable: mode 0500 not tried\n";
    return;
  }
  std::filesystem::create_directory(cluster.Directory(1));
  ASSERT_EQ(chmod(cluster.Directory(1).c_str(), 0500), 0);
  ExpectSays(cluster.Init(1), kRefused, {cluster.Directory(1), "not writable"});
}

// Run as root for the daemon's user: what stays root's in the directory keeps the daemon out.
TEST(BadInput, WhatInitAndRejoinMakeBelongsToTheUserOfTheDirectory) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make files for another user";
  constexpr uid_t kNobody = 65534;
  const Cluster cluster{Cluster::Options{}};
  const std::string directory = cluster.Directory(1);
  for (const std::string verb : {"init", "rejoin"}) {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    ASSERT_EQ(chown(directory.c_str(), kNobody, kNobody), 0);
    std::vector<std::string> argv = {TRIAD_TRIADD, verb};
    for (const std::string& flag : cluster.Flags(1)) argv.push_back(flag);
    const RunResult result = RunToEnd(argv, {}, 15'000);
    ASSERT_EQ(result.exit_status, 0) << result.output;
    for (const char* name : {"identity", "lock"}) {
      struct stat found {};
      ASSERT_EQ(stat((directory + "/" + name).c_str(), &found), 0) << verb << ": " << name;
      EXPECT_EQ(found.st_uid, kNobody) << verb << ": " << name;
    }
  }
}

// /var/lib/triad/NAME is another server's.
TEST(BadInput, RejoinLeavesTheServersThatHaveTheirDirectoriesInThisOne) {
  const Cluster cluster{Cluster::Options{}};
  const std::string directory = cluster.Directory(1);
  const std::string inner = directory + "/other";
  ASSERT_EQ(cluster.Init(1).exit_status, 0);
  ASSERT_EQ(cluster.Init(1, {"--data-dir=" + inner}).exit_status, 0);
  std::vector<std::string> argv = {TRIAD_TRIADD, "rejoin"};
  for (const std::string& flag : cluster.Flags(1)) argv.push_back(flag);
  const std::string identity = ReadFileOrEmpty(inner + "/identity");
  const int lock = open((inner + "/lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(lock, LOCK_EX | LOCK_NB), 0);  // as if it ran
  ExpectSays(RunToEnd(argv, {}, 15'000), kRefused, {inner, "stop it"});
  close(lock);
  const RunResult result = RunToEnd(argv, {}, 15'000);
  EXPECT_EQ(result.exit_status, 0) << result.output;
  EXPECT_EQ(ReadFileOrEmpty(inner + "/identity"), identity);
  EXPECT_NE(identity, "");
}

TEST(BadInput, APortInUseIsRefused) {
  Cluster cluster(One());
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(cluster.port(1)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  cluster.InitAll();
  ExpectSays(Daemon(cluster, 1), kRefused,
             {absl::StrCat(cluster.port(1), "@127.0.0.1"), "in use", "SERVER line"});
  close(fd);
  cluster.StartNode(1);
  EXPECT_EQ(cluster.WaitForLeader(), 1);
}

TEST(BadInput, AnAdminSocketThatCannotBeMadeIsRefused) {
  Cluster cluster(One());
  cluster.InitAll();
  ExpectSays(Daemon(cluster, 1, {"--admin-socket=/nowhere/admin.sock"}), kRefused,
             {"/nowhere/admin.sock", "--admin-socket"});
}

TEST(BadInput, WrongFlagsAreWrongUsage) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--no-such-flag"},
                                             {"--node=4"},
                                             {"--session-ttl=soon"},
                                             {"--license"},
                                             {"--election-timeout=50ms", "--heartbeat=50ms"},
                                             {"frobnicate"},
                                             {"init", "twice"}}) {
    std::vector<std::string> argv = {TRIAD_TRIADD};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    ExpectSays(RunToEnd(argv), kUsage, {"triadd: ", "--help"});
  }
  EXPECT_EQ(RunToEnd({TRIAD_TRIADD, "--help"}).exit_status, 0);
}

// -------------------------------------------------------------------------------------------------
// At the port

class BadClient : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cluster_.Start());
    auto client = Client::Open(OptionsFor(cluster_.path(), "holder"));
    ASSERT_TRUE(client) << client.status().ToString();
    holder_ = *std::move(client);
    auto license = holder_->Checkout(Want("tserver_sdn", 4));
    ASSERT_TRUE(license) << license.status().ToString();
    held_ = *std::move(license);
  }
  // Nobody else's license is touched, and the daemon serves on.
  void TearDown() override {
    if (!held_) return;
    EXPECT_TRUE(cluster_.process(1).running());
    EXPECT_EQ(static_cast<int>(held_->state()), static_cast<int>(LicenseState::kHeld));
    EXPECT_TRUE(WaitFor([&] { return cluster_.Used("tserver_sdn") == 4; }));
    ExpectServes(cluster_);
  }
  std::string address() const { return cluster_.Address(1); }

  Cluster cluster_{One()};
  std::optional<Client> holder_;
  std::optional<License> held_;
};

TEST_F(BadClient, GarbageBytesAtThePortDoNoHarm) {
  std::mt19937 draw(7);
  for (int i = 0; i < 200; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(cluster_.port(1)));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    // Every other one begins like a client.
    std::string bytes = i % 2 == 0 ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" : "";
    for (size_t n = draw() % 4096; n > 0; --n) bytes.push_back(static_cast<char>(draw()));
    EXPECT_GT(send(fd, bytes.data(), bytes.size() + (bytes.empty() ? 1 : 0), MSG_NOSIGNAL), 0);
    close(fd);
  }
}

TEST_F(BadClient, OversizedMessagesAreRefusedWithAReason) {
  auto message = OpenMessage(NewSessionId(), 1, std::string(100'000, 'x'));
  const RawAnswer large = RawCall(address(), message);
  EXPECT_EQ(large.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(absl::StrContains(large.status.error_message(), "bytes"))
      << large.status.error_message();
  message = OpenMessage(NewSessionId(), 1, std::string(300, 'x'));
  const RawAnswer name = RawCall(address(), message);
  EXPECT_FALSE(name.status.ok()) << "a name of 300 bytes";
  EXPECT_NE(name.status.error_message(), "");
  message = OpenMessage(NewSessionId(), 1, Oversized());
  EXPECT_EQ(RawCall(address(), message).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // The same on a stream: the small one is answered, the large one breaks that stream only.
  RawStream stream(address());
  const auto refused = stream.Ask(OpenMessage(NewSessionId(), 1, std::string(100'000, 'x')));
  EXPECT_EQ(Describe(refused).substr(0, 18), "failure MALFORMED:") << Describe(refused);
  const auto opened = stream.Ask(OpenMessage(NewSessionId(), 1));
  EXPECT_TRUE(opened && opened->has_opened()) << Describe(opened);
  EXPECT_FALSE(stream.Ask(OpenMessage(NewSessionId(), 1, Oversized())));
  EXPECT_EQ(cluster_.Status(1)->role(), "leader");
}

TEST_F(BadClient, AForgedSessionOrTokenGetsNothing) {
  RawStream owner(address());
  const std::string session = NewSessionId();
  const auto opened = owner.Ask(OpenMessage(session, 1));
  ASSERT_TRUE(opened && opened->has_opened()) << Describe(opened);
  const auto granted = owner.Ask(CheckoutMessage(session, 1, 0, "tserver_sdn", 2));
  ASSERT_TRUE(granted && granted->outcome().has_granted()) << Describe(granted);
  const uint64_t handle = granted->outcome().granted().holdings(0).handle();
  const std::string forged(16, 'f');

  RawStream thief(address());
  const std::vector<std::pair<v1::ClientMessage, std::string>> attempts = {
      {CheckoutMessage(NewSessionId(), 1, 0, "tserver_sdn", 1, forged), "SESSION_UNKNOWN"},
      {CheckoutMessage(session, 2, 1, "tserver_sdn", 1, forged), "BAD_TOKEN"},
      {CheckoutMessage(session, 2, 1, "tserver_sdn", 1, ""), "BAD_TOKEN"},
      {CheckinMessage(session, 2, 1, handle, forged), "BAD_TOKEN"},
      {AttachMessage(session, forged, 99), "BAD_TOKEN"},
      {AttachMessage(NewSessionId(), forged, 99), "SESSION_UNKNOWN"},
      {CheckoutMessage("short", 1, 0, "tserver_sdn", 1, forged), "MALFORMED"},
      {CheckoutMessage(session, 0, 0, "tserver_sdn", 1, forged), "MALFORMED"},
      {v1::ClientMessage(), "MALFORMED"},
  };
  for (const auto& [message, why] : attempts) {
    const auto answer = thief.Ask(message);
    EXPECT_EQ(Describe(answer).rfind("failure " + why + ": ", 0), 0u)
        << Describe(answer) << " to " << message.ShortDebugString();
    EXPECT_EQ(Describe(answer).find('\n'), std::string::npos);
    const RawAnswer unary = RawCall(address(), message);
    EXPECT_FALSE(unary.status.ok());
    EXPECT_NE(unary.status.error_message(), "");
    EXPECT_TRUE(unary.failure.has_value());
  }
  v1::ClientMessage close;
  close.mutable_close()->set_session(session);
  close.mutable_close()->set_token(forged);
  EXPECT_EQ(Describe(thief.Ask(close)).substr(0, 18), "failure BAD_TOKEN:");
  // Another's handle, from a session in order.
  const std::string own = NewSessionId();
  ASSERT_TRUE(thief.Ask(OpenMessage(own, 1)).has_value());
  const auto stolen = thief.Ask(CheckinMessage(own, 1, 0, handle));
  EXPECT_FALSE(stolen && stolen->outcome().has_done()) << Describe(stolen);
  // The owner noticed nothing.
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 6u);
  const auto returned = owner.Ask(CheckinMessage(session, 2, 1, handle));
  EXPECT_EQ(Describe(returned), "done");
}

TEST_F(BadClient, CountsOfZeroMinusOneAndATrillionAreRefused) {
  RawStream stream(address());
  const std::string session = NewSessionId();
  const auto opened = stream.Ask(OpenMessage(session, 1));
  ASSERT_TRUE(opened && opened->has_opened()) << Describe(opened);
  uint64_t seq = 0;
  for (uint64_t count : {uint64_t{0}, UINT64_MAX, uint64_t{1'000'000'000'000}, uint64_t{10'000}}) {
    for (v1::CountMode mode : {v1::EXACT}) {
      ++seq;
      auto message = CheckoutMessage(session, seq, seq - 1, "tserver_sdn", count);
      message.mutable_request()->mutable_checkout()->mutable_items(0)->set_mode(mode);
      const auto answer = stream.Ask(message);
      ASSERT_TRUE(answer) << count;
      EXPECT_FALSE(answer->outcome().has_granted()) << count;
      const std::string reason =
          answer->has_failure() ? answer->failure().reason() : answer->outcome().denied().reason();
      EXPECT_NE(reason, "") << Describe(answer);
      EXPECT_EQ(reason.find('\n'), std::string::npos);
      EXPECT_EQ(cluster_.Used("tserver_sdn"), 4u) << count;
    }
    auto refused = holder_->Checkout(Want("tserver_sdn", count));
    EXPECT_FALSE(refused) << count;
    EXPECT_NE(refused.status().message, "") << count;
  }
  // Many of one sum: 2^64 / 2 twice.
  auto sum = CheckoutMessage(session, ++seq, 0, "tserver_sdn", uint64_t{1} << 63);
  *sum.mutable_request()->mutable_checkout()->add_items() = sum.request().checkout().items(0);
  const auto answer = stream.Ask(sum);
  EXPECT_FALSE(answer && answer->outcome().has_granted()) << Describe(answer);
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 4u);
}

}  // namespace
}  // namespace triad::integration
