#include "tests/integration/genesys.h"

#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

#if !defined(TRIAD_EXAMPLES) || !defined(TRIAD_TOOL)
#error "TRIAD_EXAMPLES: the directory of the example programs; TRIAD_TOOL: triad"
#endif

namespace triad::integration {
namespace {

constexpr int kLineMs = 60'000;
constexpr char kTranscripts[] = "tests/integration/transcripts/";
constexpr char kLeaderIsKilled[] = "the leader is killed";

// What the license file says at the beginning of each test.
const std::map<std::string, uint64_t>& AtFirst() {
  static const std::map<std::string, uint64_t> counts = {
      {"plain_application", 1}, {"desktop_agent", 2},      {"desktop_supervisor", 1},
      {"toolkit_agent", 1},     {"toolkit_supervisor", 1}, {"ocs_agent", 3},
      {"tserver_sdn", 6},       {"vcb_callback", 3},       {"vcb_preview", 1},
      {"router_seats", 2},      {"interaction_email", 3},  {"interaction_chat", 2},
      {"many", 12'000}};
  return counts;
}

constexpr char kStarted[] = "started\n";

// What the library says when the servers that answer have no leader, or none answered in time.
bool IsOfAnElection(const std::string& printed) {
  for (const char* words : {"no quorum", "no answer within", "does not answer"}) {
    if (absl::StrContains(printed, words)) return true;
  }
  return false;
}

std::string Features(const std::map<std::string, uint64_t>& counts) {
  std::string text;
  for (const auto& [feature, count] : counts) {
    absl::StrAppend(&text, "FEATURE ", feature, " ", kVendor, " 8.0 permanent ", count, "\n");
  }
  return text;
}

// One for all tests of the program: it starts in some seconds.
struct Shared {
  std::unique_ptr<Cluster> cluster;
  bool started = false;
};
Shared& TheShared() {
  static Shared shared;
  return shared;
}
Cluster& TheCluster() {
  return *TheShared().cluster;
}

class TakesItDown : public ::testing::Environment {
 public:
  void TearDown() override { TheShared().cluster.reset(); }
};
[[maybe_unused]] const auto* const kTakesItDown =
    ::testing::AddGlobalTestEnvironment(new TakesItDown);

}  // namespace

std::string TroubleName(const ::testing::TestParamInfo<Trouble>& info) {
  return info.param == Trouble::kNone ? "Calm" : "LeaderKilled";
}

void Genesys::SetUpTestSuite() {
  Shared& shared = TheShared();
  if (shared.cluster != nullptr) return;
  Cluster::Options options;
  options.features = Features(AtFirst());
  shared.cluster = std::make_unique<Cluster>(options);
  shared.started = shared.cluster->Start();
}

void Genesys::SetUp() {
  ASSERT_TRUE(TheShared().started);
  // What the last test did to the cluster is over: a program that starts in an election is told so.
  ASSERT_TRUE(TheCluster().WaitForAgreement());
  TheCluster().WaitForLeader();
  dir_ = std::make_unique<TempDir>();
  std::filesystem::copy_file(TheCluster().LicenseFile(2), dir_->path() + "/license.dat");
  // In a directory only files named so are read.
  std::filesystem::copy_file(TheCluster().LicenseFile(2), dir_->path() + "/license.lic");
  dead_ = absl::StrCat(FreePort(), "@127.0.0.1");
}

void Genesys::TearDown() {
  program_.reset();
  others_.clear();
  other_.reset();
  if (!TheShared().started) return;
  if (killed_ != 0) {
    TheCluster().StartNode(killed_);
    EXPECT_TRUE(WaitFor([&] {
      const auto status = TheCluster().Status(killed_);
      return status && status->quorum();
    }));
  }
  if (changed_) {
    for (const auto& [feature, count] : AtFirst()) SetLicenses(feature, count);
  }
  // A program that was killed keeps its licenses for the grace.
  EXPECT_TRUE(WaitFor([] {
    const v1::Usage usage = TheCluster().UsageOfAny();
    for (const auto& feature : usage.features()) {
      if (feature.used() > 0) return false;
    }
    return true;
  })) << Holdings(TheCluster().UsageOfAny());
}

std::string Genesys::Where(const std::string& word) const {
  if (word == "PATH") return TheCluster().path();
  if (word == "FILE") return dir_->path() + "/license.dat";
  if (word == "DIRECTORY") return dir_->path();
  if (word == "DEAD") return dead_;
  ADD_FAILURE() << word << ": no such place: PATH, FILE, DIRECTORY or DEAD";
  return "";
}

void Genesys::ReadUntil(const std::string& line) {
  while (program_) {
    const auto got = program_->ReadLine(kLineMs);
    if (!got) break;
    absl::StrAppend(&transcript_, *got, "\n");
    if (*got == line) return;
  }
  if (!program_) return;
  const auto status = program_->WaitForExit();
  program_.reset();
  absl::StrAppend(&transcript_, "exit status ", status.value_or(-1), "\n");
  EXPECT_EQ(line, "") << "did not come";
}

void Genesys::Type(const std::string& line) {
  if (!program_) return;
  program_->WriteLine(line);
  ReadUntil("> " + line);
  if (line == "quit") ReadUntil("");
}

void Genesys::StartProgram(const Direction& direction) {
  const std::vector<std::string> words = absl::StrSplit(direction.text, ' ');
  const std::string file = dir_->path() + "/" + words[1] + ".cfg";
  std::string configuration = direction.body;
  for (const char* place : {"PATH", "FILE", "DIRECTORY", "DEAD"}) {
    const std::vector<std::string> parts =
        absl::StrSplit(configuration, absl::StrCat("= ", place, "\n"));
    if (parts.size() > 1) {
      configuration = absl::StrJoin(parts, absl::StrCat("= ", Where(place), "\n"));
    }
  }
  WriteFileOrDie(file, configuration);
  Process::Options options;
  options.argv = {absl::StrCat(TRIAD_EXAMPLES, "/", words[1]), "-u", words[1], "-c", file};
  if (words.size() > 3) options.argv.insert(options.argv.end(), {"-l", Where(words[3])});
  options.environment = {"LM_LICENSE_FILE=" + environment_};
  options.output = dir_->path() + "/stderr";
  options.pipes = true;
  std::string printed;
  // On a machine that is busy with other things an election may come at any time.
  EXPECT_TRUE(WaitFor([&] {
    program_.emplace(options);
    return TryToStart(&printed);
  }));
  absl::StrAppend(&transcript_,
                  absl::StrReplaceAll(printed, {{file, words[1] + ".cfg"}, {dead_, "DEAD"}}));
  if (!absl::EndsWith(printed, kStarted)) ReadUntil("");
}

bool Genesys::TryToStart(std::string* printed) {
  printed->clear();
  while (!absl::EndsWith(*printed, kStarted)) {
    const auto line = program_->ReadLine(kLineMs);
    if (!line) return !IsOfAnElection(*printed);
    absl::StrAppend(printed, *line, "\n");
  }
  if (!IsOfAnElection(*printed)) return true;
  program_->WriteLine("quit");
  program_->WaitForExit();
  return false;
}

void Genesys::SetLicenses(const std::string& feature, uint64_t count) {
  static std::map<std::string, uint64_t> now = AtFirst();
  if (now[feature] == count) return;
  now[feature] = count;
  changed_ = true;
  int asked = 0;
  for (int node = 1; node <= 3; ++node) {
    TheCluster().WriteLicense(node, Features(now));
    if (asked == 0 && TheCluster().process(node).running()) asked = node;
  }
  const auto reread = [&] {
    return RunToEnd({TRIAD_TOOL, "reread", "-c", TheCluster().path(),
                     "--admin-socket=" + TheCluster().Socket(asked)});
  };
  RunResult result = reread();
  // While there is no leader it is refused.
  EXPECT_TRUE(WaitFor([&] {
    if (result.exit_status != 0) result = reread();
    return result.exit_status == 0;
  })) << result.output;
}

void Genesys::Direct(const Direction& direction) {
  const std::vector<std::string> words = absl::StrSplit(direction.text, ' ');
  if (words[0] == "start") {
    StartProgram(direction);
  } else if (absl::StartsWith(direction.text, "in the environment: ")) {
    environment_ = Where(words[3]);
  } else if (absl::StartsWith(direction.text, "another application takes ")) {
    uint64_t count = 0;
    ASSERT_TRUE(absl::SimpleAtoi(words[3], &count));
    if (!other_) {
      auto client = Client::Open(OptionsFor(TheCluster().path(), "other"));
      ASSERT_TRUE(client) << client.status().ToString();
      other_.emplace(*std::move(client));
    }
    auto license = other_->Checkout(Want(words[4], count));
    ASSERT_TRUE(license) << license.status().ToString();
    others_.push_back(*std::move(license));
  } else if (direction.text == "the other application gives all back") {
    for (License& license : others_) EXPECT_TRUE(license.CheckIn().ok());
    others_.clear();
  } else if (absl::StartsWith(direction.text, "the license file says ")) {
    uint64_t count = 0;
    ASSERT_TRUE(absl::SimpleAtoi(words[4], &count));
    SetLicenses(words[5], count);
  } else if (direction.text == "the program is killed") {
    program_->Kill();
    program_.reset();
  } else if (words[0] == "used:") {
    uint64_t count = 0;
    ASSERT_TRUE(absl::SimpleAtoi(words[1], &count));
    EXPECT_TRUE(WaitFor([&] { return TheCluster().Used(words[2]) == count; }))
        << direction.text << ", and not " << TheCluster().Used(words[2]);
  } else if (direction.text == kLeaderIsKilled) {
    if (GetParam() != Trouble::kLeaderKilled) return;
    ASSERT_EQ(killed_, 0) << "one of three can be lost";
    killed_ = TheCluster().WaitForLeader();
    TheCluster().Kill(killed_);
  } else {
    ADD_FAILURE() << "no such direction: " << direction.text;
  }
}

void Genesys::Play(const std::string& name) {
  const std::string path = kTranscripts + name + ".txt";
  const std::string golden = ReadFileOrEmpty(path);
  ASSERT_NE(golden, "") << path;
  const std::vector<std::string> lines = absl::StrSplit(golden, '\n');
  for (size_t i = 0; i < lines.size() && !HasFatalFailure(); ++i) {
    if (absl::StartsWith(lines[i], "> ")) {
      Type(lines[i].substr(2));
    } else if (absl::StartsWith(lines[i], "#") && !program_) {
      absl::StrAppend(&transcript_, lines[i], "\n");
    } else if (absl::StartsWith(lines[i], "! ")) {
      // The program repeats it when it has done everything before.
      if (program_) {
        program_->WriteLine(lines[i]);
        ReadUntil(lines[i]);
      } else {
        absl::StrAppend(&transcript_, lines[i], "\n");
      }
      Direction direction{lines[i].substr(2), ""};
      for (; i + 1 < lines.size() && absl::StartsWith(lines[i + 1], "  "); ++i) {
        absl::StrAppend(&transcript_, lines[i + 1], "\n");
        absl::StrAppend(&direction.body, lines[i + 1].substr(2), "\n");
      }
      Direct(direction);
    }
  }
  if (program_) ADD_FAILURE() << "the program has not ended: type quit";
  if (std::getenv("TRIAD_REWRITE") != nullptr && GetParam() == Trouble::kNone) {
    WriteFileOrDie(path, transcript_);
  }
  EXPECT_EQ(transcript_, golden) << path;
}

}  // namespace triad::integration
