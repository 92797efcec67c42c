// What a benchmark found: rows, as a table for people and as bench/out/NAME.json for programs.
//
// A row is one measured case, its members in the order in which they were set. Not thread-safe.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace triad::bench {

class Row {
 public:
  using Value = std::variant<std::string, double, int64_t>;

  Row& Set(std::string name, Value value) {
    members_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  // For programs only: the table leaves it out, and in the JSON it comes behind the other members.
  Row& SetList(std::string name, std::vector<double> values) {
    lists_.emplace_back(std::move(name), std::move(values));
    return *this;
  }
  const std::vector<std::pair<std::string, Value>>& members() const { return members_; }
  const std::vector<std::pair<std::string, std::vector<double>>>& lists() const { return lists_; }

 private:
  std::vector<std::pair<std::string, Value>> members_;
  std::vector<std::pair<std::string, std::vector<double>>> lists_;
};

class Report {
 public:
  explicit Report(std::string name) : name_(std::move(name)) {}

  // Prints the row at once, so that a long run can be followed.
  void Add(Row row);
  // Writes DIRECTORY/NAME.json; false: it could not be written, and stderr says why.
  bool Write(const std::string& directory) const;

 private:
  const std::string name_;
  std::vector<Row> rows_;
  std::vector<std::string> header_;  // of the table that is being printed
};

// What the numbers were measured on: processor, cores, kernel.
std::string Machine();

}  // namespace triad::bench
