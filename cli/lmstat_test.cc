// The layouts of flexnet-facts 3.3, byte by byte.
#include "cli/lmstat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace triad::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Fri 11/20/2026 16:02 UTC.
constexpr int64_t kNow = 1'795'190'523'000;
constexpr int32_t kHour = 3600;

NodeAnswer Up(uint32_t node, bool leads, int of = 3) {
  NodeAnswer answer;
  answer.address = {absl::StrCat("host", node), 27000};
  v1::NodeStatus status;
  status.set_slot(node);
  status.set_role(leads ? "leader" : "follower");
  status.set_leader(of == 1 ? 1 : 2);
  status.set_quorum(true);
  status.set_term(7);
  status.set_version("0.1.0");
  status.add_license_files("/etc/triad/a.lic");
  status.add_license_files("/etc/triad/b.lic");
  status.add_vendors("genesys.d");
  for (int other = 1; other <= of; ++other) {
    auto* entry = status.add_nodes();
    entry->set_slot(static_cast<uint32_t>(other));
    entry->set_address(absl::StrCat("27000@host", other));
    entry->set_connected(true);
  }
  answer.status = status;
  return answer;
}

NodeAnswer Down(uint32_t node, const char* error) {
  NodeAnswer answer;
  answer.address = {absl::StrCat("host", node), 27000};
  answer.error = absl::UnavailableError(error);
  return answer;
}

std::vector<NodeAnswer> Three() {
  return {Up(1, false), Up(2, true), Up(3, false)};
}

v1::Feature* Add(v1::Usage* usage, const std::string& name, uint64_t issued, uint64_t used) {
  v1::Feature* feature = usage->add_features();
  feature->set_name(name);
  feature->set_vendor("genesys.d");
  feature->set_issued(issued);
  feature->set_used(used);
  v1::Pool* pool = feature->add_pools();
  pool->set_version("8.1");
  pool->set_expires("31-dec-2027");
  return feature;
}

v1::Use* Hold(v1::Pool* pool, uint32_t node, uint64_t handle, uint64_t count) {
  v1::Use* use = pool->add_uses();
  use->set_user("alice");
  use->set_host("app1");
  use->set_display("/dev/tty");
  use->set_process_id(4711);
  use->set_node(node);
  use->mutable_holding()->set_handle(handle);
  use->mutable_holding()->set_count(count);
  use->mutable_holding()->set_version("8.000");
  use->mutable_holding()->set_start_wall_ms(kNow);
  use->mutable_holding()->set_start_utc_offset_s(kHour);
  return use;
}

LmstatChoice All() {
  LmstatChoice choice;
  choice.features = true;
  return choice;
}

std::string Render(const std::vector<NodeAnswer>& nodes, const absl::StatusOr<v1::Usage>& usage,
                   const LmstatChoice& choice, int expected_error = 0) {
  int error = 12345;
  std::string out = LmstatCluster(nodes, usage, choice, &error);
  EXPECT_EQ(error, expected_error);
  return out;
}

// From "Feature usage info:" on.
std::string Features(const v1::Usage& usage) {
  LmstatChoice choice = All();
  choice.servers = false;
  const std::string out = Render(Three(), usage, choice);
  const size_t at = out.find("Feature usage info:");
  EXPECT_NE(at, std::string::npos) << out;
  return at == std::string::npos ? "" : out.substr(at);
}

TEST(Lmstat, TheHeaderHasAnUnpaddedDateAndAPaddedHour) {
  EXPECT_EQ(LmstatHeader(kNow, kHour),
            "lmutil - Copyright (c) 2026 the Triad authors. All Rights Reserved.\n"
            "Flexible License Manager status on Fri 11/20/2026 17:02\n\n");
  // Thu 1/1/1970 00:00, and an hour before it.
  EXPECT_THAT(LmstatHeader(0, 0), HasSubstr("status on Thu 1/1/1970 00:00\n"));
  EXPECT_THAT(LmstatHeader(0, -kHour), HasSubstr("status on Wed 12/31/1969 23:00\n"));
}

