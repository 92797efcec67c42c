#include "license/usage_json.h"

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "license/civil.h"

namespace triad::license {
namespace {

using v1::UsageRecord;

struct KindName {
  UsageRecord::Kind kind;
  absl::string_view name;
};
constexpr KindName kKinds[] = {
    {UsageRecord::CHECKED_OUT, "checked_out"},
    {UsageRecord::CHECKED_IN, "checked_in"},
    {UsageRecord::DENIED, "denied"},
    {UsageRecord::QUEUED, "queued"},
    {UsageRecord::DEQUEUED, "dequeued"},
    {UsageRecord::RESIZED, "resized"},
    {UsageRecord::VIOLATION, "violation"},
    {UsageRecord::RESTORED, "restored"},
    {UsageRecord::LICENSES_CHANGED, "licenses_changed"},
    {UsageRecord::ADMIN, "admin"},
    {UsageRecord::NODES_CHANGED, "nodes_changed"},
    {UsageRecord::RECOVERED, "recovered"},
    {UsageRecord::PRUNED, "pruned"},
    {UsageRecord::RESERVED, "reserved"},
    {UsageRecord::UNRESERVED, "unreserved"},
    {UsageRecord::BORROWED, "borrowed"},
    {UsageRecord::RETURNED, "returned"},
    {UsageRecord::LINGERS, "lingers"},
    {UsageRecord::CLOCK, "clock"},
    {UsageRecord::REMOVED, "removed"},
    {UsageRecord::LINGER_OVER, "linger_over"},
};

std::string TimeText(int64_t wall_ms) {
  const Civil time = CivilOf(wall_ms, 0);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", time.year, time.month, time.day,
                         time.hour, time.minute, time.second, time.millisecond);
}

bool ParseTimeText(absl::string_view text, int64_t* wall_ms) {
  if (text.size() != 24 || text[10] != 'T' || text[23] != 'Z') return false;
  int64_t year = 0;
  int month = 0, day = 0, hour = 0, minute = 0, second = 0, millisecond = 0;
  if (!absl::SimpleAtoi(text.substr(0, 4), &year) || !absl::SimpleAtoi(text.substr(5, 2), &month) ||
      !absl::SimpleAtoi(text.substr(8, 2), &day) || !absl::SimpleAtoi(text.substr(11, 2), &hour) ||
      !absl::SimpleAtoi(text.substr(14, 2), &minute) ||
      !absl::SimpleAtoi(text.substr(17, 2), &second) ||
      !absl::SimpleAtoi(text.substr(20, 3), &millisecond)) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || minute < 0 || second < 0) {
    return false;
  }
  *wall_ms = ((DaysOf(year, month, day) * 24 + hour) * 60 + minute) * 60'000 + second * 1'000 +
             millisecond;
  return true;
}

// The length of the well-formed UTF-8 character that `text` begins with; 0: none.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && byte(1) < 0xa0) return 0;  // longer than need be
  if (first == 0xed && byte(1) > 0x9f) return 0;  // a surrogate
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

