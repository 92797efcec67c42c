// The configuration file of the example programs:
//
//   [license]
//   license-file = 27000@host1,27000@host2,27000@host3
//   num-of-licenses = 100        ; a number, or max
//   tserver_sdn = 100            # one option per FEATURE name
//
// Not thread-safe. Standard library only: the examples are to be copied.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace triad::examples {

// A number of licenses as an option gives it.
struct Count {
  bool max = false;  // all that are available
  uint64_t number = 0;
};
// "max" or 0..9999, the most that one client may hold.
bool ParseCount(const std::string& text, Count* count);
std::string CountText(const Count& count);

// "90", "90s", "60m", "2h"; milliseconds.
bool ParseDuration(const std::string& text, int64_t* ms);

std::vector<std::string> SplitWords(const std::string& line);

class Configuration {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;  // name, value

  // False: `error` is one line, with file, line and column.
  static bool Read(const std::string& path, Configuration* configuration, std::string* error);
  static bool Parse(const std::string& file, const std::string& text, Configuration* configuration,
                    std::string* error);

  // "" if it is not there.
  std::string Get(const std::string& section, const std::string& name) const;
  void Set(const std::string& section, const std::string& name, const std::string& value);
  // In the order in which they were first given.
  Options Section(const std::string& section) const;

 private:
  struct Option {
    std::string section;
    std::string name;
    std::string value;
  };
  std::vector<Option> options_;
};

}  // namespace triad::examples