TEST(Lmstat, AWholeClusterIsLaidOutAsFlexNetDoes) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "tserver_sdn", 144, 4);
  Hold(feature->mutable_pools(0), 2, 5226, 1);
  Hold(feature->mutable_pools(0), 3, 101, 3);
  Add(&usage, "vcb_preview", 5, 0);
  EXPECT_EQ(
      Render(Three(), usage, All()),
      "License server status: 27000@host1,27000@host2,27000@host3\n"
      "    License file(s) on host2: /etc/triad/a.lic:/etc/triad/b.lic:\n"
      "\n"
      "host1: license server UP v0.1.0\n"
      "host2: license server UP (MASTER) v0.1.0\n"
      "host3: license server UP v0.1.0\n"
      "\n"
      "Vendor daemon status (on host2):\n"
      "\n"
      " genesys.d: UP v0.1.0\n"
      "Feature usage info:\n"
      "\n"
      "Users of tserver_sdn:  (Total of 144 licenses issued;  Total of 4 licenses in use)\n"
      "\n"
      "  \"tserver_sdn\" v8.1, vendor: genesys.d, expiry: 31-dec-2027\n"
      "  floating license\n"
      "\n"
      "    alice app1 /dev/tty (v8.000) (host2/27000 5226), start Fri 11/20 17:02\n"
      "    alice app1 /dev/tty (v8.000) (host3/27000 101), start Fri 11/20 17:02, 3 licenses\n"
      "\n"
      "Users of vcb_preview:  (Total of 5 licenses issued;  Total of 0 licenses in use)\n"
      "\n");
}

TEST(Lmstat, OneLicenseIsSingularOnBothCounters) {
  v1::Usage usage;
  Add(&usage, "one", 1, 0);
  EXPECT_THAT(Features(usage),
              HasSubstr("Users of one:  (Total of 1 license issued;  Total of 0 licenses in use)"));
  usage.mutable_features(0)->set_used(1);
  EXPECT_THAT(Features(usage),
              HasSubstr("Users of one:  (Total of 1 license issued;  Total of 1 license in use)"));
}

TEST(Lmstat, PermanentNodeLockedAndVendorStringHaveTheirLines) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "f", 2, 1);
  v1::Pool* pool = feature->mutable_pools(0);
  pool->set_expires("permanent");
  pool->set_vendor_string("licenseType=Server");
  pool->set_host_ids("ID=12345678");
  Hold(pool, 1, 9, 1);
  EXPECT_THAT(Features(usage),
              HasSubstr("  \"f\" v8.1, vendor: genesys.d, expiry: permanent(no expiration date)\n"
                        "  vendor_string: licenseType=Server\n"
                        "  nodelocked license, locked to \"ID=12345678\"\n"
                        "\n"
                        "    alice app1 "));
}

TEST(Lmstat, UncountedIsSaidOnTheUsersLineAndByItsKind) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "SERIAL", 0, 1);
  feature->set_uncounted(true);
  v1::Pool* pool = feature->mutable_pools(0);
  pool->set_uncounted(true);
  pool->set_host_ids("ANY");
  EXPECT_EQ(Features(usage),
            "Feature usage info:\n\nUsers of SERIAL:  (Uncounted, node-locked)\n\n");
  Hold(pool, 1, 9, 1);
  EXPECT_THAT(Features(usage),
              HasSubstr("  uncounted nodelocked license locked to NOTHING (hostid=ANY)\n\n"));
}

TEST(Lmstat, EachPoolInUseHasItsBlock) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "f", 20, 2);
  v1::Pool* second = feature->add_pools();
  second->set_version("7.5");
  second->set_expires("permanent");
  feature->add_pools()->set_version("1.0");  // not in use
  Hold(feature->mutable_pools(0), 1, 1, 1);
  Hold(second, 2, 2, 1);
  EXPECT_EQ(Features(usage),
            "Feature usage info:\n"
            "\n"
            "Users of f:  (Total of 20 licenses issued;  Total of 2 licenses in use)\n"
            "\n"
            "  \"f\" v8.1, vendor: genesys.d, expiry: 31-dec-2027\n"
            "  floating license\n"
            "\n"
            "    alice app1 /dev/tty (v8.000) (host1/27000 1), start Fri 11/20 17:02\n"
            "\n"
            "  \"f\" v7.5, vendor: genesys.d, expiry: permanent(no expiration date)\n"
            "  floating license\n"
            "\n"
            "    alice app1 /dev/tty (v8.000) (host2/27000 2), start Fri 11/20 17:02\n"
            "\n");
}

TEST(Lmstat, TheHourOfAUseIsNotPaddedAndTheVersionIsWhatWasAskedFor) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "f", 2, 1);
  v1::Use* use = Hold(feature->mutable_pools(0), 1, 9, 1);
  use->mutable_holding()->set_start_wall_ms(kNow - 8 * 3600 * 1000);
  use->mutable_holding()->set_start_utc_offset_s(0);
  use->mutable_holding()->set_version("");
  EXPECT_THAT(Features(usage), HasSubstr(" (v8.1) (host1/27000 9), start Fri 11/20 8:02\n"));
}

