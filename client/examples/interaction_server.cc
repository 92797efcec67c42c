// Interaction Server: so many licenses of each type as the option with the FEATURE's name says, at
// the start and whenever an option changes. Beyond them agents are forced to log out.
#include <map>
#include <set>

#include "client/examples/application.h"

namespace triad::examples {
namespace {

class InteractionServer : public Application {
 public:
  InteractionServer() : Application("interaction_server") {}

 private:
  std::string Commands() const override { return "login AGENT FEATURE, logout AGENT, "; }

  static bool IsFeature(const std::string& option) {
    return option != "license-file" && option != "num-of-licenses" && option != "num-sdn-licenses";
  }
  Words Features() const override {
    Words features;
    for (const auto& [option, value] : configuration().Section("license")) {
      if (IsFeature(option)) features.push_back(option);
    }
    return features;
  }
  std::string CheckConfiguration() const override {
    return Features().empty() ? "[license] names no FEATURE: write FEATURE = NUMBER" : "";
  }

  bool Start() override {
    bool any = false;
    for (const std::string& feature : Features()) {
      std::optional<SeatPool> pool = OpenPool(feature, CountOf(feature, {}));
      any = any || pool.has_value();
      if (!pool) denied_.insert(feature);
      pools_.emplace(feature, pool ? *std::move(pool) : EmptyPool(feature));
    }
    return any;
  }

  bool Do(const Words& words) override {
    if (words[0] == "login" && words.size() == 3) {
      Login(words[1], words[2]);
    } else if (words[0] == "logout" && words.size() == 2) {
      Say(words[1] + ": logged out");
      for (auto& [feature, pool] : pools_) pool.ReleaseAll(words[1]);
    } else {
      return false;
    }
    return true;
  }

  void Login(const std::string& agent, const std::string& feature) {
    const auto pool = pools_.find(feature);
    if (pool == pools_.end()) {
      Say(agent + ": no licenses of type " + feature);
      return;
    }
    Say(agent + ": logged in with " + feature);
    pool->second.Allocate(agent);
    ForceOut(feature, pool->second);
  }

  // Until no more are in use than configured.
  void ForceOut(const std::string& feature, SeatPool& pool) {
    for (const std::string& agent : pool.Beyond()) {
      Say(agent + ": forced to log out of " + feature);
      pool.ReleaseAll(agent);
    }
  }

  void OptionChanged(const std::string& option, const Count& count) override {
    if (!IsFeature(option)) return;
    auto pool = pools_.find(option);
    if (pool == pools_.end()) pool = pools_.emplace(option, EmptyPool(option)).first;
    ResizePool(pool->second, option, count);
    if (pool->second.counts().licenses > 0 && denied_.erase(option) > 0) {
      Report({/*restored=*/true, option, kReasonDeniedAtStart, ""});
    }
    ForceOut(option, pool->second);
  }

  void ShowStatus() override {
    for (const auto& [feature, pool] : pools_) SayPool(feature, pool);
  }
  void Hear(const Event& event) override {
    SayConnection(event);
    for (auto& [feature, pool] : pools_) pool.Hear(event);
  }

  std::map<std::string, SeatPool> pools_;
  std::set<std::string> denied_;  // at the start, and nothing granted since
};

}  // namespace
}  // namespace triad::examples

int main(int argc, char** argv) {
  return triad::examples::InteractionServer().Run(argc, argv);
}
