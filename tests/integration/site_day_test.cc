// A day at a site: what an administrator types, and sees, on three daemons: install, look, free a
// stale license, change the licenses, take a node away for maintenance, report. The transcript is
// docs/day-at-a-site.md; TRIAD_WRITE_TRANSCRIPT=1 writes it anew.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "license/usage_json.h"
#include "tests/integration/app_process.h"
#include "tests/integration/cluster.h"

#ifdef TRIAD_TOOL

namespace triad::integration {
namespace {

constexpr char kItems[] =
    "[Voice ports]\n"
    "type = Concurrent\n"
    "unit = port\n"
    "quantity = 2\n"
    "features = gvp_port\n"
    "contact = licensing@acme.example\n"
    "[Outbound seats]\n"
    "type = Concurrent\n"
    "unit = seat\n"
    "quantity = 5\n"
    "features = outbound_*\n"
    "contact = licensing@acme.example\n";
constexpr char kTranscript[] = TRIAD_SOURCE_DIR "/docs/day-at-a-site.md";

ClientOptions Who(const Cluster& cluster, const std::string& user, const std::string& host) {
  ClientOptions options = OptionsFor(cluster.path(), "phone");
  options.user = user;
  options.host = host;
  options.display = ":0";
  return options;
}

class SiteDayTest : public ::testing::Test {
 protected:
  static Cluster::Options TheOptions() {
    Cluster::Options options;
    // On a loaded machine nobody leads but who was told to.
    options.flags = {"--heartbeat=200ms", "--election-timeout=1500ms"};
    options.features =
        "INCREMENT tserver_sdn genesys.d 8.0 permanent 10\n"
        "INCREMENT gvp_port genesys.d 8.5 31-dec-2099 3\n";
    return options;
  }
  SiteDayTest() : cluster_(TheOptions()) {}

