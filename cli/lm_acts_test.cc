#include "cli/lm_acts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include <set>

#include "cli/lm_logs.h"
#include "cli/lm_tools.h"
#include "cli/servers.h"
#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

class LmActs : public ::testing::Test {
 protected:
  LmActs() {
    Name(&node_, 1, node_.address());
    node_.status.set_leader(1);
    node_.status.set_role("leader");
    node_.status.add_vendors("genesys.d");
    v1::Feature* feature = node_.usage.add_features();
    feature->set_name("f1");
    feature->set_vendor("genesys.d");
    AddUse("ann", "pc1", "/dev/tty", 101);
    AddUse("bob\n", "pc2", "", 102);
  }
  void AddUse(const char* user, const char* host, const char* display, uint64_t handle) {
    v1::Feature* feature = node_.usage.mutable_features(0);
    if (feature->pools().empty()) feature->add_pools();
    v1::Use* use = feature->mutable_pools(0)->add_uses();
    use->set_user(user);
    use->set_host(host);
    use->set_display(display);
    use->mutable_holding()->set_handle(handle);
  }
  std::vector<std::string> With(std::vector<std::string> arguments) {
    arguments.push_back("-c");
    arguments.push_back(client::FormatAddress(node_.address()));
    return arguments;
  }
  FakeNode node_{1};
};

TEST_F(LmActs, RemovesByTheNamesThatLmstatShows) {
  node_.act_outcome.mutable_removed()->set_checkouts(1);
  EXPECT_EQ(LmremoveVerb(With({"f1", "ann", "pc1", "/dev/tty"})), 0);
  EXPECT_EQ(node_.act.remove().feature(), "f1");
  EXPECT_EQ(node_.act.remove().user(), "ann");
  EXPECT_EQ(node_.act.remove().display(), "/dev/tty");
  EXPECT_EQ(node_.act.remove().handle(), 0u);
  EXPECT_EQ(LmremoveVerb(With({"f1", "bob?", "pc2", "-"})), 0);
  EXPECT_EQ(node_.act.remove().user(), "bob\n") << "as it really is";
  EXPECT_EQ(node_.act.remove().display(), "");
}

TEST_F(LmActs, RemovesByHandle) {
  node_.act_outcome.mutable_removed()->set_checkouts(1);
  const std::string port = absl::StrCat(node_.port);
  EXPECT_EQ(LmremoveVerb(With({"-h", "f1", "127.0.0.1", port, "101"})), 0);
  EXPECT_EQ(node_.act.remove().handle(), 101u);
  EXPECT_FALSE(node_.act.remove().force());
  EXPECT_EQ(LmremoveVerb(With({"-force", "-h", "f1", "127.0.0.1", port, "101"})), 0);
  EXPECT_TRUE(node_.act.remove().force());
  EXPECT_EQ(LmremoveVerb(With({"-h", "f1", "other", port, "101"})), LmExit(-42));
  EXPECT_EQ(LmremoveVerb(With({"-h", "f1", "127.0.0.1", port, "x"})), LmExit(-42));
}

TEST_F(LmActs, WhatIsNotOutOrMayNotBeRemovedHasItsNumber) {
  EXPECT_EQ(LmremoveVerb(With({"f1", "ann", "pc1", ":0"})), LmExit(-42));
  node_.act_outcome.mutable_denied()->set_code(-100);
  EXPECT_EQ(LmremoveVerb(With({"f1", "ann", "pc1", "/dev/tty"})), LmExit(-100));
  EXPECT_EQ(LmremoveVerb(With({"f1", "ann"})), LmExit(-42));
}

TEST_F(LmActs, WhileLeadersChangeItIsAskedAgainUnderOneId) {
  node_.act_outcome.mutable_removed()->set_checkouts(1);
  node_.act_failures = 3;
  EXPECT_EQ(LmremoveVerb(With({"f1", "ann", "pc1", "/dev/tty"})), 0);
  ASSERT_EQ(node_.act_ids.size(), 4u);
  EXPECT_EQ(std::set<std::string>(node_.act_ids.begin(), node_.act_ids.end()).size(), 1u);
  EXPECT_EQ(node_.act_ids[0].size(), 16u);
}

TEST_F(LmActs, WhoeverMayNotIsTold63) {
  node_.act_result = grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not you (-63): x");
  node_.reread_result = node_.act_result;
  node_.stop_result = node_.act_result;
  EXPECT_EQ(LmremoveVerb(With({"f1", "ann", "pc1", "/dev/tty"})), LmExit(-63));
  EXPECT_EQ(LmrereadVerb(With({})), LmExit(-63));
  EXPECT_EQ(LmdownVerb(With({"-q"})), LmExit(-63));
  EXPECT_EQ(LmdownVerb(With({"-q", "-vendor", "genesys.d"})), LmExit(-63));
}

