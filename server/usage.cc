#include "server/usage.h"

#include <algorithm>
#include <limits>
#include <map>

#include "absl/strings/str_cat.h"
#include "license/set_change.h"
#include "license/utf8.h"
#include "server/limits.h"

namespace triad::server {
namespace {

void DescribeUse(const license::Ledger& ledger, const license::Checkout& checkout, v1::Use* use) {
  const v1::Identity& identity = license::IdentityOf(checkout);
  use->set_user(license::UserOf(checkout));
  use->set_host(identity.host());
  use->set_display(identity.display());
  use->set_process_id(identity.process_id());
  use->set_project(identity.project());
  if (checkout.session != nullptr) {
    use->set_node(checkout.session->node);
    use->set_detached(checkout.session->detached);
  }
  *use->mutable_holding() = license::HoldingOf(checkout);
  if (checkout.lingers()) {
    use->set_linger_ms(checkout.extra->linger_ms);
    const uint64_t until_ms = checkout.extra->lingers_until_ms;
    const uint64_t left = until_ms - std::min(until_ms, ledger.cluster_ms());
    use->set_lingered_ms(use->linger_ms() - std::min(use->linger_ms(), left));
  }
}

void AddReservations(const license::Ledger& ledger, const license::PoolUse& use, v1::Pool* out) {
  for (const license::PoolReservation& reservation : use.reservations) {
    auto* told = out->add_reservations();
    told->set_type(reservation.type);
    told->set_name(license::ToUtf8(reservation.name));
    told->set_count(reservation.count);
    told->set_used(reservation.used);
    const auto row = ledger.reservations().find(reservation.id);
    if (row == ledger.reservations().end()) continue;
    told->set_id(reservation.id);
    const uint64_t ends_ms = row->second.ends_ms();
    if (ends_ms != 0) told->set_ends_in_ms(ends_ms - std::min(ends_ms, ledger.cluster_ms()));
  }
}

v1::Waiter DescribeWaiter(const license::Ledger& ledger, const license::Waiter& waiter,
                          const v1::Checkout::Item& item, uint64_t pool) {
  const v1::Identity& identity = waiter.session->identity;
  v1::Waiter out;
  out.set_user(waiter.checkout.user().empty() ? identity.user() : waiter.checkout.user());
  out.set_host(identity.host());
  out.set_display(identity.display());
  out.set_process_id(identity.process_id());
  out.set_node(waiter.session->node);
  out.set_ticket(waiter.ticket);
  out.set_version(item.version());
  out.set_count(item.count());
  out.set_checkout_data(item.checkout_data());
  out.set_position(ledger.PositionOf(waiter));
  out.set_since_wall_ms(waiter.since_wall_ms);
  out.set_since_utc_offset_s(waiter.since_utc_offset_s);
  out.set_pool(pool);
  return out;
}

// Those who wait for the feature, each once, in the order in which they came.
void AddWaiters(const license::Ledger& ledger, const std::map<uint64_t, uint64_t>& pool_of_ticket,
                v1::Feature* feature) {
  for (const auto& [ticket, pool] : pool_of_ticket) {
    const auto found = ledger.waiters().find(ticket);
    if (found == ledger.waiters().end()) continue;
    for (const v1::Checkout::Item& item : found->second->checkout.items()) {
      if (item.feature() != feature->name()) continue;
      *feature->add_waiting() = DescribeWaiter(ledger, *found->second, item, pool);
    }
  }
}

v1::Pool DescribePool(const license::Ledger& ledger, const license::Pool& pool) {
  v1::Pool out;
  out.set_id(pool.id);
  out.set_version(pool.version);
  out.set_expires(pool.ExpiryText());
  out.set_uncounted(pool.uncounted);
  out.set_licenses(pool.uncounted ? 0 : pool.LicensesOn(ledger.today()));
  out.set_used(ledger.UsedOf(pool.id));
  out.set_vendor_string(license::ToUtf8(pool.vendor_string));
  out.set_host_ids(license::ToUtf8(pool.host_ids));
  if (const license::PoolUse* use = ledger.FindUse(pool.id)) AddReservations(ledger, *use, &out);
  return out;
}

// Counts of one pool into those of its feature.
void AddSeats(const license::Ledger& ledger, const license::Pool& pool, v1::Feature* feature) {
  if (pool.uncounted) return;
  const license::PoolSeats seats = ledger.SeatsOf(pool);
  feature->set_lingering(feature->lingering() + seats.lingering);
  feature->set_borrowed(feature->borrowed() + seats.borrowed);
  feature->set_free(feature->free() + seats.free);
  feature->set_overdrafted(feature->overdrafted() + seats.overdrafted);
}

// Set aside and not out; after a change of licenses there may be fewer left than are set aside.
uint64_t UnusedReservations(const license::PoolUse& use, const v1::Pool& pool) {
  uint64_t unused = 0;
  for (const auto& reservation : use.reservations) unused += reservation.count - reservation.used;
  return std::min(unused, pool.licenses() - std::min(pool.licenses(), pool.used()));
}

// The lines of the set, canonical form -> where it stands.
std::map<std::string, std::string> LinesOf(const license::Catalog& catalog) {
  std::map<std::string, std::string> lines;
  for (const auto& pool : catalog.pools()) {
    for (const auto& line : pool.lines) {
      const auto& at = line.line.position;
      lines[line.canonical] = absl::StrCat(at.file, ":", at.line, " (", line.line.feature, ")");
      if (line.package == nullptr) continue;
      const auto& package_at = line.package->position;
      lines[line.package->canonical] = absl::StrCat(package_at.file, ":", package_at.line,
                                                    " (PACKAGE ", line.package->name, ")");
    }
  }
  return lines;
}

}  // namespace

bool UsageBuilder::Step(const license::Ledger& ledger, size_t uses_max) {
  if (!counted_) AddCounts(ledger);
  counted_ = true;
  if (request_.no_checkouts()) return true;
  while (list_ < lists_.size() && uses_max > 0) uses_max -= AddUses(ledger, uses_max);
  return list_ == lists_.size();
}

void UsageBuilder::AddCounts(const license::Ledger& ledger) {
  usage_.set_index(ledger.applied().index);
  usage_.set_now_wall_ms(ledger.wall_ms());
  usage_.set_utc_offset_s(ledger.utc_offset_s());
  std::map<std::pair<std::string, std::string>, int> at;  // (vendor, name) -> place
  for (const license::Pool& pool : ledger.catalog().pools()) {
    if (!request_.feature().empty() && pool.feature != request_.feature()) continue;
    auto [it, inserted] = at.try_emplace({pool.vendor, pool.feature}, usage_.features_size());
    if (inserted) {
      auto* fresh = usage_.add_features();
      fresh->set_name(license::ToUtf8(pool.feature));
      fresh->set_vendor(license::ToUtf8(pool.vendor));
    }
    AddPool(ledger, pool, it->second);
  }
  for (const auto& [place, tickets] : waiting_) {
    v1::Feature* feature = usage_.mutable_features(place);
    feature->set_queued(tickets.size());
    if (!request_.no_checkouts()) AddWaiters(ledger, tickets, feature);
  }
  AddGone(ledger);
}

void UsageBuilder::AddPool(const license::Ledger& ledger, const license::Pool& pool, int at) {
  v1::Feature* feature = usage_.mutable_features(at);
  lists_.push_back({at, feature->pools_size()});
  v1::Pool& described = *feature->add_pools();
  described = DescribePool(ledger, pool);
  feature->set_issued(feature->issued() + described.licenses());
  feature->set_used(feature->used() + described.used());
  AddSeats(ledger, pool, feature);
  if (const license::PoolUse* use = ledger.FindUse(pool.id)) {
    feature->set_reserved(feature->reserved() + UnusedReservations(*use, described));
    for (const uint64_t ticket : use->queue) waiting_[at].try_emplace(ticket, pool.id);
  }
  if (described.uncounted()) feature->set_uncounted(true);
  // Permanent beats every date; among dates the pools are in grant order, so the first stands.
  if (feature->expires().empty() || described.expires() == "permanent") {
    feature->set_expires(described.expires());
  }
}

// What is out of pools that no line makes any more: it stays until it is given back.
void UsageBuilder::AddGone(const license::Ledger& ledger) {
  std::map<std::string, int> at;  // name -> place
  for (int i = usage_.features_size() - 1; i >= 0; --i) at[usage_.features(i).name()] = i;
  for (const auto& [id, use] : ledger.uses()) {
    if (use.handles.empty() || ledger.catalog().FindPool(id) != nullptr) continue;
    if (!request_.feature().empty() && use.feature != request_.feature()) continue;
    const std::string name = license::ToUtf8(use.feature);
    auto [it, inserted] = at.try_emplace(name, usage_.features_size());
    if (inserted) {
      auto* fresh = usage_.add_features();
      fresh->set_name(name);
      fresh->set_gone(true);
      const auto& vendors = ledger.catalog().vendors();
      if (!vendors.empty()) fresh->set_vendor(license::ToUtf8(vendors.front()));
    }
    v1::Feature* feature = usage_.mutable_features(it->second);
    feature->set_used(feature->used() + use.used);
    lists_.push_back({it->second, feature->pools_size()});
    v1::Pool* pool = feature->add_pools();
    pool->set_id(id);
    pool->set_used(use.used);
  }
}

// More of the list that is being made; the number of steps that it took.
size_t UsageBuilder::AddUses(const license::Ledger& ledger, size_t uses_max) {
  const List& list = lists_[list_];
  v1::Pool& out = *usage_.mutable_features(list.feature)->mutable_pools(list.pool);
  size_t added = 0;
  if (const license::PoolUse* use = ledger.FindUse(out.id())) {
    auto next = use->handles.lower_bound(handle_);
    for (; next != use->handles.end() && added < uses_max; ++next, ++added) {
      DescribeUse(ledger, *ledger.FindCheckout(*next), out.add_uses());
    }
    if (next != use->handles.end()) {
      handle_ = *next;
      return added;
    }
  }
  ++list_;
  handle_ = 0;
  return std::min(uses_max, added + 1);  // an empty list takes its time too
}

v1::Usage BuildUsage(const license::Ledger& ledger, const v1::GetUsageRequest& request) {
  UsageBuilder builder(request);
  while (!builder.Step(ledger, std::numeric_limits<size_t>::max())) continue;
  return std::move(builder.usage());
}

v1::RereadResponse DescribeSetChange(const license::Ledger& ledger, const v1::InstallLicenses& next,
                                     const license::Catalog& catalog) {
  const license::SetChange change = license::CompareSets(ledger, next, catalog);
  v1::RereadResponse response;
  for (const license::PoolChange& pool : change.pools) {
    auto* told = response.add_changes();
    told->set_feature(license::ToUtf8(pool.pool().feature));
    told->set_vendor(license::ToUtf8(pool.pool().vendor));
    told->set_version(pool.pool().version);
    told->set_expires(pool.pool().ExpiryText());
    told->set_uncounted(pool.pool().uncounted);
    told->set_was_there(pool.before != nullptr);
    told->set_is_there(pool.after != nullptr);
    told->set_licenses_before(pool.seats_before);
    told->set_licenses_after(pool.seats_after);
    told->set_in_use(pool.used);
    if (!pool.TooMany(ledger.today())) continue;
    for (uint64_t handle : ledger.HandlesOf(pool.pool().id)) {
      if (told->affected_size() >= kAffectedMax) break;
      const license::Checkout* checkout = ledger.FindCheckout(handle);
      if (checkout != nullptr) DescribeUse(ledger, *checkout, told->add_affected());
    }
  }
  for (const license::Diagnostic& diagnostic : catalog.diagnostics()) {
    response.add_diagnostics(license::ToUtf8(diagnostic.ToString()));
  }
  for (const std::string& ended : change.waivers) response.add_diagnostics(ended);
  response.set_options_changes(license::ToUtf8(change.options));
  response.set_unchanged(change.unchanged);
  response.set_refusal(license::ToUtf8(change.refusal));
  return response;
}

std::vector<std::string> ExpiredLines(const license::Ledger& ledger) {
  std::vector<std::string> expired;
  for (const license::Pool& pool : ledger.catalog().pools()) {
    for (const auto& line : pool.lines) {
      if (!line.expiry || *line.expiry >= ledger.today()) continue;
      license::Diagnostic diagnostic{
          license::Severity::kWarning, line.line.position,
          absl::StrCat(pool.feature, ": expired on ", line.line.expiry_text, " (-10): ask ",
                       pool.vendor, " for a new line")};
      expired.push_back(diagnostic.ToString());
    }
  }
  return expired;
}

license::BuildHelp HelpOf(const license::Ledger& ledger) {
  return {.known = {ledger.known(), ledger.catalog().verified()}, .for_each = {}};
}

license::LicenseSources SourcesOf(const v1::InstallLicenses& set) {
  license::LicenseSources sources;
  for (const auto& file : set.license_files()) {
    sources.license_files.push_back({file.name(), file.content()});
  }
  for (const auto& file : set.option_files()) {
    sources.option_files.push_back({file.name(), file.content(), file.path()});
  }
  for (const auto& key : set.vendor_keys()) {
    license::PublicKey bytes{};
    if (key.public_key().size() != bytes.size()) continue;
    std::copy(key.public_key().begin(), key.public_key().end(), bytes.begin());
    sources.keys.emplace(key.vendor(), bytes);
  }
  return sources;
}

std::vector<std::string> OptionDifferences(const v1::InstallLicenses& own,
                                           const license::Ledger& ledger) {
  if (ledger.installed() == nullptr) return {};
  std::map<std::string, std::pair<std::string, std::string>> files;
  for (const auto& file : own.option_files()) files[file.name()].first += file.content();
  for (const auto& file : ledger.installed()->option_files()) {
    files[file.name()].second += file.content();
  }
  std::vector<std::string> differences;
  for (const auto& [vendor, texts] : files) {
    const int line = license::FirstDifferentLine(texts.first, texts.second);
    if (line == 0) continue;
    differences.push_back(
        absl::StrCat("this node's own options file of ", vendor,
                     " differs from the installed one, first in line ", line,
                     ": serving the installed set; run triad reread here to change it"));
  }
  return differences;
}

std::vector<std::string> DifferencesFromInstalled(const v1::InstallLicenses& own,
                                                  const license::Ledger& ledger) {
  const license::Catalog mine = license::Catalog::Build(SourcesOf(own), HelpOf(ledger));
  if (mine.license_hash() == ledger.catalog().license_hash()) {
    return OptionDifferences(own, ledger);
  }
  const auto own_lines = LinesOf(mine);
  const auto installed = LinesOf(ledger.catalog());
  if (own_lines.empty()) {
    return {"this node's own license files hold no usable line; serving the installed license set"};
  }
  for (const auto& [canonical, place] : own_lines) {
    if (installed.contains(canonical)) continue;
    return {absl::StrCat("this node's own license files differ from the installed set, first at ",
                         place, ": serving the installed set; run triad reread here to change it")};
  }
  for (const auto& [canonical, place] : installed) {
    if (own_lines.contains(canonical)) continue;
    return {absl::StrCat("this node's own license files lack a line of the installed set, ", place,
                         ": serving the installed set")};
  }
  return {"this node's own license files differ from the installed set; serving the installed set"};
}

}  // namespace triad::server
