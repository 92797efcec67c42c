// Another license set, another day: what becomes of those who hold licenses.
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/ledger_words.h"

namespace triad::license {
namespace {

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
  JudgeViolations(events);
}

// Not yet: violations.
void Ledger::JudgeViolations(Events& /*events*/) {
}

}  // namespace triad::license
