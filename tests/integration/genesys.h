// Plays the example programs of client/examples against three real daemons, as transcripts say:
// tests/integration/transcripts/*.txt, one per test. A transcript is at once the script, what must
// be seen, and what docs/genesys-transcripts.md shows people.
//
//   ! start t_server -l PATH       a direction: what the test does, here: starts a program
//     [license]                    indented: the direction's text, here the configuration file
//     num-of-licenses = 8
//   license granted: 8 tserver_sdn    what the program prints
//   > register 7001                   a command that is typed
//
// Directions: `start PROGRAM [-l WHERE]`, where WHERE is PATH (port@host of all three), FILE (a
// license file), DIRECTORY or DEAD (a port where nobody is), and `in the environment: WHERE`;
// `another application takes N FEATURE`, `the other application gives all back`; `the license file
// says N FEATURE`, which is read by the servers; `the program is killed`; `used: N FEATURE`, which
// waits until the servers say so; and `the leader is killed`.
//
// Each test runs twice: while nothing happens (that direction is then passed over), and with the
// leader killed there. What is seen must be the same. TRIAD_REWRITE=1 writes the transcripts anew.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/integration/cluster.h"

namespace triad::integration {

enum class Trouble { kNone, kLeaderKilled };

class Genesys : public ::testing::TestWithParam<Trouble> {
 protected:
  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;

  // Plays transcripts/NAME.txt.
  void Play(const std::string& name);

 private:
  struct Direction {
    std::string text;
    std::string body;
  };
  void Direct(const Direction& direction);
  void StartProgram(const Direction& direction);
  // Reads what the program prints until it has started or ended. FALSE: there was no leader, so
  // that nobody could tell it whether there are licenses.
  bool TryToStart(std::string* printed);
  void Type(const std::string& line);
  // Takes over what the program prints until `line`, which is printed too; "": until its end.
  void ReadUntil(const std::string& line);
  void SetLicenses(const std::string& feature, uint64_t count);
  std::string Where(const std::string& word) const;

  std::string transcript_;
  std::string environment_;
  std::string dead_;  // port@host where nobody is
  std::optional<Process> program_;
  std::unique_ptr<TempDir> dir_;
  std::optional<Client> other_;
  std::vector<License> others_;
  int killed_ = 0;
  bool changed_ = false;
};

std::string TroubleName(const ::testing::TestParamInfo<Trouble>& info);

}  // namespace triad::integration
