#include "license/policy.h"

#include <utility>

#include "license/catalog.h"

namespace triad::license {

struct Policy::Impl {
  std::map<std::string, OptionSettings, std::less<>> settings;
};

Policy::Policy() : impl_(std::make_unique<const Impl>()) {
}
Policy::~Policy() = default;
Policy::Policy(Policy&&) noexcept = default;
Policy& Policy::operator=(Policy&&) noexcept = default;

Policy Policy::Build(const std::vector<NamedBytes>& /*option_files*/,
                     const std::vector<Pool>& /*pools*/, Diagnostics& /*diagnostics*/) {
  return Policy();
}

Subjects Policy::SubjectsOf(const Pool& /*pool*/, const Who& /*who*/) const {
  return {};
}

bool Policy::Names(absl::string_view /*vendor*/, SubjectType /*type*/, absl::string_view /*name*/,
                   const Who& /*who*/) const {
  return false;
}

bool Policy::HasGroup(absl::string_view /*vendor*/, SubjectType /*type*/,
                      absl::string_view /*name*/) const {
  return false;
}

std::optional<DenialCode> Policy::Bars(const Pool& /*pool*/, const Subjects& /*subjects*/) const {
  return std::nullopt;
}

absl::string_view Policy::ClosedBecause(const Pool& /*pool*/) const {
  return "";
}

std::optional<DenialCode> Policy::BarsBorrowing(const Pool& /*pool*/,
                                                const Subjects& /*subjects*/) const {
  return std::nullopt;
}

std::vector<MaxLimit> Policy::LimitsOf(const Pool& /*pool*/, const Who& /*who*/,
                                       const Subjects& /*subjects*/) const {
  return {};
}

bool Policy::HasLimits(const Pool& /*pool*/) const {
  return false;
}

std::map<uint64_t, std::vector<Reservation>> Policy::ReservationsOn(Day /*day*/) const {
  return {};
}

uint64_t Policy::LingerSeconds(const Pool& /*pool*/) const {
  return 0;
}

uint64_t Policy::TimeoutSeconds(const Pool& /*pool*/) const {
  return 0;
}

std::optional<uint64_t> Policy::OverdraftMax(const Pool& /*pool*/) const {
  return std::nullopt;
}

Policy::Borrowing Policy::BorrowingOf(const Pool& /*pool*/) const {
  return {};
}

const std::map<std::string, OptionSettings, std::less<>>& Policy::settings() const {
  return impl_->settings;
}

}  // namespace triad::license
