// Random histories against a model that is small enough to be believed: a list of what is out,
// searched from end to end. Two ledgers run side by side; one is restored from its rows now and
// then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using testing::CheckinOf;
using testing::CheckoutOf;
using testing::ItemOf;
using testing::kDayMs;
using testing::kNoonMs;
using testing::MemoryStore;
using testing::OpenOf;
using testing::SessionNamed;
using testing::SetOf;
using testing::TokenNamed;

constexpr size_t kSessionsMaxHere = 4;
constexpr size_t kCheckoutsMaxHere = 30;

struct ModelPool {
  std::string feature;
  std::string version;
  uint64_t licenses = 0;
  int last_day = 1000;  // days after the first; far: permanent
  bool uncounted = false;
};

struct LicenseSet {
  std::string lines;
  std::vector<ModelPool> pools;  // of one feature: higher version first
};

// The sets that are installed in turn. Day 0 is 15-jun-2026.
const std::vector<LicenseSet>& Sets() {
  static const auto* const sets = new std::vector<LicenseSet>{
      {"INCREMENT a acme 1.0 permanent 5\n"
       "INCREMENT a acme 2.0 18-jun-2026 3\n"
       "INCREMENT b acme 1.0 permanent 4\n"
       "INCREMENT c acme 1.0 permanent uncounted HOSTID=ANY\n",
       {{"a", "2.0", 3, 3}, {"a", "1.0", 5}, {"b", "1.0", 4}, {"c", "1.0", 0, 1000, true}}},
      {"INCREMENT a acme 1.0 permanent 2\n"
       "INCREMENT a acme 2.0 permanent 6\n"
       "INCREMENT c acme 1.0 permanent uncounted HOSTID=ANY\n",
       {{"a", "2.0", 6}, {"a", "1.0", 2}, {"c", "1.0", 0, 1000, true}}},
      {"INCREMENT a acme 3.0 20-jun-2026 2\n"
       "INCREMENT b acme 1.0 permanent 3\n"
       "INCREMENT b acme 1.0 19-jun-2026 4\n",
       {{"a", "3.0", 2, 5}, {"b", "1.0", 3, 1000}}},  // b: 4 more until day 4, see LicensesOf
  };
  return *sets;
}

uint64_t LicensesOf(const ModelPool& pool, size_t set, int day) {
  if (set % 3 == 2 && pool.feature == "b" && day <= 4) return pool.licenses + 4;
  return pool.licenses;
}

// What a command should be answered, in a word: "granted a/2.0/3", "denied -4", "refused 3",
// "done", "session 2".
class Model {
 public:
  std::string Apply(const v1::Command& command, uint64_t index, uint64_t term, int day) {
    index_ = index;
    day_ = std::max(day_, day);
    if (command.has_install()) return Install(command.install());
    if (command.has_open()) return Open(command.open());
    if (command.has_attach()) return Attach(command.attach());
    if (command.has_detach()) return Detach(command.detach());
    if (command.has_close()) return Close(command.close());
    if (command.has_expire()) return Expire(command.expire(), term);
    return Request(command.request());
  }

  struct Out {
    std::string session;
    std::string feature;
    std::string version;
    uint64_t count;
    uint64_t handle;
  };
  struct Member {
    std::string token;
    uint64_t attachment;
    uint32_t node;
    uint64_t seen;
    bool detached = false;
    bool untouched = true;
    uint64_t acked = 0;
    std::map<uint64_t, std::string> answers = {};
  };

  uint64_t Used(const std::string& feature, const std::string& version) const {
    uint64_t used = 0;
    for (const Out& out : outs) {
      if (out.feature == feature && out.version == version) used += out.count;
    }
    return used;
  }

  uint64_t sets = 0;
  std::map<std::string, Member> members;
  std::vector<Out> outs;

 private:
  std::string Install(const v1::InstallLicenses& install) {
    if (install.replaces() != sets) return "refused 8";
    ++sets;
    return "done";
  }