TEST_F(LmActs, RereadSaysThatItWasSuccessful) {
  auto* change = node_.reread_response.add_changes();
  change->set_feature("f1");
  change->set_version("8.0");
  change->set_licenses_before(5);
  change->set_licenses_after(7);
  node_.reread_response.add_diagnostics("license.dat:4:1: f2 has expired");
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(LmrereadVerb(With({"-verbose"})), 0);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "lmutil - Copyright (c) 2026 the Triad authors. All Rights Reserved.\n"
            "f1 v8.0: 5 -> 7 licenses\n"
            "license.dat:4:1: f2 has expired\n"
            "lmreread successful\n");
  node_.reread_response.set_unchanged(true);
  EXPECT_EQ(LmrereadVerb(With({"-vendor", "genesys.d"})), 0);
  EXPECT_EQ(node_.reread_request.vendor(), "genesys.d");
  EXPECT_EQ(LmrereadVerb(With({"-vendor", "nobody"})), LmExit(-97));
}

TEST_F(LmActs, ARefusedStopHasFlexNetsNumber) {
  node_.stop_response.set_code(-120);
  node_.stop_response.set_refusal("licenses are borrowed");
  EXPECT_EQ(LmdownVerb(With({"-q", "-all"})), LmExit(-120));
  EXPECT_TRUE(node_.stop_request.all());
  node_.stop_response.Clear();
  EXPECT_EQ(LmdownVerb(With({"-q", "-vendor", "genesys.d", "-force"})), 0);
  EXPECT_EQ(node_.stop_request.vendor(), "genesys.d");
  EXPECT_EQ(node_.stop_request.id().size(), 16u);
}

// What lmdown prints when this is typed.
std::string Typed(const std::string& typed, const std::vector<std::string>& arguments,
                  int exit_status) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  EXPECT_EQ(write(pipe_ends[1], typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  close(pipe_ends[1]);
  const int kept = dup(STDIN_FILENO);
  dup2(pipe_ends[0], STDIN_FILENO);
  clearerr(stdin);
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(LmdownVerb(arguments), exit_status);
  const std::string out = ::testing::internal::GetCapturedStdout();
  dup2(kept, STDIN_FILENO);
  close(kept);
  close(pipe_ends[0]);
  return out;
}

TEST_F(LmActs, LmdownAsksBeforeItStopsAServer) {
  const std::string prompt = absl::StrCat(
      "lmutil - Copyright (c) 2026 the Triad authors. All Rights Reserved.\n", "Shutting down ",
      client::FormatAddress(node_.address()), "\n", "Are you sure (y/n)? ");
  for (const char* no : {"n\n", "", "\n"}) {
    EXPECT_EQ(Typed(no, With({}), 0), prompt + "nothing was shut down\n");
    EXPECT_EQ(node_.stop_calls, 0);
  }
  node_.stop_response.set_code(-120);
  node_.stop_response.set_refusal("licenses are borrowed");
  EXPECT_EQ(Typed("y\n", With({}), LmExit(-120)),
            prompt + "lmdown: licenses are borrowed (-120)\n");
  EXPECT_EQ(node_.stop_calls, 1);
}

TEST_F(LmActs, NobodyThereIsMinusFifteen) {
  const std::string nobody = client::FormatAddress(Nobody());
  EXPECT_EQ(LmremoveVerb({"f", "u", "h", "d", "-c", nobody}), LmExit(-15));
  EXPECT_EQ(LmrereadVerb({"-c", nobody}), LmExit(-15));
  EXPECT_EQ(LmdownVerb({"-q", "-c", nobody}), LmExit(-15));
  EXPECT_EQ(LmswitchVerb({"v", "/x", "-c", nobody}), LmExit(-15));
}

TEST_F(LmActs, LogsAreSwitchedAsTheirToolsSay) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(LmswitchVerb(With({"genesys.d", "/new"})), 0);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "lmutil - Copyright (c) 2026 the Triad authors. All Rights Reserved.\n"
            "what was written until now is in /old\n");
  EXPECT_EQ(node_.rotate_request.which(), v1::RotateLogsRequest::DEBUG_LOG);
  EXPECT_EQ(node_.rotate_request.new_path(), "/new");
  EXPECT_EQ(LmswitchrVerb(With({"f1", "/new"})), 0);
  EXPECT_EQ(node_.rotate_request.which(), v1::RotateLogsRequest::REPORT_LOG);
  EXPECT_EQ(node_.rotate_request.vendor(), "genesys.d");
  EXPECT_EQ(LmnewlogVerb(With({"genesys.d", "/kept"})), 0);
  EXPECT_EQ(node_.rotate_request.old_path(), "/kept");
  EXPECT_EQ(node_.rotate_request.new_path(), "");
  EXPECT_EQ(LmnewlogVerb(With({"nobody", "/kept"})), LmExit(-97));
}

}  // namespace
}  // namespace triad::cli
