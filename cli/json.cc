#include "cli/json.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"

namespace triad::cli {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

uint8_t At(absl::string_view text, size_t i) {
  return i < text.size() ? static_cast<uint8_t>(text[i]) : 0;
}

// How many bytes of well-formed UTF-8 one character at `i` takes; 0: it is none (RFC 3629, 4).
size_t CharacterSize(absl::string_view text, size_t i) {
  const uint8_t first = At(text, i);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (size_t k = 1; k < size; ++k) {
    if ((At(text, i + k) & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = At(text, i + 1);
  if (first == 0xE0 && second < 0xA0) return 0;  // longer than need be
  if (first == 0xED && second > 0x9F) return 0;  // half of a surrogate pair
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;  // beyond U+10FFFF
  return size;
}

void AppendAscii(char c, std::string* out) {
  switch (c) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\r':
      out->append("\\r");
      return;
    case '\t':
      out->append("\\t");
      return;
    default:
      break;
  }
  if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
    absl::StrAppendFormat(out, "\\u%04x", static_cast<unsigned>(c));
  } else {
    out->push_back(c);
  }
}

}  // namespace

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t size = CharacterSize(text, i);
    if (size == 1) {
      AppendAscii(text[i], &out);
    } else if (size == 0) {
      out.append(kReplacement);
    } else {
      out.append(text.data() + i, size);
    }
    i += size == 0 ? 1 : size;
  }
  out.push_back('"');
  return out;
}

std::string Rfc3339(int64_t wall_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMillis(wall_ms), absl::UTCTimeZone());
}

JsonObject& JsonObject::Raw(absl::string_view name, absl::string_view json) {
  members_.push_back(absl::StrCat(JsonString(name), ":", json));
  return *this;
}

JsonObject& JsonObject::String(absl::string_view name, absl::string_view value) {
  return Raw(name, JsonString(value));
}

JsonObject& JsonObject::Number(absl::string_view name, int64_t value) {
  return Raw(name, absl::StrCat(value));
}

JsonObject& JsonObject::Unsigned(absl::string_view name, uint64_t value) {
  return Raw(name, absl::StrCat(value));
}

JsonObject& JsonObject::Bool(absl::string_view name, bool value) {
  return Raw(name, value ? "true" : "false");
}

JsonObject& JsonObject::Null(absl::string_view name) {
  return Raw(name, "null");
}

std::string JsonObject::Text() const {
  return absl::StrCat("{", absl::StrJoin(members_, ","), "}");
}

std::string JsonArray(const std::vector<std::string>& elements) {
  return absl::StrCat("[", absl::StrJoin(elements, ","), "]");
}

std::string JsonStrings(const std::vector<std::string>& texts) {
  std::vector<std::string> elements;
  for (const std::string& text : texts) elements.push_back(JsonString(text));
  return JsonArray(elements);
}

}  // namespace triad::cli
