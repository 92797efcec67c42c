#include "client/examples/configuration.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace triad::examples {
namespace {

// More is no configuration file of ours.
constexpr size_t kFileBytesMax = 1u << 20;
// The most that one client may hold: flexnet-facts 5.
constexpr uint64_t kCountMax = 9999;
constexpr size_t kDigitsMax = 12;

bool ParseNumber(const std::string& text, uint64_t* number) {
  if (text.empty() || text.size() > kDigitsMax) return false;
  *number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    *number = *number * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

std::string Trimmed(const std::string& text) {
  const char* const blanks = " \t\r";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace

bool ParseCount(const std::string& text, Count* count) {
  *count = {};
  if (text == "max") {
    count->max = true;
    return true;
  }
  return ParseNumber(text, &count->number) && count->number <= kCountMax;
}

std::string CountText(const Count& count) {
  return count.max ? "max" : std::to_string(count.number);
}

bool ParseDuration(const std::string& text, int64_t* ms) {
  uint64_t number = 0;
  int64_t unit_ms = 1'000;
  std::string digits = text;
  if (!text.empty()) {
    const char unit = text.back();
    if (unit == 'm') unit_ms = 60'000;
    if (unit == 'h') unit_ms = 3'600'000;
    if (unit == 's' || unit == 'm' || unit == 'h') digits.pop_back();
  }
  if (digits.size() > 7 || !ParseNumber(digits, &number)) return false;
  *ms = static_cast<int64_t>(number) * unit_ms;
  return true;
}

std::vector<std::string> SplitWords(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

bool Configuration::Read(const std::string& path, Configuration* configuration,
                         std::string* error) {
  std::ifstream file(path);
  std::string text;
  char bytes[4096];
  while (file && text.size() <= kFileBytesMax) {
    file.read(bytes, sizeof(bytes));
    text.append(bytes, static_cast<size_t>(file.gcount()));
  }
  if (!file.eof()) {
    *error = path + ": cannot be read as a configuration file: give -c another";
    return false;
  }
  return Parse(path, text, configuration, error);
}

bool Configuration::Parse(const std::string& file, const std::string& text,
                          Configuration* configuration, std::string* error) {
  std::istringstream lines(text);
  std::string section;
  std::string whole;
  for (int number = 1; std::getline(lines, whole); ++number) {
    const std::string line = Trimmed(whole.substr(0, whole.find_first_of(";#")));
    if (line.empty()) continue;
    const size_t column = whole.find_first_not_of(" \t") + 1;
    const std::string where =
        file + ":" + std::to_string(number) + ":" + std::to_string(column) + ": ";
    if (line.front() == '[') {
      section = line.back() == ']' ? Trimmed(line.substr(1, line.size() - 2)) : "";
      if (section.empty()) {
        *error = where + "not a section: write [NAME]";
        return false;
      }
      continue;
    }
    const size_t equals = line.find('=');
    const std::string name = Trimmed(line.substr(0, equals));
    if (equals == std::string::npos || name.empty() || section.empty()) {
      *error = where + (section.empty() ? "an option before any section: write [license] above it"
                                        : "not an option: write NAME = VALUE");
      return false;
    }
    configuration->Set(section, name, Trimmed(line.substr(equals + 1)));
  }
  return true;
}

std::string Configuration::Get(const std::string& section, const std::string& name) const {
  for (const Option& option : options_) {
    if (option.section == section && option.name == name) return option.value;
  }
  return "";
}

void Configuration::Set(const std::string& section, const std::string& name,
                        const std::string& value) {
  for (Option& option : options_) {
    if (option.section == section && option.name == name) {
      option.value = value;
      return;
    }
  }
  options_.push_back({section, name, value});
}

Configuration::Options Configuration::Section(const std::string& section) const {
  Options options;
  for (const Option& option : options_) {
    if (option.section == section) options.emplace_back(option.name, option.value);
  }
  return options;
}

}  // namespace triad::examples
