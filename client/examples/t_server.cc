// T-Server: one license for each seat-related DN, so many in all as its two options say; denied
// because it asked for too many, it takes the most that is available.
#include <algorithm>

#include "client/examples/application.h"
#include "client/examples/seat_table.h"

namespace triad::examples {
namespace {

constexpr char kFeature[] = "tserver_sdn";
constexpr Count kMax{/*max=*/true};

class TServer : public Application {
 public:
  TServer() : Application("t_server") {}

 private:
  std::string Commands() const override { return "register DN, unregister DN, "; }
  Words Features() const override { return {kFeature}; }

  SeatsWanted Wanted() const {
    return SeatsToAskFor(CountOf("num-of-licenses", kMax), CountOf("num-sdn-licenses", kMax));
  }

  bool Start() override {
    const SeatsWanted wanted = Wanted();
    controlled_ = wanted.controlled;
    if (!controlled_) Say("seat-related DNs are not controlled");
    // Not controlled: a pool of none, for when the options change.
    pool_ = OpenPool(kFeature, wanted.count);
    return pool_.has_value();
  }

  bool Do(const Words& words) override {
    if (words.size() != 2) return false;
    const auto found = std::find(dns_.begin(), dns_.end(), words[1]);
    if (words[0] == "register" && found == dns_.end()) {
      dns_.push_back(words[1]);
      Say("DN " + words[1] + ": registered");
      if (controlled_) pool_->Allocate(words[1]);
    } else if (words[0] == "unregister" && found != dns_.end()) {
      dns_.erase(found);
      Say("DN " + words[1] + ": unregistered");
      pool_->ReleaseAll(words[1]);
    } else {
      return false;
    }
    return true;
  }

  void OptionChanged(const std::string&, const Count&) override {
    const SeatsWanted wanted = Wanted();
    if (!wanted.controlled && controlled_) Say("seat-related DNs are not controlled");
    if (!wanted.controlled) {
      for (const std::string& dn : dns_) pool_->ReleaseAll(dn);
    }
    ResizePool(*pool_, kFeature, wanted.count);
    if (wanted.controlled && !controlled_) {
      for (const std::string& dn : dns_) pool_->Allocate(dn);
    }
    controlled_ = wanted.controlled;
  }
  void ShowStatus() override { SayPool(kFeature, *pool_); }
  void Hear(const Event& event) override {
    SayConnection(event);
    if (pool_) pool_->Hear(event);
  }

  std::optional<SeatPool> pool_;
  bool controlled_ = true;
  std::vector<std::string> dns_;  // as they came
};

}  // namespace
}  // namespace triad::examples

int main(int argc, char** argv) {
  return triad::examples::TServer().Run(argc, argv);
}