  std::string Open(const v1::OpenSession& open) {
    auto entry = members.find(open.session());
    if (entry == members.end()) {
      if (members.size() == kSessionsMaxHere) return "refused 6";
      members[open.session()] = {open.token_hash(), open.attachment(), open.node(), index_};
      return "session " + std::to_string(open.attachment());
    }
    Member& member = entry->second;
    const bool same = member.token == open.token_hash();
    if (same) member.seen = index_;
    if (same && member.attachment == open.attachment()) {
      return "session " + std::to_string(open.attachment());
    }
    if (member.untouched && open.attachment() > member.attachment) {
      member = {open.token_hash(), open.attachment(), open.node(), index_};
      return "session " + std::to_string(open.attachment());
    }
    return same || member.untouched ? "refused 3" : "refused 2";
  }

  std::string Attach(const v1::AttachSession& attach) {
    auto entry = members.find(attach.session());
    if (entry == members.end()) return "refused 1";
    Member& member = entry->second;
    if (member.token != attach.token_hash()) return "refused 2";
    member.seen = index_;
    member.untouched = false;
    if (attach.attachment() > member.attachment) {
      member.attachment = attach.attachment();
      member.node = attach.node();
      member.detached = false;
    } else if (attach.attachment() != member.attachment || attach.node() != member.node) {
      return "refused 3";
    }
    return "session " + std::to_string(member.attachment);
  }

  std::string Detach(const v1::DetachSession& detach) {
    auto entry = members.find(detach.session());
    if (entry != members.end() && entry->second.attachment == detach.attachment() &&
        !entry->second.detached) {
      entry->second.detached = true;
      entry->second.untouched = false;
      entry->second.seen = index_;
    }
    return "done";
  }

  std::string Close(const v1::CloseSession& close) {
    auto entry = members.find(close.session());
    if (entry == members.end()) return "done";
    if (!close.token_hash().empty() && close.token_hash() != entry->second.token) {
      return "refused 2";
    }
    Forget(close.session());
    return "done";
  }

  std::string Expire(const v1::ExpireSession& expire, uint64_t term) {
    auto entry = members.find(expire.session());
    if (entry == members.end() || expire.term() != term) return "done";
    const Member& member = entry->second;
    if (expire.attachment() == member.attachment && expire.last_seen_index() == member.seen &&
        (member.detached || !expire.connection_lost())) {
      Forget(expire.session());
    }
    return "done";
  }

  void Forget(const std::string& session) {
    members.erase(session);
    std::erase_if(outs, [&](const Out& out) { return out.session == session; });
  }

  std::string Request(const v1::Request& request) {
    auto entry = members.find(request.session());
    if (entry == members.end()) return "refused 1";
    Member& member = entry->second;
    member.seen = index_;
    member.untouched = false;
    if (request.acked() >= request.seq()) return "refused 7";
    member.acked = std::max(member.acked, request.acked());
    std::erase_if(member.answers, [&](const auto& kept) { return kept.first <= member.acked; });
    if (request.seq() <= member.acked) return "refused 4";
    if (auto kept = member.answers.find(request.seq()); kept != member.answers.end()) {
      return kept->second;
    }
    if (request.seq() > member.acked + kPendingPerSessionMax) return "refused 5";
    return member.answers[request.seq()] =
               request.has_checkin() ? Checkin(request.session(), request.checkin().handle())
                                     : Checkout(request.session(), request.checkout());
  }

  std::string Checkin(const std::string& session, uint64_t handle) {
    const size_t returned = std::erase_if(
        outs, [&](const Out& out) { return out.session == session && out.handle == handle; });
    return returned == 1 ? "done" : "refused 7";
  }

  std::string Checkout(const std::string& session, const v1::Checkout& checkout) {
    for (const auto& item : checkout.items()) {
      if (item.count() == 0 && item.mode() != v1::ALL) return "refused 7";
    }
    const std::vector<Out> before = outs;
    const uint64_t next_before = next_handle_;
    if (outs.size() + static_cast<size_t>(checkout.items_size()) > kCheckoutsMaxHere) {
      return "refused 5";
    }
    std::string granted = "granted";
    for (const auto& item : checkout.items()) {
      const std::string answer = Take(session, item);
      if (answer.starts_with("denied")) {
        outs = before;
        next_handle_ = next_before;
        return answer;
      }
      granted += " " + answer;
    }
    return granted;
  }

