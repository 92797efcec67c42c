// Outbound Contact Server: num-of-licenses at the start; each agent in a queue of a loaded campaign
// group uses one, and is a violation beyond them.
#include <algorithm>
#include <map>
#include <set>

#include "client/examples/application.h"

namespace triad::examples {
namespace {

constexpr char kFeature[] = "ocs_agent";

class OutboundContactServer : public Application {
 public:
  OutboundContactServer() : Application("outbound_contact_server") {}

 private:
  std::string Commands() const override {
    return "campaign load NAME [QUEUE], campaign unload NAME, login AGENT QUEUE, logout AGENT, "
           "call AGENT, predict, ";
  }
  Words Features() const override { return {kFeature}; }

  bool Start() override {
    pool_ = OpenPool(kFeature, NumOfLicenses());
    return pool_.has_value();
  }

  bool Do(const Words& words) override {
    if (words[0] == "campaign" && words.size() >= 3) return Campaign(words);
    if (words[0] == "login" && words.size() == 3) {
      logins_.emplace_back(words[1], words[2]);
      Say(words[1] + ": logged in to " + words[2]);
      Update();
    } else if (words[0] == "logout" && words.size() == 2) {
      logins_.erase(std::remove_if(logins_.begin(), logins_.end(),
                                   [&](const auto& login) { return login.first == words[1]; }),
                    logins_.end());
      Say(words[1] + ": logged out");
      Update();
    } else if (words[0] == "call" && words.size() == 2) {
      // Who gets the call is the switch's decision, or the routing strategy's.
      Say(words[1] + (pool_->Licensed(words[1])
                          ? ": receives the call, Desktop and OCS process the Calling List record"
                          : ": receives the call, no interaction with OCS"));
    } else if (words[0] == "predict") {
      Say("predictive dialing counts " + std::to_string(pool_->counts().licensed) + " of " +
          std::to_string(pool_->counts().agents) + " agents");
    } else {
      return false;
    }
    return true;
  }

  bool Campaign(const Words& words) {
    const std::string& name = words[2];
    if (words[1] == "load") {
      loaded_[name] = words.size() > 3 ? words[3] : name;
      Say("campaign group " + name + ": loaded, queue " + loaded_[name]);
    } else if (words[1] == "unload" && loaded_.erase(name) > 0) {
      Say("campaign group " + name + ": unloaded");
    } else {
      return false;
    }
    Update();
    return true;
  }

  bool InCampaign(const std::string& queue) const {
    return std::any_of(loaded_.begin(), loaded_.end(),
                       [&](const auto& campaign) { return campaign.second == queue; });
  }

  // Those that are in a queue of a loaded campaign group have a seat, nobody else.
  void Update() {
    std::set<std::string> wanted;
    for (const auto& [agent, queue] : logins_) {
      if (InCampaign(queue)) wanted.insert(agent);
    }
    for (const std::string& agent : std::set<std::string>(seated_)) {
      if (wanted.count(agent) > 0) continue;
      seated_.erase(agent);
      pool_->Release(agent);
    }
    for (const auto& [agent, queue] : logins_) {
      if (wanted.count(agent) > 0 && seated_.insert(agent).second) pool_->Allocate(agent);
    }
  }

  void OptionChanged(const std::string& option, const Count&) override {
    if (option == "num-of-licenses") ResizePool(*pool_, kFeature, NumOfLicenses());
  }
  void ShowStatus() override { SayPool(kFeature, *pool_); }
  void Hear(const Event& event) override {
    SayConnection(event);
    if (pool_) pool_->Hear(event);
  }

  std::optional<SeatPool> pool_;
  std::map<std::string, std::string> loaded_;                // campaign group, its queue
  std::vector<std::pair<std::string, std::string>> logins_;  // agent, queue; as they came
  std::set<std::string> seated_;
};

}  // namespace
}  // namespace triad::examples

int main(int argc, char** argv) {
  return triad::examples::OutboundContactServer().Run(argc, argv);
}
