// Genesys Desktop Server: a license for each user, agent or supervisor, from the login to the end
// of the web session, however it ends.
#include "client/examples/application.h"
#include "client/examples/per_user.h"

namespace triad::examples {
namespace {

constexpr char kAgent[] = "desktop_agent";
constexpr char kSupervisor[] = "desktop_supervisor";

class DesktopServer : public Application {
 public:
  DesktopServer() : Application("desktop_server") {}

 private:
  std::string Commands() const override {
    return "login USER [supervisor], logout USER, close USER, crash USER, ";
  }
  Words Features() const override { return {kAgent, kSupervisor}; }
  // Licenses are asked for when users come.
  bool Start() override { return true; }

  bool Do(const Words& words) override {
    if (words.size() < 2) return false;
    const std::string& user = words[1];
    if (words[0] == "login") return Login(words);
    std::string end;
    if (words[0] == "logout") end = "logged out";
    if (words[0] == "close") end = "browser window closed";
    if (words[0] == "crash") end = "browser terminated abnormally";
    if (end.empty()) return false;
    if (!users_.Has(user)) {
      Say(user + ": no web session");
      return true;
    }
    Say(user + ": " + end + ", web session closed, license returned");
    users_.CheckIn(user);
    return true;
  }

  bool Login(const Words& words) {
    const std::string& user = words[1];
    const std::string role = words.size() > 2 ? words[2] : "agent";
    if (role != "agent" && role != "supervisor") return false;
    const std::string feature = role == "agent" ? kAgent : kSupervisor;
    if (users_.Has(user)) {
      Say(user + ": is logged in");
    } else if (users_.CheckOut(client(), user, feature)) {
      Say(user + ": license granted: " + feature + ", desktop window opens");
    } else {
      Say(user + ": desktop window does not open");
    }
    return true;
  }

  void ShowStatus() override {
    for (const std::string& user : users_.Users()) Say(user + ": web session");
  }
  void Hear(const Event& event) override { ReportOf(event, users_.UserOf(event)); }

  PerUserLicenses users_{[this](const std::string& line) { Say(line); },
                         [this](const LicensingEvent& event) { Report(event); }};
};

}  // namespace
}  // namespace triad::examples

int main(int argc, char** argv) {
  return triad::examples::DesktopServer().Run(argc, argv);
}