  std::string Take(const std::string& session, const v1::Checkout::Item& item) {
    uint64_t held = 0;
    for (const Out& out : outs) {
      if (out.session == session && out.feature == item.feature()) held += out.count;
    }
    bool known = false;
    bool version_low = false;
    bool expired = false;
    uint64_t most = 0;
    uint64_t together = 0;
    uint64_t best_free = 0;
    const ModelPool* best = nullptr;
    uint64_t want = item.mode() == v1::ALL ? 9999 : item.count();
    if (item.mode() != v1::EXACT) want = std::min(want, 9999 - held);
    if (sets == 0) return "denied -5";
    const size_t set = (sets - 1) % Sets().size();
    for (const ModelPool& pool : Sets()[set].pools) {
      if (pool.feature != item.feature()) continue;
      known = true;
      if (pool.version < item.version()) {
        version_low = true;
        continue;
      }
      if (day_ > pool.last_day) {
        expired = true;
        continue;
      }
      const uint64_t licenses = pool.uncounted ? 1'000'000 : LicensesOf(pool, set, day_);
      const uint64_t used = pool.uncounted ? 0 : Used(pool.feature, pool.version);
      const uint64_t free = licenses - std::min(licenses, used);
      most = std::max(most, licenses);
      if (licenses >= want) together += free;
      if (best_free < want && free > best_free) {
        best_free = free;
        best = &pool;
      }
    }
    if (!known) return "denied -5";
    if (item.mode() == v1::EXACT ? held + want > 9999 : held == 9999) return "denied -87";
    if (most == 0) return version_low ? "denied -25" : expired ? "denied -10" : "denied ?";
    if (item.mode() == v1::EXACT && want > most) return "denied -26";
    if (item.mode() == v1::EXACT ? best_free < want : best_free == 0) {
      return item.mode() == v1::EXACT && together >= want ? "denied -93" : "denied -4";
    }
    const uint64_t count = std::min(want, best_free);
    outs.push_back({session, best->feature, best->version, count, next_handle_++});
    return best->feature + "/" + best->version + "/" + std::to_string(count);
  }

  uint64_t index_ = 0;
  int day_ = 0;
  uint64_t next_handle_ = kFirstHandle;
};