  RunResult Tool(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {TRIAD_TOOL, "-c", cluster_.path()});
    return RunToEnd(arguments);
  }
  void Say(const std::string& text) {
    absl::StrAppend(&text_, open_ ? "```\n\n" : "", text, "\n");
    open_ = false;
  }
  // What is looked at with other tools than ours.
  void Show(const std::string& line, const std::string& output) {
    absl::StrAppend(&text_, open_ ? "" : "\n```text\n", "$ ", line, "\n", output);
    open_ = true;
  }
  // What triadd init says, without date and with an installed node's directory.
  std::string PlainInit(const std::string& output, int node) const {
    const std::regex date("[0-9-]+ [0-9:.]+ (notice: )");
    return absl::StrReplaceAll(std::regex_replace(output, date, "$1"),
                               {{cluster_.Directory(node), "/var/lib/triad"}});
  }
  // What is typed, with PATH for where the cluster is, and what it prints.
  void Type(const std::string& line, int node = 0) {
    const RunResult result = Run(line, node);
    absl::StrAppend(&text_, Plain(result.output));
    if (result.exit_status != 0) {
      absl::StrAppend(&text_, "exit status ", result.exit_status, "\n");
    }
  }
  // Likewise; its dates are the same each time and stay.
  void TypeOfThePast(const std::string& line) {
    const RunResult result = Run(line, 0);
    EXPECT_EQ(result.exit_status, 0);
    text_ += result.output;
  }
  RunResult Run(const std::string& line, int node) {
    absl::StrAppend(&text_, open_ ? "" : "\n```text\n", "$ ", Plain(line), "\n");
    open_ = true;
    std::vector<std::string> argv;
    std::string word;
    for (const char c : line + " ") {
      if (c != ' ') {
        word += c;
      } else if (!word.empty()) {
        argv.push_back(Meant(word));
        word.clear();
      }
    }
    const std::string tools = std::string(TRIAD_TOOL).substr(0, std::string(TRIAD_TOOL).rfind('/'));
    argv[0] = absl::StrCat(tools, "/", argv[0]);
    std::vector<std::string> environment = {absl::StrCat("LM_LICENSE_FILE=", cluster_.path()),
                                            "HOME=/nonexistent", "TZ=UTC"};
    if (node != 0)
      environment.push_back(absl::StrCat("TRIAD_ADMIN_SOCKET=", cluster_.Socket(node)));
    return RunToEnd(argv, environment);
  }
  std::string Meant(const std::string& word) const {
    return absl::StrReplaceAll(word, {{"27001@lic1", cluster_.Address(1)},
                                      {"/var/log/triad/may.jsonl", MonthFile()},
                                      {"/etc/triad/items", ItemsFile()},
                                      {"/etc/triad/license.dat", cluster_.LicenseFile(1)}});
  }
  // Without what is another one each time: ports, directories, dates, who runs the test.
  std::string Plain(std::string text) const {
    for (int node = 1; node <= 3; ++node) {
      const std::string lic = absl::StrCat("lic", node);
      text =
          absl::StrReplaceAll(text, {{cluster_.Address(node), absl::StrCat("27001@", lic)},
                                     {absl::StrCat(cluster_.Host(node), "/", cluster_.port(node)),
                                      absl::StrCat(lic, "/27001")},
                                     {cluster_.LicenseFile(node), "/etc/triad/license.dat"}});
      text = absl::StrReplaceAll(text, {{cluster_.Host(node), lic}});
    }
    const std::pair<const char*, const char*> kVarying[] = {
        {"status on [A-Z][a-z]{2} [0-9/]+ [0-9:]+", "status on Mon 6/15/2026 12:00"},
        {"start [A-Z][a-z]{2} [0-9]+/[0-9]+ [0-9:]+", "start Mon 6/15 12:00"},
        {"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", "2026-06-15 12:00:00"},
        {"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", "2026-06-15 12:00"},
        {"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|\\+00:00)", "2026-06-15T08:00:00Z"},
        // To which server an application is attached is its own choice.
        {"\\(lic[123]/27001", "(lic1/27001"},
        {" [123]  2026-06-15 12:00 ", " 1  2026-06-15 12:00 "},
        {"[0-9]+ records, 1 to [0-9]+", "15 records, 1 to 15"},
        {"[^ ]+ \\(uid [0-9]+\\)", "root (uid 0)"},
        {" v[0-9]+\\.[0-9]+\\.[0-9]+\n", " v1.0.0\n"},
    };
    for (const auto& [pattern, plain] : kVarying) {
      text = std::regex_replace(text, std::regex(pattern), plain);
    }
    return text;
  }
  std::string MonthFile() const { return cluster_.directory() + "/may.jsonl"; }
  std::string ItemsFile() const { return cluster_.directory() + "/items"; }
  // Two weeks of May: mornings at the limit.
  static std::string Month() {
    std::string lines;
    uint64_t number = 0;
    uint64_t used = 0;
    const auto add = [&](v1::UsageRecord::Kind kind, int64_t wall_ms, const std::string& user,
                         uint64_t handle, uint64_t count) {
      v1::UsageRecord record;
      record.set_number(++number);
      record.set_kind(kind);
      record.set_wall_ms(wall_ms);
      record.set_feature("gvp_port");
      record.set_vendor(kVendor);
      record.set_user(user);
      record.set_host("pc-" + user);
      record.set_handle(handle);
      record.set_count(count);
      if (kind == v1::UsageRecord::CHECKED_OUT) used += count;
      if (kind == v1::UsageRecord::CHECKED_IN) used -= count;
      record.set_used(used);
      record.set_licensed(3);
      record.set_code(kind == v1::UsageRecord::DENIED ? -4 : 0);
      if (kind == v1::UsageRecord::DENIED) record.set_reason("all licenses in use");
      absl::StrAppend(&lines, license::UsageJson(record, ""), "\n");
    };
    constexpr int64_t kHour = 3'600'000;
    constexpr int64_t kMonday = 1'777'881'600'000;  // 2026-05-04 08:00 UTC
    for (int day = 0; day < 14; ++day) {
      if (day % 7 >= 5) continue;
      const int64_t morning = kMonday + day * 24 * kHour;
      const auto handle = static_cast<uint64_t>(100 + 10 * day);
      add(v1::UsageRecord::CHECKED_OUT, morning, "ann", handle, 2);
      add(v1::UsageRecord::CHECKED_OUT, morning + kHour, "bob", handle + 1, 1);
      add(v1::UsageRecord::DENIED, morning + kHour + kHour / 2, "cid", 0, 1);
      add(v1::UsageRecord::CHECKED_IN, morning + 4 * kHour, "ann", handle, 2);
      add(v1::UsageRecord::CHECKED_IN, morning + 9 * kHour, "bob", handle + 1, 1);
    }
    return lines;
  }
  void Compare() {
    if (open_) text_ += "```\n";
    if (std::getenv("TRIAD_WRITE_TRANSCRIPT") != nullptr) WriteFileOrDie(kTranscript, text_);
    EXPECT_EQ(ReadFileOrEmpty(kTranscript), text_)
        << "TRIAD_WRITE_TRANSCRIPT=1 writes docs/day-at-a-site.md anew";
  }

