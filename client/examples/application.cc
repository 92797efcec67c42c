#include "client/examples/application.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace triad::examples {
namespace {

constexpr int kWaitMs = 60'000;
constexpr char kSection[] = "license";

}  // namespace

int Application::ReadCommandLine(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    std::string* value = nullptr;
    if (flag == "-l") value = &command_line_path_;
    if (flag == "-c") value = &configuration_path_;
    if (flag == "-u") value = &user_;
    if (value == nullptr || i + 1 == argc) {
      Say("usage: " + name_ + " [-l PATH] [-c FILE] [-u USER]");
      return kExitUsage;
    }
    *value = argv[++i];
  }
  return kExitOk;
}

int Application::ReadConfiguration() {
  std::string error;
  if (!configuration_path_.empty() &&
      !Configuration::Read(configuration_path_, &configuration_, &error)) {
    Say(name_ + ": " + error);
    return kExitUsage;
  }
  for (const auto& [option, value] : configuration_.Section(kSection)) {
    Count count;
    if (option != "license-file" && !ParseCount(value, &count)) {
      Say(name_ + ": " + configuration_path_ + ": [license] " + option + " = " + value +
          ": not a number of licenses: write max, or 0 to 9999");
      return kExitUsage;
    }
  }
  error = CheckConfiguration();
  if (error.empty()) return kExitOk;
  Say(name_ + ": " + configuration_path_ + ": " + error);
  return kExitUsage;
}

bool Application::Open() {
  ClientOptions options;
  options.application = name_;
  options.user = user_;
  const std::string file_path = configuration_.Get(kSection, "license-file");
  if (!command_line_path_.empty()) {
    Say("license server: from the command line");
    options.license_path = command_line_path_;
  } else if (!file_path.empty()) {
    Say("license server: from license-file");
    options.license_path = file_path;
  } else {
    Say("license server: from the license data file");
  }
  options.on_event = [this](const Event& event) { console_.Post(event); };
  Result<Client> client = Client::Open(options);
  if (client) {
    client_.emplace(*std::move(client));
    return true;
  }
  Say(client.status().ToString());
  for (const std::string& feature : Features()) {
    Report({/*restored=*/false, feature, kReasonDeniedAtStart, ""});
  }
  return false;
}

int Application::Run(int argc, char** argv) {
  if (const int status = ReadCommandLine(argc, argv); status != kExitOk) return status;
  if (const int status = ReadConfiguration(); status != kExitOk) return status;
  console_.SetHandler([this](const Event& event) { Hear(event); });
  if (!Open() || !Start()) {
    Say("exits with status " + std::to_string(kExitNoLicense));
    return kExitNoLicense;
  }
  Say("started");
  while (const std::optional<std::string> line = console_.Next()) {
    const Words words = SplitWords(*line);
    // A remark, for the reader of a transcript.
    if (words.empty() || words[0][0] == '#' || words[0][0] == '!') continue;
    if (words[0] == "quit") break;
    if (!DoCommon(words) && !Do(words)) Say("not a command: " + *line + ": try help");
  }
  return kExitOk;
}

bool Application::DoCommon(const Words& words) {
  if (words[0] == "status") {
    ShowStatus();
  } else if (words[0] == "help") {
    Say(Commands() + "set OPTION VALUE, advance TIME, wait EVENT, status, help, quit");
  } else if (words[0] == "set" && words.size() == 3) {
    SetOption(words);
  } else if (words[0] == "advance" && words.size() == 2) {
    int64_t ms = 0;
    if (!ParseDuration(words[1], &ms)) return false;
    advanced_ms_ += ms;
    TimePassed();
  } else if (words[0] == "wait" && words.size() > 1) {
    std::string text = words[1];
    for (size_t i = 2; i < words.size(); ++i) text += " " + words[i];
    if (!console_.WaitFor(text, kWaitMs)) Say("did not come: " + text);
  } else {
    return false;
  }
  return true;
}

void Application::SetOption(const Words& words) {
  Count count;
  if (words[1] == "license-file") {
    Say("license-file: takes effect at the next start");
  } else if (!ParseCount(words[2], &count)) {
    Say(words[1] + ": not a number of licenses: " + words[2] + ": max, or 0 to 9999");
  } else {
    configuration_.Set(kSection, words[1], words[2]);
    OptionChanged(words[1], count);
  }
}

Count Application::CountOf(const std::string& option, const Count& fallback) const {
  Count count;
  return ParseCount(configuration_.Get(kSection, option), &count) ? count : fallback;
}

Count Application::NumOfLicenses() const {
  const Count count = CountOf("num-of-licenses", {/*max=*/true});
  return count.number == 0 ? Count{/*max=*/true} : count;
}

int64_t Application::NowMs() const {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return advanced_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

void Application::ReportOf(const Event& event, const std::string& agent) {
  if (event.number.empty()) {
    SayConnection(event);
  } else {
    Report({event.number == kRestoredNumber, event.feature, event.cause, agent});
  }
}

void Application::SayConnection(const Event& event) {
  if (event.number.empty()) Say(event.feature + ": " + EventName(event.kind));
}

SeatPoolOptions Application::PoolOptions() {
  SeatPoolOptions options;
  options.now_ms = [this] { return NowMs(); };
  options.on_event = [this](const LicensingEvent& event) { Report(event); };
  return options;
}

std::optional<SeatPool> Application::OpenPool(const std::string& feature, const Count& count) {
  CheckoutRequest request;
  request.feature = feature;
  request.count = count.number;
  request.mode = count.max ? CountMode::kAll : CountMode::kExact;
  Say("asks for " + CountText(count) + " " + feature);
  Result<SeatPool> pool = SeatPool::Open(&*client_, request, PoolOptions());
  std::string denial;
  if (!pool && !count.max && pool.status().kind == ErrorKind::kDenied) {
    denial = pool.status().ToString();
    Say(denial);
    request.mode = CountMode::kUpTo;
    pool = SeatPool::Open(&*client_, request, PoolOptions());
    if (pool) Say("takes the most that is available");
  }
  if (!pool) {
    if (pool.status().ToString() != denial) Say(pool.status().ToString());
    Report({/*restored=*/false, feature, kReasonDeniedAtStart, ""});
    return std::nullopt;
  }
  Say("license granted: " + std::to_string(pool->counts().licenses) + " " + feature);
  return *std::move(pool);
}

SeatPool Application::EmptyPool(const std::string& feature) {
  CheckoutRequest request;
  request.feature = feature;
  request.count = 0;
  // Nothing is asked for that could be denied.
  return *SeatPool::Open(&*client_, request, PoolOptions());
}

void Application::ResizePool(SeatPool& pool, const std::string& feature, const Count& count) {
  const Status status = pool.Resize(count.number, count.max ? CountMode::kAll : CountMode::kUpTo);
  if (!status) Say(status.ToString());
  Say("licenses now: " + std::to_string(pool.counts().licenses) + " " + feature);
}

void Application::SayPool(const std::string& feature, const SeatPool& pool) {
  const SeatCounts counts = pool.counts();
  Say(feature + ": licenses " + std::to_string(counts.licenses) + ", used " +
      std::to_string(counts.agents) + ", beyond the count " + std::to_string(counts.beyond));
}

}  // namespace triad::examples
