// Random sequences of what happens to a ledger: what lmstat then prints, read back by a reader that
// knows FlexNet's layout alone, equals the ledger's own account.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/lmstat.h"
#include "license/civil.h"
#include "license/ledger.h"
#include "license/ledger_testing.h"
#include "server/usage.h"
#include "tests/lmstat/lmstat_reader.h"

namespace triad::lmstat {
namespace {

using license::Ledger;
using license::testing::ItemOf;
using license::testing::SessionNamed;

constexpr int kSequences = 12;
constexpr int kSteps = 60;

const char* const kLines[] = {
    "INCREMENT f acme 1.0 permanent 5\n",
    "INCREMENT f acme 2.0 31-dec-2030 4\n",
    "INCREMENT g acme 8.1 permanent 1\n",
    "INCREMENT h acme 1.0 permanent 6 LINGER=90 DUP_GROUP=UH\n",
    "INCREMENT b acme 1.0 1-jan-2031 4 BORROW=100\n",
    "FEATURE n acme 1.0 permanent 3 HOSTID=ID=12345678 VENDOR_STRING=a=b;c\n",
    "FEATURE u acme 1.0 permanent uncounted HOSTID=ANY\n",
    "INCREMENT o acme 1.0 permanent 2 OVERDRAFT=1\n",
    "INCREMENT p:q acme 3.0 permanent 7\n",
};
const char* const kOptions =
    "RESERVE 2 h USER bob\nRESERVE 1 f HOST pc1\nGROUP devs ann cid\nRESERVE 2 p:q GROUP devs\n";
const char* const kFeatures[] = {"f", "g", "h", "b", "n", "u", "o", "p:q"};

struct Person {
  const char* user;
  const char* host;
  const char* display;
};
// As odd as they come.
const Person kPeople[] = {
    {"ann", "pc1", ":0"},
    {"bob", "pc2", "/dev/pts/1"},
    {"Quantenna FAE4", "pc3", "w%.=H@QVO!;~_8'"},
    {"cid", "pc1", ""},
    {"(v1.0) (lic1/27000 7), start", "h,h", "), start Fri 1/2 3:04, 9 licenses"},
    {"J\xc3\xbcrgen", "pc\t4", "line\nbreak"},
};

class RoundTrip {
 public:
  explicit RoundTrip(uint64_t seed) : random_(seed) {
    Install(All());
    for (size_t i = 0; i < std::size(kPeople); ++i) Open(i);
  }
  void Step();
  void Compare();