TEST(Lmstat, OddBytesInNamesStayButCannotBreakALine) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "f", 2, 1);
  v1::Use* use = Hold(feature->mutable_pools(0), 1, 9, 1);
  use->set_user("Quantenna FAE4");
  use->set_display("w%.=H@QVO!;~_8'\n");
  EXPECT_THAT(Features(usage),
              HasSubstr("    Quantenna FAE4 app1 w%.=H@QVO!;~_8'? (v8.000) (host1/27000 9), "));
}

TEST(Lmstat, SeveralVendorsHaveTheirOwnBlocks) {
  std::vector<NodeAnswer> nodes = Three();
  nodes[1].status->add_vendors("mlm");
  v1::Usage usage;
  Add(&usage, "f", 2, 0);
  Add(&usage, "g", 3, 0)->set_vendor("mlm");
  EXPECT_THAT(Render(nodes, usage, All()),
              HasSubstr("Vendor daemon status (on host2):\n"
                        "\n"
                        " genesys.d: UP v0.1.0\n"
                        "Feature usage info:\n"
                        "\n"
                        "Users of f:  (Total of 2 licenses issued;  Total of 0 licenses in use)\n"
                        "\n"
                        "       mlm: UP v0.1.0\n"
                        "Feature usage info:\n"
                        "\n"
                        "Users of g:  (Total of 3 licenses issued;  Total of 0 licenses in use)\n"
                        "\n"));
}

TEST(Lmstat, ANodeThatIsDownIsALineAndNotAFailure) {
  std::vector<NodeAnswer> nodes = {Down(1, "Connection refused"), Up(2, true),
                                   Down(3, "no answer in time")};
  nodes[2].address = {"host3", 27000};
  EXPECT_THAT(
      Render(nodes, v1::Usage(), All()),
      HasSubstr("host1: Cannot connect to license server system. (-15,570:111 \"Connection "
                "refused\")\n"
                "host2: license server UP (MASTER) v0.1.0\n"
                "host3: Cannot connect to license server system. (-15,570:115 \"Operation now in "
                "progress\")\n"
                "\n"));
}

TEST(Lmstat, WhenNothingAnswersTheErrorIsAllThereIs) {
  EXPECT_EQ(Render({Down(1, "Connection refused"), Down(2, "Connection refused"),
                    Down(3, "Connection refused")},
                   absl::UnavailableError(""), All(), -15),
            "Error getting status: Cannot connect to license server (-15,570:111 \"Connection "
            "refused\")\n");
}

TEST(Lmstat, WithoutQuorumTheVendorIsDown) {
  NodeAnswer alone = Up(1, false);
  alone.status->set_quorum(false);
  alone.status->set_leader(0);
  const std::string out = Render({alone, Down(2, "refused"), Down(3, "refused")},
                                 absl::UnavailableError(""), All(), -97);
  EXPECT_THAT(out, HasSubstr("host1: license server UP v0.1.0\n"));
  EXPECT_THAT(out, Not(HasSubstr("MASTER")));
  EXPECT_THAT(out, HasSubstr("Vendor daemon status (on host1):\n\n"
                             " genesys.d: The desired vendor daemon is down. (-97,121)\n"));
}

TEST(Lmstat, ASingleServerIsAlwaysMaster) {
  EXPECT_THAT(Render({Up(1, true, 1)}, v1::Usage(), LmstatChoice()),
              HasSubstr("License server status: 27000@host1\n"
                        "    License file(s) on host1: /etc/triad/a.lic:/etc/triad/b.lic:\n"
                        "\n"
                        "host1: license server UP (MASTER) v0.1.0\n"));
}

TEST(Lmstat, AFeatureThatIsNotThereHasItsOwnError) {
  LmstatChoice choice = All();
  choice.feature = "nosuch";
  v1::Usage usage;
  EXPECT_THAT(Render(Three(), usage, choice, -5),
              HasSubstr("Users of nosuch: Cannot get users of nosuch: No such feature exists. "
                        "(-5,222)\n"));
}