  Cluster cluster_;
  std::string text_;
  bool open_ = false;
};

TEST_F(SiteDayTest, WhatAnAdministratorTypesAndSees) {
  Say("# A day at a site\n\n"
      "Three servers, lic1, lic2 and lic3, run as one. This page is what an administrator types, "
      "on\n"
      "lic1 if it says nothing else, and what is printed; `tests/integration/site_day_test.cc` "
      "plays\n"
      "it against three daemons and compares. Dates, ports and paths are made alike.\n\n"
      "## The evening before: the servers are installed\n\n"
      "The packages are there ([install.md](install.md)), and on all three hosts the same license\n"
      "file and the vendor's key. On each:");
  for (const int node : {1, 2, 3}) {
    const RunResult init = cluster_.Init(node);
    EXPECT_EQ(init.exit_status, 0);
    Show(absl::StrCat("triadd init", "    # on lic", node), PlainInit(init.output, node));
  }
  const RunResult again = cluster_.Init(1);
  EXPECT_EQ(again.exit_status, 0);
  Show("triadd init    # once more does no harm", PlainInit(again.output, 1));
  Say("Then `systemctl start triadd` on each. All three have to meet once; from then on two are\n"
      "enough.");
  for (const int node : {1, 2, 3}) cluster_.StartNode(node);
  ASSERT_TRUE(WaitFor([&] {
    const auto status = cluster_.Status(1);
    return status && status->cluster_version() >= 3;  // all nodes have met
  }));
  ASSERT_TRUE(WaitFor([&] {
    (void)Tool({"transfer-lead", "--to=1"});
    return cluster_.Leader() == 1 && Tool({"status", "--check"}).exit_status == 0;
  }));
  // What came before it is not part of the day.
  const std::string morning =
      absl::FormatTime(absl::RFC3339_full, absl::Now(), absl::UTCTimeZone());
  Say("\n## Morning\n\nOne of three may fail; lic1 leads.");
  Type("triad status --check");
  Type("triad verify --vendor-keys=" + cluster_.Keys() + " /etc/triad/license.dat");
  text_ = absl::StrReplaceAll(text_, {{cluster_.Keys(), "/etc/triad/vendors.d"}});

  Say("## Who works with what\n\n"
      "ann and bob have phone licenses, cid waits for a voice port.");
  AppProcess ann(cluster_.path(), "ann", "pc1", ":0");
  std::vector<Result<License>> kept;  // outlives the client that fills it
  auto bob = Client::Open(Who(cluster_, "bob", "pc2"));
  auto cid = Client::Open(Who(cluster_, "cid", "pc3"));
  ASSERT_TRUE(bob && cid);
  ASSERT_NE(ann.Checkout("tserver_sdn", 3), 0u);
  ASSERT_NE(ann.Checkout("gvp_port", 3), 0u);
  auto phone = bob->Checkout(Want("tserver_sdn", 1));
  ASSERT_TRUE(phone);
  EXPECT_FALSE(bob->Checkout(Want("gvp_port", 1)));
  CheckoutOptions wait;
  wait.wait = true;
  cid->CheckoutAsync(Want("gvp_port", 2), wait,
                     [&kept](Result<License> license) { kept.push_back(std::move(license)); });
  ASSERT_TRUE(WaitFor([&] {
    const auto usage = cluster_.UsageOfAny();
    for (const auto& feature : usage.features()) {
      if (feature.queued() == 1) return true;
    }
    return false;
  }));
  Type("lmstat -a");
  Type("triad features");
  Type("triad who");
  Type("triad queue");
  Type("triad denials");

  ann.process().Signal(SIGSTOP);
  Say("## ann's machine hangs at lunch\n\n"
      "Her voice ports are wanted now. `lmremove` takes the words that `lmstat` has printed; cid,\n"
      "who waits, has them at once.");
  Type("lmremove gvp_port ann pc1 :0", 1);
  ASSERT_TRUE(WaitFor([&] { return cluster_.Used("gvp_port") == 2; }));
  Type("lmstat -f gvp_port");
  Type("lmremove gvp_port nobody pc1 :0", 1);

  Say("## Five more licenses have come\n\n"
      "The new file is in place on lic1. First a look at what it would change, then the change, "
      "on\n"
      "all three.");
  for (const int node : {1, 2, 3}) {
    cluster_.WriteLicense(node,
                          "INCREMENT tserver_sdn genesys.d 8.0 permanent 15\n"
                          "INCREMENT gvp_port genesys.d 8.5 31-dec-2099 3\n");
  }
  Type("triad reread --dry-run", 1);
  Type("lmreread", 1);
  Type("lmstat -f tserver_sdn --no-user-info");

  Say("## lic1 gets more memory\n\n"
      "Its clients go to the others and so does the lead; then it is stopped. Nobody loses a\n"
      "license, and whoever asks is served.");
  Type("triad transfer-lead --to=2", 1);
  Type("triad drain --node=1", 1);
  Type("lmdown -c 27001@lic1 -q", 1);
  EXPECT_EQ(cluster_.process(1).WaitForExit(), 0);
  Type("lmstat");
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 4u);
  cluster_.StartNode(1);
  ASSERT_TRUE(WaitFor([&] {
    const auto status = cluster_.Status(1);
    return status && status->quorum();
  }));
  ASSERT_TRUE(cluster_.WaitForAgreement());
  ASSERT_TRUE(WaitFor([&] { return Tool({"status", "--check"}).exit_status == 0; }));
  Say("It is back, and knows what it has missed.");
  Type("triad status --check");

  Say("## Evening: what happened today\n\n"
      "Each record says who did it.");
  Type("triad usage --from=" + morning);
  Type("triad usage --verify -c 27001@lic1");

  Say("## The end of the month: what goes to the manager\n\n"
      "From the report log of May (`REPORTLOG` in the options file, closed by `lmnewlog`), and a\n"
      "file that names what was bought. With `--html=FILE` it is a page with plots.");
  WriteFileOrDie(MonthFile(), Month());
  WriteFileOrDie(ItemsFile(), kItems);
  Show("cat /etc/triad/items", kItems);
  TypeOfThePast(
      "triad report --in=/var/log/triad/may.jsonl --items=/etc/triad/items --from=2026-05-01 "
      "--to=2026-06-01");
  // Its hash is another one each time.
  text_ =
      std::regex_replace(text_, std::regex("its end is [0-9a-f]+"), "its end is 0123456789abcdef");
  Compare();
}

}  // namespace
}  // namespace triad::integration

#endif  // TRIAD_TOOL
