// An application for the tests that kill applications: `app PATH NAME [HOST DISPLAY]`.
//
// Commands, one a line on stdin: `checkout FEATURE COUNT`, `checkin`, `status`, `quit`. Answers and
// events, one a line on stdout: `open`, `granted HANDLE NODE`, `denied TEXT`, `returned`,
// `event KIND FEATURE HANDLE REASON`, `status HANDLE STATE NODE`.
#include <cstdio>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "triad/client.h"

namespace {

std::mutex output_mutex;

void Say(const std::string& line) {
  const std::lock_guard lock(output_mutex);
  std::cout << line << std::endl;
}

const char* StateName(triad::LicenseState state) {
  switch (state) {
    case triad::LicenseState::kHeld:
      return "held";
    case triad::LicenseState::kUnconfirmed:
      return "unconfirmed";
    case triad::LicenseState::kLost:
      return "lost";
    case triad::LicenseState::kReturned:
      return "returned";
  }
  return "?";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 5) return 2;
  triad::ClientOptions options;
  options.license_path = argv[1];
  options.user = argv[2];
  if (argc == 5) {
    options.host = argv[3];
    options.display = argv[4];
  }
  options.on_event = [](const triad::Event& event) {
    std::ostringstream line;
    line << "event " << triad::EventName(event.kind) << " " << event.feature << " " << event.handle
         << " " << event.reason;
    Say(line.str());
  };
  auto client = triad::Client::Open(options);
  if (!client) {
    Say("failed " + client.status().ToString());
    return 1;
  }
  Say("open");
  std::vector<triad::License> licenses;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "checkout") {
      triad::CheckoutRequest request;
      words >> request.feature >> request.count;
      auto license = client->Checkout(request);
      if (!license) {
        Say("denied " + license.status().ToString());
        continue;
      }
      Say("granted " + std::to_string(license->handle()) + " " + std::to_string(license->node()));
      licenses.push_back(*std::move(license));
    } else if (verb == "checkin") {
      const triad::Status status = licenses.back().CheckIn();
      licenses.pop_back();
      Say(status.ok() ? "returned" : "failed " + status.ToString());
    } else if (verb == "status") {
      for (const triad::License& each : licenses) {
        Say("status " + std::to_string(each.handle()) + " " + StateName(each.state()) + " " +
            std::to_string(client->status().node));
      }
    } else if (verb == "quit") {
      break;
    }
  }
  return 0;
}
