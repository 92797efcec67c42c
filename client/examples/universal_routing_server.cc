// Universal Routing Server: all available licenses at the start; an agent takes one when it is a
// valid target for a call for the first time, until it logs out or its Person object is disabled or
// deleted. When all are taken, every new logged-in agent is a violation.
#include <set>

#include "client/examples/application.h"

namespace triad::examples {
namespace {

constexpr char kFeature[] = "router_seats";

class UniversalRoutingServer : public Application {
 public:
  UniversalRoutingServer() : Application("universal_routing_server") {}

 private:
  std::string Commands() const override {
    return "login AGENT, target AGENT, logout AGENT, disable AGENT, delete AGENT, ";
  }
  Words Features() const override { return {kFeature}; }

  bool Start() override {
    pool_ = OpenPool(kFeature, {/*max=*/true});
    return pool_.has_value();
  }

  bool Do(const Words& words) override {
    if (words.size() != 2) return false;
    const std::string& agent = words[1];
    if (words[0] == "login") {
      Login(agent);
    } else if (logged_in_.count(agent) == 0) {
      Say(agent + ": not logged in");
    } else if (words[0] == "target") {
      Target(agent);
    } else if (words[0] == "logout") {
      Leave(agent, "logged out");
    } else if (words[0] == "disable" || words[0] == "delete") {
      Leave(agent, "Person object " + words[0] + "d");
    } else {
      return false;
    }
    return true;
  }

  void Login(const std::string& agent) {
    if (!logged_in_.insert(agent).second) return;
    Say(agent + ": logged in");
    const SeatCounts counts = pool_->counts();
    // All taken: the agent waits for a license from now on, and is in violation.
    if (counts.agents >= counts.licenses) Seat(agent);
  }

  void Target(const std::string& agent) {
    Say(agent + ": valid target");
    if (seated_.count(agent) == 0) Seat(agent);
  }

  void Seat(const std::string& agent) {
    seated_.insert(agent);
    if (pool_->Allocate(agent).licensed) Say(agent + ": license allocated");
  }

  void Leave(const std::string& agent, const std::string& why) {
    Say(agent + ": " + why);
    logged_in_.erase(agent);
    seated_.erase(agent);
    pool_->ReleaseAll(agent);
  }

  void ShowStatus() override { SayPool(kFeature, *pool_); }
  void Hear(const Event& event) override {
    SayConnection(event);
    if (pool_) pool_->Hear(event);
  }

  std::optional<SeatPool> pool_;
  std::set<std::string> logged_in_;
  std::set<std::string> seated_;
};

}  // namespace
}  // namespace triad::examples

int main(int argc, char** argv) {
  return triad::examples::UniversalRoutingServer().Run(argc, argv);
}