void AppendString(absl::string_view text, std::string& out) {
  out.push_back('"');
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text[0]);
    const size_t length = Utf8Length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    } else {
      out.append(text.data(), length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out.push_back('"');
}

class Writer {
 public:
  void Text(absl::string_view name, absl::string_view value) {
    if (value.empty()) return;
    Name(name);
    AppendString(value, out_);
  }
  void Hex(absl::string_view name, absl::string_view bytes) {
    Text(name, absl::BytesToHexString(bytes));
  }
  void Number(absl::string_view name, int64_t value) {
    if (value != 0) Always(name, value);
  }
  void Always(absl::string_view name, int64_t value) {
    Name(name);
    absl::StrAppend(&out_, value);
  }
  void True(absl::string_view name, bool value) {
    if (!value) return;
    Name(name);
    out_ += "true";
  }
  std::string End() { return absl::StrCat("{", out_, "}"); }

 private:
  void Name(absl::string_view name) {
    absl::StrAppend(&out_, out_.empty() ? "\"" : ",\"", name, "\":");
  }
  std::string out_;
};

// One text or number field of a record, under the name that it has in text.
struct TextField {
  absl::string_view name;
  const std::string& (UsageRecord::*get)() const;
  std::string* (UsageRecord::*mutate)();
};
#define TRIAD_TEXT(field) \
  { #field, &UsageRecord::field, &UsageRecord::mutable_##field }
const TextField kTexts[] = {
    TRIAD_TEXT(feature),     TRIAD_TEXT(vendor),
    TRIAD_TEXT(version),     TRIAD_TEXT(user),
    TRIAD_TEXT(host),        TRIAD_TEXT(display),
    TRIAD_TEXT(project),     TRIAD_TEXT(address),
    TRIAD_TEXT(application), TRIAD_TEXT(application_version),
    TRIAD_TEXT(platform),    TRIAD_TEXT(checkout_data),
    TRIAD_TEXT(reason),      TRIAD_TEXT(held_by),
    TRIAD_TEXT(who),
};
#undef TRIAD_TEXT

struct NumberField {
  absl::string_view name;
  uint64_t (UsageRecord::*get)() const;
  void (UsageRecord::*set)(uint64_t);
};
#define TRIAD_NUMBER(field) \
  { #field, &UsageRecord::field, &UsageRecord::set_##field }
const NumberField kNumbers[] = {
    TRIAD_NUMBER(index),  TRIAD_NUMBER(count),      TRIAD_NUMBER(count_before),
    TRIAD_NUMBER(handle), TRIAD_NUMBER(process_id),
};
#undef TRIAD_NUMBER

// Reads one flat object: strings, whole numbers, true and false.
class Reader {
 public:
  explicit Reader(absl::string_view text) : text_(text) {}
  // `member` is called with the name and the value; a text's value is `is_text`. FALSE: no object.
  bool Read(const std::function<bool(const std::string& name, const std::string& value)>& member);

 private:
  void Blanks() {
    while (!text_.empty() && absl::ascii_isspace(static_cast<unsigned char>(text_[0]))) {
      text_.remove_prefix(1);
    }
  }
  bool Take(char c) {
    Blanks();
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool String(std::string* out);
  bool Value(std::string* out);

  absl::string_view text_;
};

void AppendUtf8(uint32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xc0 | c >> 6));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xe0 | c >> 12));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

bool Reader::String(std::string* out) {
  out->clear();
  if (!Take('"')) return false;
  while (!text_.empty() && text_[0] != '"') {
    if (text_[0] != '\\') {
      out->push_back(text_[0]);
      text_.remove_prefix(1);
      continue;
    }
    if (text_.size() < 2) return false;
    const char escaped = text_[1];
    text_.remove_prefix(2);
    if (escaped == 'u') {
      uint32_t c = 0;
      if (text_.size() < 4 || !absl::SimpleHexAtoi(text_.substr(0, 4), &c)) return false;
      text_.remove_prefix(4);
      AppendUtf8(c, out);
    } else {
      constexpr absl::string_view kNames = "nrtbf";
      constexpr absl::string_view kMeans = "\n\r\t\b\f";
      const size_t at = kNames.find(escaped);
      out->push_back(at == absl::string_view::npos ? escaped : kMeans[at]);
    }
  }
  return Take('"');
}

bool Reader::Value(std::string* out) {
  Blanks();
  if (!text_.empty() && text_[0] == '"') return String(out);
  const size_t end = text_.find_first_of(",} ");
  if (end == absl::string_view::npos || end == 0) return false;
  *out = std::string(text_.substr(0, end));
  text_.remove_prefix(end);
  return (*out)[0] != '{' && (*out)[0] != '[';
}

bool Reader::Read(
    const std::function<bool(const std::string& name, const std::string& value)>& member) {
  if (!Take('{')) return false;
  std::string name, value;
  for (bool first = true; !Take('}'); first = false) {
    if (!first && !Take(',')) return false;
    if (!String(&name) || !Take(':') || !Value(&value) || !member(name, value)) return false;
  }
  Blanks();
  return text_.empty();
}

std::string CsvRow(const std::vector<std::string>& fields) {
  return absl::StrCat(absl::StrJoin(fields, ","), "\r\n");
}

bool SetKind(absl::string_view name, UsageRecord* record) {
  for (const KindName& kind : kKinds) {
    if (kind.name == name) record->set_kind(kind.kind);
  }
  return true;  // a kind of a newer program is passed over
}

bool SetMember(const std::string& name, const std::string& value, UsageRecord* record) {
  for (const TextField& field : kTexts) {
    if (field.name == name) {
      *(record->*field.mutate)() = value;
      return true;
    }
  }
  uint64_t number = 0;
  const bool is_number = absl::SimpleAtoi(value, &number);
  for (const NumberField& field : kNumbers) {
    if (field.name == name) {
      (record->*field.set)(number);
      return is_number;
    }
  }
  int64_t time = 0;
  int32_t code = 0;
  if (name == "kind") return SetKind(value, record);
  if (name == "number") return record->set_number(number), is_number;
  if (name == "used") return record->set_used(number), is_number;
  if (name == "licensed") return record->set_licensed(number), is_number;
  if (name == "uncounted") return record->set_uncounted(value == "true"), true;
  if (name == "node") return record->set_node(static_cast<uint32_t>(number)), is_number;
  if (name == "time") {
    if (!ParseTimeText(value, &time)) return false;
    record->set_wall_ms(time);
  } else if (name == "since") {
    if (!ParseTimeText(value, &time)) return false;
    record->set_start_wall_ms(time);
  } else if (name == "utc_offset_s" || name == "code") {
    if (!absl::SimpleAtoi(value, &code)) return false;
    name == "code" ? record->set_code(code) : record->set_utc_offset_s(code);
  }
  return true;
}

}  // namespace