TEST(Lmstat, ChoicesLeaveOutTheRest) {
  v1::Usage usage;
  Add(&usage, "idle", 2, 0);
  Hold(Add(&usage, "busy", 2, 1)->mutable_pools(0), 1, 9, 1);
  LmstatChoice choice = All();
  choice.in_use_only = true;
  EXPECT_THAT(Render(Three(), usage, choice), Not(HasSubstr("idle")));
  choice = All();
  choice.users = false;
  EXPECT_THAT(Render(Three(), usage, choice), Not(HasSubstr("alice")));
  choice = LmstatChoice();
  EXPECT_THAT(Render(Three(), usage, choice), Not(HasSubstr("Feature usage info")));
  choice = All();
  choice.vendor = "mlm";
  EXPECT_THAT(Render(Three(), usage, choice, -97),
              HasSubstr("       mlm: The desired vendor daemon is down. (-97,121)\n"));
}

TEST(Lmstat, TheFileTableSaysWhatTheFileSays) {
  const license::LicenseFile file = license::ReadLicenseFile(
      "a.lic",
      "FEATURE tserver_sdn genesys.d 8.1 31-dec-2027 100 SIGN=0\n"
      "FEATURE site genesys.d 8.0 permanent uncounted HOSTID=ANY SIGN=0\n");
  EXPECT_EQ(LmstatFileTable({file}, ""),
            "NOTE: lmstat -i reads the license files on this machine; it does not ask the\n"
            "NOTE: license servers, which may serve another set of licenses.\n"
            "NOTE: lmstat -a shows what they serve.\n"
            "\n"
            "Feature                         Version     #licenses    Vendor        Expires\n"
            "_______                         _______     _________    ______        _______\n"
            "tserver_sdn                     8.1         100          genesys.d     31-dec-2027\n"
            "site                            8.0         uncounted    genesys.d     "
            "permanent(no expiration date)\n");
  EXPECT_THAT(LmstatFileTable({file}, "site"), Not(HasSubstr("tserver_sdn")));
}

TEST(Lmstat, TheVersionLineHasFlexNetsForm) {
  EXPECT_EQ(LmVersion("lmstat"), "lmstat v0.1.0 build 0 x64_lsb\n");
}

// --- reservations, lingers, borrows, queues ---

v1::PoolReservation* Reserve(v1::Pool* pool, const char* type, const char* name, uint64_t count,
                             uint64_t used) {
  v1::PoolReservation* reservation = pool->add_reservations();
  reservation->set_type(type);
  reservation->set_name(name);
  reservation->set_count(count);
  reservation->set_used(used);
  return reservation;
}

TEST(Lmstat, WhatIsSetAsideIsInUseAndHasItsLine) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "f", 60, 2);
  feature->set_reserved(53);
  v1::Pool* pool = feature->mutable_pools(0);
  pool->set_licenses(60);
  pool->set_used(2);
  Hold(pool, 2, 7, 2);
  Reserve(pool, "HOST", "h1", 1, 0);
  Reserve(pool, "USER", "bob", 3, 2);
  Reserve(pool, "GROUP", "devs", 48, 0);
  Reserve(pool, "HOST_GROUP", "lab", 1, 0);
  Reserve(pool, "DISPLAY", "x:0", 1, 1);
  Reserve(pool, "PROJECT", "moon", 1, 0);
  Reserve(pool, "INTERNET", "10.0.*.*", 1, 0);
  EXPECT_EQ(Features(usage),
            "Feature usage info:\n"
            "\n"
            "Users of f:  (Total of 60 licenses issued;  Total of 55 licenses in use)\n"
            "\n"
            "  \"f\" v8.1, vendor: genesys.d, expiry: 31-dec-2027\n"
            "  floating license\n"
            "\n"
            "    alice app1 /dev/tty (v8.000) (host2/27000 7), start Fri 11/20 17:02, 2 licenses\n"
            "\t1 RESERVATION for HOST h1 (host2/27000)\n"
            "\t1 RESERVATION for USER bob (host2/27000)\n"
            "\t48 RESERVATIONs for GROUP devs (host2/27000)\n"
            "\t1 RESERVATION for HOST_GROUP lab (host2/27000)\n"
            "\t1 RESERVATION for PROJECT moon (host2/27000)\n"
            "\t1 RESERVATION for INTERNET 10.0.*.* (host2/27000)\n"
            "\n");
}

