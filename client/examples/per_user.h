// Licenses that are checked out one by one, for users or connections as they come: what Genesys
// Desktop Server and Integration Server have in common. Not thread-safe.
//
// A user who is denied does not get in, and that is reported (00-07100). It is restored when a
// license of the feature is returned here, or when the user gets in after all.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "triad/client.h"
#include "triad/seat_pool.h"

namespace triad::examples {

// The reason for a violation, of what a checkout at run time was answered.
const char* ReasonOf(const Status& status);

class PerUserLicenses {
 public:
  using Say = std::function<void(const std::string&)>;
  using Report = std::function<void(const LicensingEvent&)>;
  PerUserLicenses(Say say, Report report) : say_(std::move(say)), report_(std::move(report)) {}

  // False: denied.
  bool CheckOut(Client& client, const std::string& user, const std::string& feature);
  // False: the user has none.
  bool CheckIn(const std::string& user);
  bool Has(const std::string& user) const { return licenses_.count(user) > 0; }
  // In the order of their names.
  std::vector<std::string> Users() const;
  // Whose license it is; "": nobody's.
  std::string UserOf(const Event& event) const;
  void Clear() { licenses_.clear(); }

 private:
  // Those who were denied: user, feature, reason.
  struct Denial {
    std::string user;
    std::string feature;
    std::string reason;
  };
  template <typename Predicate>
  void Restore(Predicate whose);

  const Say say_;
  const Report report_;
  std::map<std::string, License> licenses_;
  std::vector<Denial> denials_;
};

}  // namespace triad::examples
