#include "client/examples/per_user.h"

#include <algorithm>

namespace triad::examples {
namespace {

constexpr int kCodeExpired = -10;
// Denials that are kept for their restoration; beyond it the oldest is restored early.
constexpr size_t kDenialsMax = 10'000;

}  // namespace

const char* ReasonOf(const Status& status) {
  if (status.kind != ErrorKind::kDenied) return kReasonLost;
  return status.code == kCodeExpired ? kReasonExpired : kReasonUsageLevelExceeded;
}

template <typename Predicate>
void PerUserLicenses::Restore(Predicate whose) {
  std::vector<Denial> stay;
  for (const Denial& denial : std::exchange(denials_, {})) {
    if (whose(denial)) {
      report_({/*restored=*/true, denial.feature, denial.reason, denial.user});
    } else {
      stay.push_back(denial);
    }
  }
  denials_ = std::move(stay);
}

bool PerUserLicenses::CheckOut(Client& client, const std::string& user,
                               const std::string& feature) {
  CheckoutRequest request;
  request.feature = feature;
  CheckoutOptions options;
  options.user = user;
  Result<License> license = client.Checkout(request, options);
  const auto same = [&](const Denial& denial) {
    return denial.user == user && denial.feature == feature;
  };
  if (license) {
    Restore(same);
    licenses_[user] = *std::move(license);
    return true;
  }
  say_(license.status().ToString());
  if (std::none_of(denials_.begin(), denials_.end(), same)) {
    const Denial denial{user, feature, ReasonOf(license.status())};
    report_({/*restored=*/false, feature, denial.reason, user});
    if (denials_.size() == kDenialsMax) {
      Restore([first = true](const Denial&) mutable { return std::exchange(first, false); });
    }
    denials_.push_back(denial);
  }
  return false;
}

bool PerUserLicenses::CheckIn(const std::string& user) {
  const auto found = licenses_.find(user);
  if (found == licenses_.end()) return false;
  const std::string feature = found->second.feature();
  const Status status = found->second.CheckIn();
  if (!status) say_(status.ToString());
  licenses_.erase(found);
  Restore([&](const Denial& denial) { return denial.feature == feature; });
  return true;
}

std::vector<std::string> PerUserLicenses::Users() const {
  std::vector<std::string> users;
  for (const auto& [user, license] : licenses_) users.push_back(user);
  return users;
}

std::string PerUserLicenses::UserOf(const Event& event) const {
  for (const auto& [user, license] : licenses_) {
    if (event.id != 0 && license.id() == event.id) return user;
  }
  return "";
}

}  // namespace triad::examples