TEST(Lmstat, ReservationsAloneAreShownThoughNobodyHoldsOne) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "f", 1, 0);
  feature->set_reserved(1);
  feature->mutable_pools(0)->set_licenses(1);
  Reserve(feature->mutable_pools(0), "USER", "ann", 5, 0);  // more than there are
  EXPECT_THAT(Features(usage),
              HasSubstr("Users of f:  (Total of 1 license issued;  Total of 1 license in use)\n"
                        "\n"
                        "  \"f\" v8.1, vendor: genesys.d, expiry: 31-dec-2027\n"
                        "  floating license\n"
                        "\n"
                        "\t1 RESERVATION for USER ann (host2/27000)\n"
                        "\n"));
}

TEST(Lmstat, ALingerTellsSecondsSoFarAndInAll) {
  v1::Usage usage;
  v1::Use* use = Hold(Add(&usage, "f", 2, 1)->mutable_pools(0), 0, 9, 1);
  use->set_lingered_ms(61'500);
  use->set_linger_ms(300'000);
  EXPECT_THAT(Features(usage),
              HasSubstr("    alice app1 /dev/tty (v8.000) (host2/27000 9), start Fri 11/20 17:02 "
                        "(linger: 61 / 300)\n"));
}

TEST(Lmstat, ABorrowedOneIsALongLinger) {
  v1::Usage usage;
  usage.set_now_wall_ms(kNow + 3'600'000);
  v1::Use* use = Hold(Add(&usage, "f", 2, 2)->mutable_pools(0), 1, 9, 2);
  use->mutable_holding()->set_borrowed_until_wall_ms(kNow + 14LL * 86'400'000);
  EXPECT_THAT(Features(usage), HasSubstr(", start Fri 11/20 17:02, 2 licenses (linger: 3600 / "
                                         "1209600)\n"));
}

TEST(Lmstat, WhoeverWaitsHasALineInTheBlockOfTheFirstPool) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "f", 2, 2);
  feature->mutable_pools(0)->set_id(1);
  Hold(feature->mutable_pools(0), 1, 9, 2);
  for (const uint64_t count : {1, 3}) {
    v1::Waiter* waiter = feature->add_waiting();
    waiter->set_user("bob");
    waiter->set_host("pc2");
    waiter->set_display("/dev/pts/1");
    waiter->set_checkout_data(count == 1 ? "2017.06" : "");
    waiter->set_version("8.0");
    waiter->set_ticket(100 + count);
    waiter->set_count(count);
    waiter->set_node(3);
    waiter->set_pool(1);
  }
  EXPECT_THAT(Features(usage),
              HasSubstr("), start Fri 11/20 17:02, 2 licenses\n"
                        "    bob pc2 /dev/pts/1 2017.06 (v8.0) (host3/27000 101) queued for 1 "
                        "license\n"
                        "    bob pc2 /dev/pts/1 (v8.0) (host3/27000 103) queued for 3 licenses\n"
                        "\n"));
}

TEST(Lmstat, CheckoutDataIsAWordOfItsOwnAndAMissingNameIsADash) {
  v1::Usage usage;
  v1::Use* use = Hold(Add(&usage, "f", 2, 1)->mutable_pools(0), 1, 9, 1);
  use->mutable_holding()->set_checkout_data("MSCONE:ADAMS_View");
  use->set_display("");
  EXPECT_THAT(Features(usage),
              HasSubstr("    alice app1 - MSCONE:ADAMS_View (v8.000) (host1/27000 9), "));
}

TEST(Lmstat, AFeatureWithoutALineKeepsItsHolders) {
  v1::Usage usage;
  v1::Feature* feature = Add(&usage, "old", 0, 5);
  feature->set_gone(true);
  feature->mutable_pools(0)->clear_version();
  feature->mutable_pools(0)->clear_expires();
  Hold(feature->mutable_pools(0), 1, 9, 5);
  EXPECT_THAT(Features(usage),
              HasSubstr("Users of old:  (Error: 5 licenses, unsupported by licensed server)\n"
                        "\n"
                        "  \"old\" v0, vendor: genesys.d\n"
                        "  floating license\n"
                        "\n"
                        "    alice app1 /dev/tty (v8.000) (host1/27000 9), start Fri 11/20 17:02, "
                        "5 licenses\n"));
}

TEST(Lmstat, AStoppedVendorIsDownAndTheOthersAreNot) {
  std::vector<NodeAnswer> nodes = Three();
  for (NodeAnswer& node : nodes) {
    node.status->add_vendors("mlm");
    node.status->add_stopped_vendors("genesys.d");
  }
  v1::Usage usage;
  Add(&usage, "f", 2, 0);
  Add(&usage, "g", 3, 0)->set_vendor("mlm");
  const std::string out = Render(nodes, usage, All());
  EXPECT_THAT(out, HasSubstr(" genesys.d: The desired vendor daemon is down. (-97,121)\n"
                             "       mlm: UP v0.1.0\n"
                             "Feature usage info:\n\nUsers of g:"));
  EXPECT_THAT(out, Not(HasSubstr("Users of f")));
}