 private:
  uint64_t Draw(uint64_t below) { return random_() % below; }
  v1::Outcome Apply(const v1::Command& command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(wall_ms_);
    record.mutable_stamp()->set_cluster_ms(cluster_ms_);
    record.mutable_stamp()->set_utc_offset_s(7'200);
    *record.mutable_command() = command;
    return ledger_.Apply({ledger_.applied().index + 1, 1}, &record, nullptr);
  }
  static std::string All() {
    std::string lines;
    for (const char* line : kLines) lines += line;
    return lines;
  }
  void Install(const std::string& lines) {
    v1::Command command;
    *command.mutable_install() =
        license::testing::SetOf(lines, kOptions, ledger_.license_set_number());
    ASSERT_TRUE(Apply(command).has_done());
  }
  std::string NameOf(size_t person) const { return absl::StrCat("s", person); }
  void Open(size_t person) {
    const Person& who = kPeople[person];
    v1::Command open = license::testing::OpenAs(NameOf(person), who.user, who.host, who.display);
    open.mutable_open()->set_node(static_cast<uint32_t>(person % 3 + 1));
    open.mutable_open()->mutable_identity()->add_host_ids("ID=12345678");
    Apply(open);
  }
  v1::Request* RequestOf(v1::Command* command, size_t person) {
    v1::Request* request = command->mutable_request();
    request->set_session(SessionNamed(NameOf(person)));
    request->set_seq(++seq_);
    request->set_acked(seq_ - 1);
    return request;
  }
  void Checkout(size_t person);
  void GiveBack(size_t person);
  void Borrow(size_t person);
  void Reserve();

  // The ledger's own account, as the reader would have it.
  std::string Start(int64_t wall_ms, int32_t offset_s) const;
  std::string Shown(const std::string& name) const;
  std::string WhoOf(const license::Checkout& checkout) const;
  std::string WhoOf(const license::Waiter& waiter, const v1::Checkout::Item& item) const;
  void ComparePool(const license::Pool& pool, const ReadFeature& feature);
  std::multiset<std::string> UsesOf(uint64_t pool, const std::string& version) const;
  static std::multiset<std::string> UsesOf(const ReadPool& pool);

  std::mt19937_64 random_;
  Ledger ledger_;
  uint64_t seq_ = 0;
  uint64_t cluster_ms_ = 1'000;
  int64_t wall_ms_ = license::testing::kNoonMs;
};

void RoundTrip::Checkout(size_t person) {
  v1::Command command;
  v1::Checkout* checkout = RequestOf(&command, person)->mutable_checkout();
  *checkout->add_items() = ItemOf(kFeatures[Draw(std::size(kFeatures))], 1 + Draw(4), v1::EXACT,
                                  Draw(3) == 0 ? "1.0" : "");
  if (Draw(4) == 0) checkout->mutable_items(0)->set_checkout_data("APS Base");
  checkout->set_wait(Draw(2) == 0);
  if (Draw(6) == 0) checkout->set_user("on behalf");
  Apply(command);
}

void RoundTrip::GiveBack(size_t person) {
  const auto* session = ledger_.FindSession(SessionNamed(NameOf(person)));
  if (session == nullptr || session->handles.empty()) return;
  v1::Command command;
  auto handle = session->handles.begin();
  std::advance(handle, Draw(session->handles.size()));
  RequestOf(&command, person)->mutable_checkin()->set_handle(*handle);
  Apply(command);
}

void RoundTrip::Borrow(size_t person) {
  v1::Command command;
  v1::Borrow* borrow = RequestOf(&command, person)->mutable_borrow();
  *borrow->mutable_item() = ItemOf("b", 1 + Draw(2));
  borrow->set_until_wall_ms(wall_ms_ + 3'600'000 * static_cast<int64_t>(1 + Draw(90)));
  Apply(command);
}

void RoundTrip::Reserve() {
  const char* const kinds[][2] = {
      {"USER", "bob"}, {"HOST", "pc3"}, {"GROUP", "devs"}, {"PROJECT", "moon"}, {"DISPLAY", ":0"}};
  const auto& kind = kinds[Draw(std::size(kinds))];
  Apply(license::testing::ReserveOf(kFeatures[Draw(std::size(kFeatures))], 1 + Draw(3), kind[0],
                                    kind[1], Draw(2) * 60'000));
}

void RoundTrip::Step() {
  const uint64_t passed = Draw(20'000);
  cluster_ms_ += passed;
  wall_ms_ += static_cast<int64_t>(passed);
  const size_t person = Draw(std::size(kPeople));
  switch (Draw(12)) {
    case 0:
      return GiveBack(person);
    case 1:
      return Borrow(person);
    case 2:
      return Reserve();
    case 3:
      Apply(license::testing::TimePassesNow());
      return;
    case 4:
      if (Draw(3) != 0) return;
      Apply(license::testing::CloseOf(NameOf(person)));
      return Open(person);
    case 5: {
      if (Draw(4) != 0) return;
      std::string lines;  // some are gone, and come back
      for (const char* line : kLines) {
        if (Draw(5) != 0) lines += line;
      }
      return Install(lines);
    }
    case 6: {
      v1::Command command;
      v1::RemoveCheckouts* remove = command.mutable_admin()->mutable_remove();
      remove->set_feature(kFeatures[Draw(std::size(kFeatures))]);
      remove->set_user(kPeople[person].user);
      remove->set_host(kPeople[person].host);
      remove->set_display(kPeople[person].display);
      Apply(command);
      return;
    }
    default:
      return Checkout(person);
  }
}

// "Fri 11/20 17:02", where the leader was.
std::string RoundTrip::Start(int64_t wall_ms, int32_t offset_s) const {
  static const char* const kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const license::Civil at = license::CivilOf(wall_ms, offset_s);
  return absl::StrFormat("%s %d/%d %d:%02d", kDays[at.weekday], at.month, at.day, at.hour,
                         at.minute);
}

// What a line cannot hold is a question mark, and nothing is a dash.
std::string RoundTrip::Shown(const std::string& name) const {
  std::string shown = name.empty() ? "-" : name;
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return shown;
}

std::string RoundTrip::WhoOf(const license::Checkout& checkout) const {
  const v1::Identity& identity = license::IdentityOf(checkout);
  const std::string data = checkout.extra == nullptr ? "" : checkout.extra->checkout_data;
  return absl::StrCat(Shown(license::UserOf(checkout)), " ", Shown(identity.host()), " ",
                      Shown(identity.display()), data.empty() ? "" : " ", data);
}

std::string RoundTrip::WhoOf(const license::Waiter& waiter, const v1::Checkout::Item& item) const {
  const v1::Identity& identity = waiter.session->identity;
  const std::string user =
      waiter.checkout.user().empty() ? identity.user() : waiter.checkout.user();
  return absl::StrCat(Shown(user), " ", Shown(identity.host()), " ", Shown(identity.display()),
                      item.checkout_data().empty() ? "" : " ", item.checkout_data());
}

// One text for each: all that a line says.
std::string LineOf(const ReadUse& use) {
  return absl::StrCat(use.who, "|", use.version, "|", use.handle, "|", use.start, "|", use.count,
                      "|", use.lingers ? absl::StrCat(use.lingered_s, "/", use.linger_s) : "");
}

std::multiset<std::string> RoundTrip::UsesOf(const ReadPool& pool) {
  std::multiset<std::string> uses;
  for (const ReadUse& use : pool.uses) uses.insert(LineOf(use));
  return uses;
}

std::multiset<std::string> RoundTrip::UsesOf(uint64_t pool, const std::string& version) const {
  std::multiset<std::string> uses;
  for (const auto& [handle, checkout] : ledger_.checkouts()) {
    if (checkout->use->pool != pool) continue;
    ReadUse use;
    use.who = WhoOf(*checkout);
    use.version = checkout->version.empty() ? version : checkout->version;
    use.handle = handle;
    use.start = Start(checkout->start_wall_ms, checkout->start_utc_offset_s);
    use.count = checkout->count;
    if (checkout->lingers()) {
      use.lingers = true;
      use.linger_s = checkout->extra->linger_ms / 1'000;
      const uint64_t until = checkout->extra->lingers_until_ms;
      const uint64_t left = until > ledger_.cluster_ms() ? until - ledger_.cluster_ms() : 0;
      use.lingered_s = (checkout->extra->linger_ms - left) / 1'000;
    } else if (checkout->borrowed()) {
      use.lingers = true;
      const int64_t until = checkout->extra->borrowed_until_wall_ms;
      use.linger_s = static_cast<uint64_t>(until - checkout->start_wall_ms) / 1'000;
      const int64_t passed = std::min(ledger_.wall_ms(), until) - checkout->start_wall_ms;
      use.lingered_s = static_cast<uint64_t>(passed) / 1'000;
    }
    uses.insert(LineOf(use));
  }
  return uses;
}

void RoundTrip::ComparePool(const license::Pool& pool, const ReadFeature& feature) {
  const license::PoolUse* use = ledger_.FindUse(pool.id);
  std::multiset<std::string> waiting;
  uint64_t unused = 0;
  if (use != nullptr) {
    for (const auto& reservation : use->reservations)
      unused += reservation.count - reservation.used;
  }
  for (const auto& [ticket, waiter] : ledger_.waiters()) {
    bool first = true;  // shown with the first pool, in grant order, in whose queue it stands
    for (const license::Pool* each : ledger_.catalog().PoolsOf(pool.feature)) {
      const bool stands = std::count(waiter->pools.begin(), waiter->pools.end(), each->id) > 0;
      if (!stands) continue;
      if (first && each->id == pool.id) {
        for (const auto& item : waiter->checkout.items()) {
          if (item.feature() != pool.feature) continue;
          waiting.insert(absl::StrCat(WhoOf(*waiter, item), "|", ticket, "|", item.count()));
        }
      }
      first = false;
    }
  }
  const std::multiset<std::string> uses = UsesOf(pool.id, pool.version);
  const ReadPool* read = nullptr;
  for (const ReadPool& each : feature.pools) {
    if (each.version == pool.version) read = &each;
  }
  const uint64_t licenses = pool.uncounted ? 0 : pool.LicensesOn(ledger_.today());
  const uint64_t out = ledger_.UsedOf(pool.id);
  const uint64_t aside = std::min(unused, licenses - std::min(licenses, out));
  if (read == nullptr) {
    EXPECT_TRUE(uses.empty() && waiting.empty() && aside == 0) << pool.feature;
    return;
  }
  EXPECT_EQ(UsesOf(*read), uses) << pool.feature;
  std::multiset<std::string> read_waiting;
  for (const ReadUse& each : read->waiting) {
    read_waiting.insert(absl::StrCat(each.who, "|", each.handle, "|", each.count));
  }
  EXPECT_EQ(read_waiting, waiting) << pool.feature;
  uint64_t read_aside = 0;
  for (const ReadReservation& each : read->reservations) {
    read_aside += each.count;
    EXPECT_EQ(each.server, "lic2/27000");
  }
  EXPECT_EQ(read_aside, aside) << pool.feature;
  EXPECT_EQ(read->vendor_string, pool.vendor_string);
  EXPECT_EQ(read->kind.find("floating") == 0, pool.host_ids.empty()) << read->kind;
  EXPECT_EQ(read->expiry.find("permanent") == 0, pool.ExpiryText() == "permanent");
}

void RoundTrip::Compare() {
  std::vector<cli::NodeAnswer> nodes;
  for (uint32_t slot = 1; slot <= 3; ++slot) {
    cli::NodeAnswer answer;
    answer.address = {absl::StrCat("lic", slot), 27000};
    v1::NodeStatus status;
    status.set_slot(slot);
    status.set_leader(2);
    status.set_quorum(true);
    status.set_term(1);
    status.set_role(slot == 2 ? "leader" : "follower");
    status.set_version("1.2.3");
    status.add_vendors("acme");
    for (uint32_t other = 1; other <= 3; ++other) {
      auto* node = status.add_nodes();
      node->set_slot(other);
      node->set_address(absl::StrCat("27000@lic", other));
      node->set_connected(true);
    }
    answer.status = status;
    nodes.push_back(answer);
  }
  cli::LmstatChoice choice;
  choice.features = true;
  int error = 0;
  const std::string text =
      cli::LmstatHeader(wall_ms_, 0) +
      cli::LmstatCluster(nodes, server::BuildUsage(ledger_, {}), choice, &error);
  EXPECT_EQ(error, 0);
  const ReadStatus read = ReadLmstat(text);
  EXPECT_TRUE(read.not_understood.empty()) << read.not_understood.front();
  ASSERT_EQ(read.servers.size(), 3u);
  EXPECT_TRUE(read.servers[1].master && !read.servers[0].master && read.servers[2].up);
  EXPECT_EQ(read.vendors_up, std::vector<std::string>{"acme"});
  std::map<std::string, const ReadFeature*> by_name;
  for (const ReadFeature& feature : read.features) by_name[feature.name] = &feature;
  std::map<std::string, uint64_t> issued;
  std::map<std::string, uint64_t> in_use;
  for (const license::Pool& pool : ledger_.catalog().pools()) {
    ASSERT_TRUE(by_name.contains(pool.feature)) << pool.feature << "\n" << text;
    ComparePool(pool, *by_name[pool.feature]);
    if (pool.uncounted) continue;
    const license::PoolSeats seats = ledger_.SeatsOf(pool);
    issued[pool.feature] += seats.licenses;
    in_use[pool.feature] += ledger_.UsedOf(pool.id) + seats.reserved;
  }
  for (const auto& [id, use] : ledger_.uses()) {
    if (ledger_.catalog().FindPool(id) == nullptr) in_use[use.feature] += use.used;
  }
  for (const auto& [name, count] : issued) {
    EXPECT_EQ(by_name[name]->issued, count) << name;
    EXPECT_EQ(by_name[name]->in_use, in_use[name]) << name;
  }
  size_t out = 0;
  for (const ReadFeature& feature : read.features) {
    EXPECT_EQ(feature.vendor, "acme");
    for (const ReadPool& pool : feature.pools) out += pool.uses.size();
  }
  // Also what is out of pools that no line makes any more.
  EXPECT_EQ(out, ledger_.checkouts().size()) << text;
  if (::testing::Test::HasFailure()) std::cerr << text;
}

TEST(LmstatRoundTrip, WhatIsPrintedReadBackIsWhatTheLedgerSays) {
  for (uint64_t seed = 1; seed <= kSequences; ++seed) {
    RoundTrip run(seed);
    for (int step = 0; step < kSteps; ++step) {
      run.Step();
      run.Compare();
      if (::testing::Test::HasFailure()) {
        FAIL() << "seed " << seed << ", step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace triad::lmstat
