// What the eight example programs share: the command line, where the license server is found, the
// commands that all have, and how they report. Each program is one class that derives from this.
//
//   PROGRAM [-l PATH] [-c FILE] [-u USER]
//
// Where the license server is: -l, else license-file of section [license], else the license data
// file that the environment or the machine has (LM_LICENSE_FILE, /etc/triad/license.dat). PATH is a
// license file, a directory with license files, or port@host,port@host,port@host.
//
// Exit status: 0 ended as asked; 1 nothing was to be had at the start (00-07100 was reported);
// 2 the command line or the configuration is wrong.
//
// One thread runs everything; the library's events come through the Console.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/examples/configuration.h"
#include "client/examples/console.h"
#include "triad/client.h"
#include "triad/seat_pool.h"

namespace triad::examples {

inline constexpr int kExitOk = 0;
inline constexpr int kExitNoLicense = 1;
inline constexpr int kExitUsage = 2;

inline constexpr int64_t kMinuteMs = 60'000;

class Application {
 public:
  using Words = std::vector<std::string>;

  explicit Application(std::string name) : name_(std::move(name)) {}
  virtual ~Application() = default;
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  int Run(int argc, char** argv);

 protected:
  // --- what a program says of itself ---
  // The commands of its own, for `help`.
  virtual std::string Commands() const = 0;
  // The features that it asks for at its start: in violation if no server can be found.
  virtual Words Features() const = 0;
  // Checks out what it needs. False: nothing was to be had, and that was reported.
  virtual bool Start() = 0;
  // False: no such command, or not with these words.
  virtual bool Do(const Words& words) = 0;
  virtual void ShowStatus() = 0;
  // An event of the library.
  virtual void Hear(const Event& event) = 0;
  // `set`: of section [license], already in configuration().
  virtual void OptionChanged(const std::string&, const Count&) {}
  // The application's clock was moved on.
  virtual void TimePassed() {}
  // A check before the start. Not "": what is wrong; the program does not start.
  virtual std::string CheckConfiguration() const { return ""; }

  // --- what it may use ---
  Client& client() { return *client_; }
  const Configuration& configuration() const { return configuration_; }
  // Of section [license]; `fallback` if it is not there.
  Count CountOf(const std::string& option, const Count& fallback) const;
  // Of num-of-licenses, where 0 means max, and max is what it is if it is not there.
  Count NumOfLicenses() const;
  int64_t NowMs() const;
  void Say(const std::string& line) { console_.Say(line); }
  void Report(const LicensingEvent& event) { Say(event.ToString()); }
  // The events of a license that belongs to no pool; `agent` may be "".
  void ReportOf(const Event& event, const std::string& agent);
  void SayConnection(const Event& event);

  // Asks for `count` licenses at the start; denied because that was too many, takes what there is.
  // nullopt: none, and 00-07100 was reported.
  std::optional<SeatPool> OpenPool(const std::string& feature, const Count& count);
  // A pool of none, for when the configuration wants some.
  SeatPool EmptyPool(const std::string& feature);
  void ResizePool(SeatPool& pool, const std::string& feature, const Count& count);
  void SayPool(const std::string& feature, const SeatPool& pool);

 private:
  // Not 0: the exit status.
  int ReadCommandLine(int argc, char** argv);
  int ReadConfiguration();
  bool Open();
  bool DoCommon(const Words& words);
  void SetOption(const Words& words);
  SeatPoolOptions PoolOptions();

  const std::string name_;
  Console console_{0, stdout};
  Configuration configuration_;
  std::string command_line_path_;
  std::string configuration_path_;
  std::string user_;
  int64_t advanced_ms_ = 0;
  std::optional<Client> client_;
};

}  // namespace triad::examples