TEST(Lmstat, InTheMiddleOfAnElectionTheServersAreUpAndNoneIsMaster) {
  std::vector<NodeAnswer> nodes = Three();
  for (NodeAnswer& node : nodes) {
    node.status->set_quorum(false);
    node.status->set_leader(0);
    node.status->set_role("candidate");
  }
  const std::string out = Render(nodes, absl::UnavailableError("no leader"), All(), -97);
  EXPECT_THAT(out, HasSubstr("host1: license server UP v0.1.0\n"
                             "host2: license server UP v0.1.0\n"
                             "host3: license server UP v0.1.0\n"));
  EXPECT_THAT(out, HasSubstr(" genesys.d: The desired vendor daemon is down. (-97,121)\n"));
}

TEST(Lmstat, EachNodeMayBeTheOneThatIsDown) {
  for (uint32_t down = 1; down <= 3; ++down) {
    const uint32_t leader = down == 2 ? 3 : 2;
    std::vector<NodeAnswer> nodes;
    for (uint32_t node = 1; node <= 3; ++node) {
      nodes.push_back(node == down ? Down(node, "Connection refused") : Up(node, node == leader));
      if (nodes.back().status) nodes.back().status->set_leader(leader);
    }
    const std::string out = Render(nodes, v1::Usage(), LmstatChoice());
    for (uint32_t node = 1; node <= 3; ++node) {
      const std::string line = node == down
                                   ? ": Cannot connect to license server system. (-15,570:111 "
                                     "\"Connection refused\")\n"
                               : node == leader ? ": license server UP (MASTER) v0.1.0\n"
                                                : ": license server UP v0.1.0\n";
      EXPECT_THAT(out, HasSubstr(absl::StrCat("\nhost", node, line)));
    }
  }
}

TEST(Lmstat, OneServerSecondsAndProjectsCanBeChosen) {
  v1::Usage usage;
  v1::Use* use = Hold(Add(&usage, "f", 2, 1)->mutable_pools(0), 1, 9, 1);
  use->set_project("moon");
  LmstatChoice choice = All();
  choice.server = "host3";
  choice.seconds = true;
  choice.projects = true;
  const std::string out = Render(Three(), usage, choice);
  EXPECT_THAT(out, HasSubstr("\n\nhost3: license server UP v0.1.0\n\n"));
  EXPECT_THAT(out, Not(HasSubstr("host1: ")));
  EXPECT_THAT(out, HasSubstr(", start Fri 11/20 17:02:03, project: moon\n"));
}

TEST(Lmstat, ProcessesStandBehindTheCountWhereTheyAreAskedFor) {
  v1::Usage usage;
  Hold(Add(&usage, "f", 9, 5)->mutable_pools(0), 1, 9, 3);
  v1::Use* lingers = Hold(usage.mutable_features(0)->mutable_pools(0), 1, 10, 2);
  lingers->set_lingered_ms(61'500);
  lingers->set_linger_ms(300'000);
  LmstatChoice choice = All();
  EXPECT_THAT(Render(Three(), usage, choice), Not(HasSubstr("PID")));
  choice.processes = true;
  const std::string out = Render(Three(), usage, choice);
  EXPECT_THAT(out, HasSubstr(" 9), start Fri 11/20 17:02, 3 licenses, PID: 4711\n"));
  EXPECT_THAT(out, HasSubstr(", 2 licenses, PID: 4711 (linger: 61 / 300)\n"));
}

TEST(Lmstat, WhatIsNoServerOfOursIsNamed) {
  EXPECT_EQ(Render({Down(1, "27000@host1 is not a Triad license server: ... (-12)")},
                   absl::UnavailableError(""), All(), -12),
            "Error getting status: 27000@host1 is not a Triad license server: ... (-12)\n");
}

TEST(Lmstat, ServersThatTellOnlyAdministratorsSaySo) {
  EXPECT_EQ(Render(Three(), absl::PermissionDeniedError("you are not one (-63)"), All(), -63),
            "Error getting status: you are not one (-63)\n");
}

}  // namespace
}  // namespace triad::cli
