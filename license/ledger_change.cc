// Another license set, another day: what becomes of those who hold licenses.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger_words.h"

namespace triad::license {
namespace {

// interface.md, "Application events".
constexpr char kExpired[] = "expired";
constexpr char kDecreased[] = "decreased in license file";
constexpr char kConfiguration[] = "decreased in configuration";
// Older programs do not judge: all nodes begin with it at one entry.
constexpr uint32_t kViolationsVersion = 3;
constexpr uint64_t kMsPerSecond = 1000;

std::string Complaint(const v1::InstallLicenses& install) {
  size_t bytes = 0;
  for (const auto& file : install.license_files()) bytes += file.content().size();
  for (const auto& file : install.option_files()) bytes += file.content().size();
  if (bytes > kLicenseSetBytesMax) {
    return absl::StrCat("the files have ", bytes, " bytes together, at most ", kLicenseSetBytesMax,
                        " are taken");
  }
  for (const auto& vendor_key : install.vendor_keys()) {
    if (vendor_key.public_key().size() != PublicKey().size()) {
      return absl::StrCat("the public key of vendor ", vendor_key.vendor(), " has not ",
                          PublicKey().size(), " bytes");
    }
  }
  return "";
}

}  // namespace

v1::Outcome Ledger::ApplyInstall(const v1::InstallLicenses& install, Events& events) {
  if (install.replaces() != license_set_number()) {
    return Refuse(v1::Refused::SUPERSEDED,
                  absl::StrCat("made to replace license set ", install.replaces(), ", but number ",
                               license_set_number(), " is in force"));
  }
  if (std::string complaint = Complaint(install); !complaint.empty()) return Malformed(complaint);
  state_.Install(install);
  JudgeWaivers(events);
  state_.head().set_judged_day(0);  // all pools are judged anew
  // A TIMEOUT of the new options holds for what is idle already, from when it became so.
  std::vector<std::pair<uint64_t, uint64_t>> reclaims;
  for (const auto& [handle, checkout] : state_.checkouts()) {
    const CheckoutExtra* extra = checkout->extra.get();
    if (extra == nullptr || extra->idle_since_ms == 0) continue;
    const Pool* pool = catalog().FindPool(checkout->use->pool);
    const uint64_t timeout_s = pool == nullptr ? 0 : catalog().policy().TimeoutSeconds(*pool);
    const uint64_t at_ms = timeout_s == 0 ? 0 : extra->idle_since_ms + timeout_s * kMsPerSecond;
    if (at_ms != extra->reclaims_ms) reclaims.emplace_back(handle, at_ms);
  }
  for (const auto& [handle, at_ms] : reclaims) {
    state_.ChangeCheckout(
        handle, [at_ms = at_ms](Checkout& changed) { changed.extra->reclaims_ms = at_ms; });
  }
  Requeue(events);
  LedgerEvent event;
  event.kind = LedgerEvent::Kind::kInstalled;
  const Diagnostics& diagnostics = catalog().diagnostics();
  if (!diagnostics.empty()) event.reason = diagnostics.front().ToString();
  events.push_back(std::move(event));
  return Done();
}

// Lines begin and end with days, and with them what reservations and waiters can count on.
void Ledger::OnNewDay(Events& events) {
  state_.RefreshReservations();
  Requeue(events);
}

// Why more of the pool is out than may be, in interface.md's words; "": it is not so.
std::string Ledger::ViolationOf(const PoolUse& use) const {
  if (use.handles.empty()) return "";
  const Pool* pool = catalog().FindPool(use.pool);
  if (pool == nullptr) return kDecreased;
  const Day day = today();
  uint64_t over = 0;  // licenses of the lines that are over by now
  bool any_over = false;
  for (const Pool::Line& line : pool->lines) {
    if (!line.line.expiry || *line.line.expiry >= day) continue;
    any_over = true;
    over += line.licenses;
  }
  if (!pool->ValidOn(day)) return any_over ? kExpired : kDecreased;
  if (pool->uncounted || use.used <= LicensesAndOverdraft(state_, *pool)) return "";
  const PoolTerms& terms = pool->On(day);
  if (use.used <= terms.licenses + terms.overdraft) return kConfiguration;
  return any_over && use.used <= terms.licenses + terms.overdraft + over ? kExpired : kDecreased;
}

// All pools after a change of licenses or of the day; else those where it may be over, because
// something was given back.
void Ledger::JudgeViolations(Events& events) {
  if (cluster_version() < kViolationsVersion) return;
  std::vector<uint64_t> pools;
  if (state_.head().judged_day() != today().days) {
    for (const auto& [pool, use] : state_.uses()) pools.push_back(pool);
    state_.head().set_judged_day(today().days);
  } else {
    pools.assign(state_.violated().begin(), state_.violated().end());
  }
  for (uint64_t pool : pools) Judge(pool, events);
}

// Everyone who has of the pool hears of it, once.
void Ledger::Judge(uint64_t pool, Events& events) {
  const PoolUse& use = *state_.FindUse(pool);
  const std::string was = use.violation == nullptr ? "" : use.violation->reason();
  const std::string is = ViolationOf(use);
  if (is == was) return;
  const std::vector<uint64_t> handles(use.handles.begin(), use.handles.end());
  if (is.empty()) {
    state_.ClearViolation(pool);
  } else {
    v1::ViolationRow row;
    row.set_reason(is);
    row.set_feature(use.feature);
    row.set_since_wall_ms(wall_ms());
    row.set_since_utc_offset_s(utc_offset_s());
    state_.SetViolation(pool, row.feature(), row);
  }
  for (uint64_t handle : handles) {
    const auto kind = is.empty() ? LedgerEvent::Kind::kRestored : LedgerEvent::Kind::kViolation;
    events.push_back(EventOf(kind, *FindCheckout(handle)));
    events.back().reason = is.empty() ? was : is;
  }
}

}  // namespace triad::license
