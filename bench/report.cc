#include "bench/report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace triad::bench {
namespace {

constexpr int kColumnWidth = 12;

std::string Text(const Row::Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return absl::StrFormat("%.1f", *number);
  if (const auto* whole = std::get_if<int64_t>(&value)) return absl::StrCat(*whole);
  return std::get<std::string>(value);
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string Json(const Row::Value& value) {
  return std::holds_alternative<std::string>(value) ? Quoted(std::get<std::string>(value))
                                                    : Text(value);
}

}  // namespace

void Report::Add(Row row) {
  std::vector<std::string> names;
  std::string line;
  std::string head;
  for (const auto& [name, value] : row.members()) {
    names.push_back(name);
    const int width = std::max<int>(kColumnWidth, static_cast<int>(name.size()));
    absl::StrAppendFormat(&head, "%*s ", width, name);
    absl::StrAppendFormat(&line, "%*s ", width, Text(value));
  }
  if (names != header_) {
    std::cout << "\n" << head << "\n";
    header_ = names;
  }
  std::cout << line << std::endl;
  rows_.push_back(std::move(row));
}

bool Report::Write(const std::string& directory) const {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const std::string path = absl::StrCat(directory, "/", name_, ".json");
  std::ofstream out(path);
  out << "{\"machine\":" << Quoted(Machine()) << ",\"rows\":[";
  const char* between = "\n";
  for (const Row& row : rows_) {
    out << between << "{";
    between = ",\n";
    const char* comma = "";
    for (const auto& [name, value] : row.members()) {
      out << comma << Quoted(name) << ":" << Json(value);
      comma = ",";
    }
    for (const auto& [name, values] : row.lists()) {
      out << comma << Quoted(name) << ":["
          << absl::StrJoin(
                 values, ",",
                 [](std::string* text, double each) { absl::StrAppendFormat(text, "%.1f", each); })
          << "]";
      comma = ",";
    }
    out << "}";
  }
  out << "\n]}\n";
  out.flush();
  if (!out) {
    std::cerr << "bench: cannot write " << path << "\n";
    return false;
  }
  std::cout << "\nwritten: " << path << "\n";
  return true;
}

std::string Machine() {
  std::string processor = "unknown processor";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (absl::StartsWith(line, "model name")) {
      processor = std::string(absl::StripAsciiWhitespace(line.substr(line.find(':') + 1)));
      break;
    }
  }
  utsname name{};
  uname(&name);
  return absl::StrCat(processor, ", ", std::thread::hardware_concurrency(), " cores, Linux ",
                      name.release);
}

}  // namespace triad::bench
