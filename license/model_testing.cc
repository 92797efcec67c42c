#include "license/model_testing.h"

#include <algorithm>

namespace triad::license::testing {
namespace {

uint64_t Less(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

bool IsSoft(const std::string& answer) {
  return answer == "denied -4" || answer == "denied -24" || answer == "denied -101";
}

}  // namespace

uint64_t SeatModel::Shared(const std::string& feature, const std::string& user) const {
  uint64_t most = 0;
  for (const Out& out : outs) {
    if (out.feature == feature && out.user == user && out.shared) most = std::max(most, out.count);
  }
  return most;
}

uint64_t SeatModel::UsedOf(const std::string& feature, const std::string& user) const {
  uint64_t used = Shared(feature, user);
  for (const Out& out : outs) {
    if (out.feature == feature && out.user == user && !out.shared) used += out.count;
  }
  return used;
}

uint64_t SeatModel::UsedOf(const std::string& feature) const {
  std::set<std::string> users;
  for (const Out& out : outs) users.insert(out.user);
  uint64_t used = 0;
  for (const std::string& user : users) used += UsedOf(feature, user);
  return used;
}

// By lines of the options file, as far as there are licenses, and at run time.
uint64_t SeatModel::KeptFor(const std::string& feature, const std::string& user) const {
  uint64_t count = 0;
  auto of = features.find(feature);
  if (of != features.end()) {
    uint64_t left = of->second.licenses;
    for (const auto& [whose, licenses] : of->second.kept) {
      const uint64_t taken = std::min(left, licenses);
      left -= taken;
      if (whose == user) count += taken;
    }
  }
  for (const Reserved& each : reserved) {
    if (each.feature == feature && each.user == user) count += each.count;
  }
  return count;
}

uint64_t SeatModel::Unused(const std::string& feature, const std::string& user) const {
  return Less(KeptFor(feature, user), UsedOf(feature, user));
}

// For whom something is set aside.
std::set<std::string> SeatModel::Users(const std::string& feature) const {
  std::set<std::string> users;
  for (const Reserved& each : reserved) users.insert(each.user);
  auto of = features.find(feature);
  if (of == features.end()) return users;
  for (const auto& [whose, licenses] : of->second.kept) users.insert(whose);
  return users;
}

std::string SeatModel::Take(const std::string& session, const std::string& user, const Item& item,
                            uint64_t ticket, uint64_t handle, uint64_t minimum) {
  auto found = features.find(item.feature);
  if (found == features.end()) return "denied -5";
  const ModelFeature& feature = found->second;
  const uint64_t wanted = std::max(item.count, minimum);
  const uint64_t needed = item.up_to ? minimum : wanted;
  const uint64_t all = feature.all();
  const bool shared = feature.by_user || item.by_user;
  if (needed > all) return "denied -26";

  // What need not be taken anew.
  uint64_t have = 0;
  if (shared) {
    have = Shared(item.feature, user);
  } else {
    for (const Out& out : outs) {
      if (out.feature == item.feature && out.user == user && out.lingers_until != 0 &&
          !out.shared) {
        have += out.count;
      }
    }
  }
  const uint64_t left = Less(all, UsedOf(item.feature));
  uint64_t for_others = 0;
  for (const std::string& other : Users(item.feature)) {
    if (other != user) for_others += Unused(item.feature, other);
  }
  const uint64_t open = Less(left, for_others);
  bool others_wait = false;
  bool same_user_waits = false;
  for (const Waits& each : waits) {
    if (ticket != 0 && each.ticket >= ticket) break;
    for (const Item& its : each.items) {
      if (its.feature != item.feature) continue;
      others_wait = true;
      if (each.user == user) same_user_waits = true;
    }
  }
  const uint64_t own = same_user_waits ? 0 : Unused(item.feature, user);
  const uint64_t free = others_wait ? std::min(open, own) : open;
  const uint64_t count = std::min({wanted, have + free, all});
  if (count < needed) {
    const uint64_t need = Less(needed, have);
    if (open >= need) return "denied -24";
    return left >= need ? "denied -101" : "denied -4";
  }

  uint64_t taken_up = count;
  std::vector<Out> kept;
  for (Out out : outs) {
    if (out.feature == item.feature && out.user == user && out.lingers_until != 0 &&
        out.shared == shared) {
      if (shared) continue;  // anyway
      const uint64_t of_it = std::min(taken_up, out.count);
      taken_up -= of_it;
      out.count -= of_it;
      if (out.count == 0) continue;
    }
    kept.push_back(out);
  }
  outs = kept;
  outs.push_back({handle, session, user, item.feature, count, 0, shared, false});
  std::sort(outs.begin(), outs.end(),
            [](const Out& a, const Out& b) { return a.handle < b.handle; });
  return std::to_string(count);
}

std::string SeatModel::Try(const std::string& session, const std::string& user,
                           const std::vector<Item>& items, uint64_t ticket) {
  const std::vector<Out> before = outs;
  std::string granted = "granted";
  uint64_t handle = ticket == 0 ? next_handle : ticket;
  for (const Item& item : items) {
    auto feature = features.find(item.feature);
    const uint64_t minimum = feature == features.end() ? 1 : feature->second.minimum;
    const std::string answer = Take(session, user, item, ticket, handle++, minimum);
    if (answer.starts_with("denied")) {
      outs = before;
      return answer;
    }
    granted += " " + answer;
  }
  if (ticket == 0) next_handle = handle;
  return granted;
}

std::string SeatModel::Never(const Item& item) const {
  auto feature = features.find(item.feature);
  if (feature == features.end()) return "denied -5";
  const uint64_t needed = std::max(item.up_to ? 1 : item.count, feature->second.minimum);
  return needed > feature->second.all() ? "denied -26" : "";
}

std::string SeatModel::Checkout(const std::string& session, const std::string& user,
                                const std::vector<Item>& items, bool wait, uint64_t wait_ms) {
  served.clear();
  std::string answer = Try(session, user, items, 0);
  if (IsSoft(answer) && EndLingersOver()) {
    ServeAll();
    answer = Try(session, user, items, 0);
  }
  for (const Item& item : wait&& IsSoft(answer) ? items : std::vector<Item>()) {
    if (IsSoft(answer) && !Never(item).empty()) answer = Never(item);
  }
  if (IsSoft(answer) && wait) {
    waits.push_back({next_handle, session, user, items, wait_ms == 0 ? 0 : now + wait_ms});
    next_handle += items.size();
    answer = "queued";
  }
  ServeAll();
  return answer;
}

void SeatModel::Release(Out out) {
  auto feature = features.find(out.feature);
  const uint64_t linger_ms = feature == features.end() ? 0 : feature->second.linger_ms;
  if (out.borrowed) {  // it stays out, and is its user's
    for (Out& each : outs) {
      if (each.handle == out.handle) each.session = "";
    }
    return;
  }
  std::erase_if(outs, [&out](const Out& each) { return each.handle == out.handle; });
  if (linger_ms == 0) return;
  out.session = "";
  out.lingers_until = now + linger_ms;
  outs.push_back(out);
  std::sort(outs.begin(), outs.end(),
            [](const Out& a, const Out& b) { return a.handle < b.handle; });
}

std::string SeatModel::Checkin(const std::string& session, uint64_t handle) {
  served.clear();
  for (const Out& out : std::vector<Out>(outs)) {
    if (out.handle != handle || out.session != session) continue;
    Release(out);
    ServeAll();
    return "done";
  }
  return "refused";
}

std::string SeatModel::Resize(const std::string& session, uint64_t handle, uint64_t count,
                              bool up_to) {
  served.clear();
  const auto same = [handle](const Out& out) { return out.handle == handle; };
  const auto found = std::find_if(outs.begin(), outs.end(), same);
  if (found == outs.end() || found->session != session || found->borrowed) return "refused";
  const Out out = *found;
  if (count <= out.count) {
    found->count = count;
    ServeAll();
    return "granted " + std::to_string(count);
  }
  const Item more{out.feature, out.shared ? count : count - out.count, up_to, out.shared};
  constexpr uint64_t kScratch = 0;  // its handle, until it is one with the other
  std::string answer = Take(session, out.user, more, 0, kScratch, 1);
  if (IsSoft(answer) && EndLingersOver()) {
    ServeAll();
    answer = Take(session, out.user, more, 0, kScratch, 1);
  }
  uint64_t after = out.count;
  if (!answer.starts_with("denied")) {
    const uint64_t taken = std::stoull(answer);
    std::erase_if(outs, [](const Out& each) { return each.handle == kScratch; });
    after = out.shared ? std::max(out.count, taken) : out.count + taken;
    std::find_if(outs.begin(), outs.end(), same)->count = after;
  } else if (!up_to) {
    ServeAll();
    return answer;
  }
  ServeAll();
  return "granted " + std::to_string(after);
}

std::string SeatModel::Borrow(const std::string& session, const std::string& user,
                              const std::string& feature, uint64_t count) {
  served.clear();
  const std::vector<Out> before = outs;
  std::string answer = Take(session, user, {feature, count, false, false}, 0, next_handle, 1);
  if (!answer.starts_with("denied")) {
    uint64_t borrowed = count;
    for (const Out& out : outs) {
      if (out.feature == feature && out.borrowed) borrowed += out.count;
    }
    const ModelFeature& of = features[feature];
    if (!of.borrow) answer = "denied -68";
    if (of.borrow && borrowed > of.licenses) answer = "denied -67";
  }
  if (answer.starts_with("denied")) {
    outs = before;
    ServeAll();
    return answer;
  }
  for (Out& out : outs) {
    if (out.handle == next_handle) out.borrowed = true;
  }
  ++next_handle;
  ServeAll();
  return "granted " + answer;
}

std::string SeatModel::Return(const std::string& user, uint64_t handle) {
  served.clear();
  for (const Out& out : outs) {
    if (out.handle != handle || !out.borrowed) continue;
    if (out.user != user) return "denied -117";
    std::erase_if(outs, [handle](const Out& each) { return each.handle == handle; });
    ServeAll();
    return "done";
  }
  return "refused";
}

std::string SeatModel::Cancel(const std::string& session, uint64_t ticket) {
  served.clear();
  const size_t gone = std::erase_if(
      waits, [&](const Waits& each) { return each.ticket == ticket && each.session == session; });
  ServeAll();
  return gone == 1 ? "done" : "refused";
}

void SeatModel::End(const std::string& session) {
  served.clear();
  std::erase_if(waits, [&](const Waits& each) { return each.session == session; });
  for (const Out& out : std::vector<Out>(outs)) {
    if (out.session == session) Release(out);
  }
  ServeAll();
}

std::string SeatModel::Reserve(const std::string& feature, const std::string& user, uint64_t count,
                               uint64_t for_ms) {
  served.clear();
  if (!features.contains(feature)) return "refused";
  uint64_t unused = 0;
  for (const std::string& each : Users(feature)) unused += Unused(feature, each);
  const uint64_t aside = KeptFor(feature, user);
  const uint64_t free = Less(features[feature].licenses, UsedOf(feature) + unused);
  const uint64_t out = UsedOf(feature, user);
  if (count > free + Less(out, aside)) return "refused";
  reserved.push_back({next_handle++, feature, user, count, for_ms == 0 ? 0 : now + for_ms});
  ServeAll();
  return "reserved";
}

std::string SeatModel::Unreserve(uint64_t id) {
  served.clear();
  const size_t gone = std::erase_if(reserved, [&](const Reserved& each) { return each.id == id; });
  ServeAll();
  return gone == 1 ? "done" : "refused";
}

bool SeatModel::EndLingersOver() {
  return std::erase_if(outs, [this](const Out& out) {
           return out.lingers_until != 0 && out.lingers_until <= now;
         }) > 0;
}

std::string SeatModel::TimePasses() {
  served.clear();
  EndLingersOver();
  std::erase_if(waits, [this](const Waits& each) { return each.ends != 0 && each.ends <= now; });
  std::erase_if(reserved,
                [this](const Reserved& each) { return each.ends != 0 && each.ends <= now; });
  ServeAll();
  return "done";
}

void SeatModel::Change(const std::map<std::string, ModelFeature>& to) {
  served.clear();
  features = to;
  std::erase_if(waits, [this](const Waits& each) {
    return std::any_of(each.items.begin(), each.items.end(),
                       [this](const Item& item) { return !Never(item).empty(); });
  });
  ServeAll();
}

// From the front, again and again, until nobody can be served. Nothing that is tried in vain
// changes anything, and each looks at those before it itself.
void SeatModel::ServeAll() {
  for (size_t i = 0; i < waits.size();) {
    const Waits waiter = waits[i];
    const std::string answer = Try(waiter.session, waiter.user, waiter.items, waiter.ticket);
    if (IsSoft(answer)) {
      ++i;
      continue;
    }
    waits.erase(waits.begin() + static_cast<std::ptrdiff_t>(i));
    if (answer.starts_with("granted")) served.push_back(waiter.ticket);
    i = 0;
  }
}

}  // namespace triad::license::testing
