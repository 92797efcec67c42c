// Writes JSON: objects and arrays as text, members in the order in which they were added.
//
// Not protobuf's JSON: the names and shapes that scripts rely on (interface.md) are not those of
// the wire. Bytes that are no UTF-8 (license files may be Latin-1) come out as U+FFFD.
// Pure. One object is for one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::cli {

// With quotes.
std::string JsonString(absl::string_view text);
// "2026-11-20T16:02:03Z" of milliseconds since 1970.
std::string Rfc3339(int64_t wall_ms);

class JsonObject {
 public:
  JsonObject& String(absl::string_view name, absl::string_view value);
  JsonObject& Number(absl::string_view name, int64_t value);
  JsonObject& Unsigned(absl::string_view name, uint64_t value);
  JsonObject& Bool(absl::string_view name, bool value);
  JsonObject& Null(absl::string_view name);
  // `json` is JSON already: another object's or JsonArray's text.
  JsonObject& Raw(absl::string_view name, absl::string_view json);
  std::string Text() const;

 private:
  std::vector<std::string> members_;
};

std::string JsonArray(const std::vector<std::string>& elements);  // of JSON
std::string JsonStrings(const std::vector<std::string>& texts);   // of texts

}  // namespace triad::cli