std::string CsvField(absl::string_view value) {
  std::string field(value);
  constexpr absl::string_view kFormula = "=+-@\t\r";
  if (!field.empty() && kFormula.find(field[0]) != absl::string_view::npos) {
    field.insert(field.begin(), '\'');
  }
  if (field.find_first_of("\",\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

absl::string_view UsageKindName(v1::UsageRecord::Kind kind) {
  for (const KindName& known : kKinds) {
    if (known.kind == kind) return known.name;
  }
  return "unknown";
}

std::string UsageJson(const UsageRecord& record, absl::string_view hash) {
  Writer json;
  json.Always("number", static_cast<int64_t>(record.number()));
  json.Text("time", TimeText(record.wall_ms()));
  json.Always("utc_offset_s", record.utc_offset_s());
  json.Text("kind", UsageKindName(record.kind()));
  for (const TextField& field : kTexts) json.Text(field.name, (record.*field.get)());
  json.Number("code", record.code());
  for (const NumberField& field : kNumbers) {
    json.Number(field.name, static_cast<int64_t>((record.*field.get)()));
  }
  json.Number("node", record.node());
  if (record.start_wall_ms() != 0) json.Text("since", TimeText(record.start_wall_ms()));
  if (!record.feature().empty()) {
    json.Always("used", static_cast<int64_t>(record.used()));
    json.Always("licensed", static_cast<int64_t>(record.licensed()));
    json.True("uncounted", record.uncounted());
  }
  json.Hex("session", record.session());
  json.Hex("pruned_hash", record.pruned_hash());
  json.Hex("previous", record.previous());
  json.Hex("hash", hash);
  return json.End();
}

absl::StatusOr<UsageRecord> ParseUsageJson(absl::string_view line) {
  UsageRecord record;
  std::string wrong;
  const bool read = Reader(line).Read([&](const std::string& name, const std::string& value) {
    if (SetMember(name, value, &record)) return true;
    wrong = absl::StrCat("\"", name, "\" has a value that it cannot have: ", value);
    return false;
  });
  if (!read) {
    return absl::InvalidArgumentError(wrong.empty() ? "this is no usage record" : wrong);
  }
  if (record.number() == 0) return absl::InvalidArgumentError("a usage record has a number");
  return record;
}

std::string UsageCsvHeading() {
  return CsvRow({"number",        "time",    "kind",        "feature",
                 "vendor",        "version", "count",       "handle",
                 "user",          "host",    "display",     "project",
                 "process_id",    "address", "application", "application_version",
                 "checkout_data", "reason",  "code",        "held_by",
                 "who",           "since",   "used",        "licensed"});
}

std::string UsageCsv(const UsageRecord& record) {
  const auto number = [](uint64_t value) { return value == 0 ? "" : absl::StrCat(value); };
  const bool featured = !record.feature().empty();
  return CsvRow({absl::StrCat(record.number()),
                 TimeText(record.wall_ms()),
                 std::string(UsageKindName(record.kind())),
                 CsvField(record.feature()),
                 CsvField(record.vendor()),
                 CsvField(record.version()),
                 number(record.count()),
                 number(record.handle()),
                 CsvField(record.user()),
                 CsvField(record.host()),
                 CsvField(record.display()),
                 CsvField(record.project()),
                 number(record.process_id()),
                 CsvField(record.address()),
                 CsvField(record.application()),
                 CsvField(record.application_version()),
                 CsvField(record.checkout_data()),
                 CsvField(record.reason()),
                 record.code() == 0 ? "" : absl::StrCat(record.code()),
                 CsvField(record.held_by()),
                 CsvField(record.who()),
                 record.start_wall_ms() == 0 ? "" : TimeText(record.start_wall_ms()),
                 featured ? absl::StrCat(record.used()) : "",
                 featured ? absl::StrCat(record.licensed()) : ""});
}

void HideUser(UsageRecord& record) {
  record.clear_user();
  record.clear_display();
  record.clear_held_by();
}

}  // namespace triad::license
