// Genesys Integration Server of the Desktop .NET Toolkit: a license for each connection, of the
// connection's type, until the client closes it or its time is over.
#include <map>

#include "client/examples/application.h"
#include "client/examples/per_user.h"

namespace triad::examples {
namespace {

constexpr char kAgent[] = "toolkit_agent";
constexpr char kSupervisor[] = "toolkit_supervisor";
// A connection without requests is closed after this time.
constexpr int64_t kConnectionTimeoutMs = 30 * kMinuteMs;

class IntegrationServer : public Application {
 public:
  IntegrationServer() : Application("integration_server") {}

 private:
  std::string Commands() const override {
    return "connect CLIENT [supervisor], request CLIENT, disconnect CLIENT, ";
  }
  Words Features() const override { return {kAgent, kSupervisor}; }
  // Licenses are asked for when clients come.
  bool Start() override { return true; }

  bool Do(const Words& words) override {
    if (words.size() < 2) return false;
    const std::string& name = words[1];
    if (words[0] == "connect") return Connect(words);
    if (words[0] != "request" && words[0] != "disconnect") return false;
    if (!connections_.Has(name)) {
      Say(name + ": no connection");
    } else if (words[0] == "request") {
      last_request_ms_[name] = NowMs();
      Say(name + ": answered");
    } else {
      Close(name, "closed at the client's request");
    }
    return true;
  }

  bool Connect(const Words& words) {
    const std::string& name = words[1];
    const std::string type = words.size() > 2 ? words[2] : "agent";
    if (type != "agent" && type != "supervisor") return false;
    const std::string feature = type == "agent" ? kAgent : kSupervisor;
    if (connections_.Has(name)) {
      Say(name + ": is connected");
    } else if (connections_.CheckOut(client(), name, feature)) {
      last_request_ms_[name] = NowMs();
      Say(name + ": license granted: " + feature + ", connection open");
    } else {
      Say(name + ": connection denied");
    }
    return true;
  }

  void Close(const std::string& name, const std::string& why) {
    Say(name + ": connection " + why + ", license returned");
    last_request_ms_.erase(name);
    connections_.CheckIn(name);
  }

  void TimePassed() override {
    for (const std::string& name : connections_.Users()) {
      if (NowMs() - last_request_ms_[name] >= kConnectionTimeoutMs) {
        Close(name, "closed because of the timeout");
      }
    }
  }

  void ShowStatus() override {
    for (const std::string& name : connections_.Users()) Say(name + ": connected");
  }
  void Hear(const Event& event) override { ReportOf(event, connections_.UserOf(event)); }

  PerUserLicenses connections_{[this](const std::string& line) { Say(line); },
                               [this](const LicensingEvent& event) { Report(event); }};
  std::map<std::string, int64_t> last_request_ms_;
};

}  // namespace
}  // namespace triad::examples

int main(int argc, char** argv) {
  return triad::examples::IntegrationServer().Run(argc, argv);
}