class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {}

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) Step();
    if (!::testing::Test::HasFailure()) CompareDigests();
  }

  std::map<std::string, int> answers;  // first word and number -> times, over all steps

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  std::string Name() { return std::string(1, static_cast<char>('p' + Below(6))); }

  void Step() {
    if (OneIn(30)) term_ += 1;
    if (OneIn(300)) day_ += 1;
    const v1::Command command = Draw();
    v1::LogRecord record;
    *record.mutable_command() = command;
    record.mutable_stamp()->set_cluster_ms(applied_ * 10);
    const int day = OneIn(10) && day_ > 0 ? day_ - 1 : day_;  // another leader's clock is behind
    record.mutable_stamp()->set_wall_ms(kNoonMs + day * kDayMs);
    const LogPosition position{++applied_, term_};

    std::vector<LedgerEvent> events;
    const v1::Outcome outcome = restored_.Apply(position, &record, &events);
    const v1::Outcome other = steady_.Apply(position, &record, nullptr);
    ASSERT_EQ(outcome.SerializeAsString(), other.SerializeAsString());
    if (command.has_install() && outcome.has_done()) LearnPools();
    const std::string expected = model_.Apply(command, applied_, term_, day);
    ASSERT_EQ(Describe(outcome), expected) << command.ShortDebugString() << "\n"
                                           << outcome.ShortDebugString();
    answers[expected.substr(0, expected.find('/'))] += 1;
    CheckOnce(command, outcome);
    CheckCounts(outcome);
    CheckEvents(events);
    if (OneIn(20)) Save();
    if (OneIn(50)) Restore();
    if (OneIn(25)) CompareDigests();
  }

  v1::Command Draw() {
    switch (Below(24)) {
      case 0:
      case 1:
        return OpenOf(Name(), 1 + Below(3), 1 + static_cast<uint32_t>(Below(3)),
                      OneIn(4) ? "other" : "token");
      case 2: {
        v1::Command command;
        command.mutable_attach()->set_session(SessionNamed(Name()));
        command.mutable_attach()->set_token_hash(TokenNamed(OneIn(8) ? "other" : "token"));
        command.mutable_attach()->set_attachment(1 + Below(6));
        command.mutable_attach()->set_node(1 + static_cast<uint32_t>(Below(3)));
        return command;
      }
      case 3: {
        v1::Command command;
        command.mutable_detach()->set_session(SessionNamed(Name()));
        command.mutable_detach()->set_attachment(1 + Below(6));
        return command;
      }
      case 4:
        return OneIn(4) ? DrawClose() : DrawExpiry();
      case 5:
        return OneIn(8) ? DrawInstall() : OpenOf(Name());
      default:
        return DrawRequest();
    }
  }

  v1::Command DrawClose() {
    v1::Command command;
    command.mutable_close()->set_session(SessionNamed(Name()));
    if (OneIn(2)) command.mutable_close()->set_token_hash(TokenNamed("token"));
    return command;
  }

  v1::Command DrawExpiry() {
    v1::Command command;
    v1::ExpireSession& expire = *command.mutable_expire();
    expire.set_session(SessionNamed(Name()));
    expire.set_term(OneIn(4) ? term_ - 1 : term_);
    if (const Session* session = steady_.FindSession(expire.session())) {
      expire.set_attachment(session->attachment);
      expire.set_last_seen_index(session->last_seen_index - (OneIn(4) ? 1 : 0));
    }
    expire.set_connection_lost(OneIn(2));
    return command;
  }

  v1::Command DrawInstall() {
    v1::Command command;
    const uint64_t sets = model_.sets;
    *command.mutable_install() = SetOf(Sets()[sets % Sets().size()].lines, sets);
    if (OneIn(4)) command.mutable_install()->set_replaces(sets + 1);
    return command;
  }

  v1::Command DrawRequest() {
    const std::string name = Name();
    uint64_t& last = last_seq_[name];
    const bool again = last > 0 && OneIn(4);
    const uint64_t seq = again ? last - Below(std::min<uint64_t>(last, 4)) : ++last;
    uint64_t acked = seq - std::min<uint64_t>(seq, 1 + Below(6));
    if (OneIn(100)) acked = seq;
    const uint64_t far = OneIn(100) ? seq + 2000 : seq;
    if (OneIn(3)) return CheckinOf(name, far, kFirstHandle + DrawHandle(), acked);
    std::vector<v1::Checkout::Item> items(1 + Below(OneIn(3) ? 4 : 1));
    for (v1::Checkout::Item& item : items) {
      const std::string feature(1, static_cast<char>('a' + Below(OneIn(10) ? 4 : 3)));
      const uint64_t count = feature == "c" && OneIn(2) ? Below(11'000) : Below(OneIn(5) ? 9 : 4);
      const char* versions[] = {"", "", "1.0", "2.0", "4.0"};
      item = ItemOf(feature, count, static_cast<v1::CountMode>(Below(3)),
                    versions[Below(OneIn(5) ? 5 : 3)]);
    }
    return CheckoutOf(name, far, items, acked);
  }

  // Mostly one that is out.
  uint64_t DrawHandle() {
    if (model_.outs.empty() || OneIn(8)) return Below(50);
    return model_.outs[Below(model_.outs.size())].handle - kFirstHandle;
  }

  std::string Describe(const v1::Outcome& outcome) {
    if (outcome.has_done()) return "done";
    if (outcome.has_session()) return "session " + std::to_string(outcome.session().attachment());
    if (outcome.has_refused()) return "refused " + std::to_string(outcome.refused().why());
    if (outcome.has_denied()) return "denied " + std::to_string(outcome.denied().code());
    std::string granted = "granted";
    for (const v1::Holding& holding : outcome.granted().holdings()) {
      granted += " " + pools_[holding.pool()] + "/" + std::to_string(holding.count());
    }
    return granted;
  }

  void LearnPools() {
    for (const Pool& pool : steady_.catalog().pools()) {
      pools_[pool.id] = pool.feature + "/" + pool.version;
    }
  }

  // (session, seq) has one effect: its outcome is always the first one, or a refusal that says it
  // was not executed now.
  void CheckOnce(const v1::Command& command, const v1::Outcome& outcome) {
    if (!command.has_request()) return;
    const v1::Request& request = command.request();
    const Session* session = steady_.FindSession(request.session());
    if (session == nullptr || !session->results.contains(request.seq())) return;
    const auto key = std::make_tuple(request.session(), session->opened_index, request.seq());
    const std::string bytes = outcome.SerializeAsString();
    auto [first, fresh] = first_answers_.try_emplace(key, bytes);
    ASSERT_TRUE(fresh || first->second == bytes ||
                outcome.refused().why() == v1::Refused::MALFORMED)
        << command.ShortDebugString();
  }

  void CheckCounts(const v1::Outcome& outcome) {
    ASSERT_TRUE(steady_.CheckInvariants().ok()) << steady_.CheckInvariants();
    std::map<uint64_t, uint64_t> used;
    for (const auto& [handle, checkout] : steady_.checkouts()) {
      used[checkout->use->pool] += checkout->count;
    }
    for (const auto& [id, name] : pools_) {
      const size_t slash = name.find('/');
      ASSERT_EQ(used[id], model_.Used(name.substr(0, slash), name.substr(slash + 1))) << name;
      ASSERT_EQ(used[id], steady_.UsedOf(id)) << name;
    }
    ASSERT_EQ(steady_.checkouts().size(), model_.outs.size());
    if (!outcome.has_granted()) return;
    for (const v1::Holding& holding : outcome.granted().holdings()) {
      if (holding.granted_index() != applied_) continue;  // an answer again
      const Pool* pool = steady_.catalog().FindPool(holding.pool());
      ASSERT_NE(pool, nullptr);
      ASSERT_TRUE(pool->uncounted || used[pool->id] <= pool->LicensesOn(steady_.today()));
    }
  }

  // Who follows the events knows what is out.
  void CheckEvents(const std::vector<LedgerEvent>& events) {
    for (const LedgerEvent& event : events) {
      const uint64_t handle = event.holding.handle();
      if (event.kind == LedgerEvent::Kind::kCheckedOut) {
        ASSERT_TRUE(followed_.insert(handle).second);
      } else if (event.kind == LedgerEvent::Kind::kCheckedIn) {
        ASSERT_EQ(followed_.erase(handle), 1u);
      }
    }
    ASSERT_EQ(followed_.size(), steady_.checkouts().size());
    for (uint64_t handle : followed_) ASSERT_NE(steady_.FindCheckout(handle), nullptr);
  }

  void Save() {
    const std::vector<RowChange> changes = restored_.TakeChanges();
    ASSERT_TRUE(std::is_sorted(changes.begin(), changes.end(),
                               [](const auto& a, const auto& b) { return a.key < b.key; }));
    ASSERT_TRUE(store_.Write(changes, restored_.applied()).ok());
  }

  void Restore() {
    Save();
    Ledger fresh(limits_);
    ASSERT_TRUE(fresh.Restore(store_).ok());
    ASSERT_TRUE(fresh.CheckInvariants().ok());
    restored_ = std::move(fresh);
  }

  void CompareDigests() { ASSERT_EQ(restored_.Digest(), steady_.Digest()); }

  const Ledger::Limits limits_{.sessions_max = kSessionsMaxHere,
                               .checkouts_max = kCheckoutsMaxHere};
  std::mt19937_64 random_;
  Ledger restored_{limits_};
  Ledger steady_{limits_};
  MemoryStore store_;
  Model model_;
  uint64_t applied_ = 0;
  uint64_t term_ = 1;
  int day_ = 0;
  std::map<std::string, uint64_t> last_seq_;
  std::map<uint64_t, std::string> pools_;
  std::map<std::tuple<std::string, uint64_t, uint64_t>, std::string> first_answers_;
  std::set<uint64_t> followed_;
};

class LedgerProperty : public ::testing::TestWithParam<uint64_t> {};

TEST_P(LedgerProperty, RandomHistoriesGoAsTheModelSays) {
  History history(GetParam());
  history.Run(3000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LedgerProperty, ::testing::Range<uint64_t>(1, 41));

TEST(LedgerPropertyReach, TheHistoriesReachEveryAnswer) {
  std::map<std::string, int> answers;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    History history(seed);
    history.Run(3000);
    for (const auto& [answer, times] : history.answers) answers[answer] += times;
  }
  for (const char* answer :
       {"granted a", "granted b", "granted c", "denied -4", "denied -5", "denied -10", "denied -25",
        "denied -26", "denied -87", "refused 1", "refused 2", "refused 3", "refused 4", "refused 5",
        "refused 6", "refused 7", "refused 8", "done", "session 1"}) {
    EXPECT_GT(answers[answer], 0) << answer;
  }
}

}  // namespace
}  // namespace triad::license
