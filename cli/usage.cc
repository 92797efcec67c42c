#include "cli/usage.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/text.h"
#include "cli/usage_source.h"
#include "license/civil.h"
#include "license/usage_json.h"
#include "license/usage_record.h"

namespace triad::cli {
namespace {

enum class Form { kText, kCsv, kJson };

struct Choice {
  Form form = Form::kText;
  UsageSpan span;
  bool verify = false;
  bool hide_users = false;
};

// Writes in pieces: there may be millions.
class Writer {
 public:
  explicit Writer(Form form) : form_(form) {
    if (form_ == Form::kCsv) text_ = license::UsageCsvHeading();
    if (form_ == Form::kJson) text_ = "{\"usage\":[";
  }
  void Add(const v1::UsageRecord& record, const std::string& bytes) {
    switch (form_) {
      case Form::kText:
        absl::StrAppend(&text_, UsageLine(record), "\n");
        break;
      case Form::kCsv:
        text_ += license::UsageCsv(record);
        break;
      case Form::kJson:
        absl::StrAppend(&text_, count_ == 0 ? "\n" : ",\n",
                        license::UsageJson(record, license::UsageHash(bytes)));
        break;
    }
    ++count_;
    if (text_.size() > kPieceBytes) Flush();
  }
  void End(const UsageEnd& end) {
    if (form_ == Form::kJson) {
      std::vector<std::string> gaps;
      for (const auto& gap : end.gaps) {
        gaps.push_back(JsonObject().Unsigned("from", gap.from()).Unsigned("to", gap.to()).Text());
      }
      JsonObject chain;
      chain.Unsigned("first", std::max<uint64_t>(1, end.chain.first()));
      chain.Unsigned("count", end.chain.count());
      chain.String("head", absl::BytesToHexString(end.chain.head()));
      absl::StrAppend(&text_, "\n],\"chain\":", chain.Text(), ",\"gaps\":", JsonArray(gaps), "}\n");
    }
    Flush();
  }
  uint64_t count() const { return count_; }

 private:
  static constexpr size_t kPieceBytes = 64u << 10;
  void Flush() {
    ToStdout(text_);
    text_.clear();
  }
  const Form form_;
  std::string text_;
  uint64_t count_ = 0;
};

void TellGaps(const UsageEnd& end) {
  for (const auto& gap : end.gaps) {
    Complain(absl::StrCat("usage: ", end.node, " has no records ", gap.from(), " to ", gap.to() - 1,
                          ": ask another node"));
  }
}

// Every record of one node, from the chain's beginning to its end.
int Verify(const Args& args) {
  license::UsageVerifier verifier;
  std::string first_bad;
  uint64_t bad = 0;
  uint64_t expected = 0;
  const auto end = ReadClusterUsage(args, {}, /*all=*/true,
                                    [&](const v1::UsageRecord& record, const std::string& bytes) {
                                      if (expected == 0) expected = record.number();
                                      const absl::Status status = verifier.Add(bytes);
                                      if (!status.ok() && bad++ == 0)
                                        first_bad = std::string(status.message());
                                      return absl::OkStatus();
                                    });
  if (!end.ok()) return RefuseUnreachable(end.status().message(), true, false);
  TellGaps(*end);
  if (bad == 0) {
    const uint64_t first = std::max<uint64_t>(1, end->chain.first());
    if (verifier.count() > 0 && verifier.first() != first) {
      first_bad = absl::StrCat("the first record is ", verifier.first(),
                               ", and the chain begins with ", first);
      bad = 1;
    } else if (const absl::Status status = verifier.End(end->chain); !status.ok()) {
      first_bad = std::string(status.message());
      bad = 1;
    }
  }
  if (bad > 0) {
    Complain(absl::StrCat("usage: ", end->node, ": the chain is broken: ", first_bad));
    return kExitNo;
  }
  ToStdout(absl::StrCat(
      "triad: ", end->node, ": ", Counted(verifier.count(), "record"),
      verifier.count() == 0 ? "" : absl::StrCat(", ", verifier.first(), " to ", verifier.last()),
      ", the chain is whole, its end is ", absl::BytesToHexString(end->chain.head()).substr(0, 16),
      "\n"));
  return kExitDone;
}

}  // namespace

std::string UsageLine(const v1::UsageRecord& record) {
  const license::Civil at = license::CivilOf(record.wall_ms(), record.utc_offset_s());
  std::string line = absl::StrFormat(
      "%04d-%02d-%02d %02d:%02d:%02d  %-16s", at.year, at.month, at.day, at.hour, at.minute,
      at.second, absl::StrReplaceAll(license::UsageKindName(record.kind()), {{"_", " "}}));
  if (!record.feature().empty()) absl::StrAppend(&line, "  ", record.feature());
  if (record.count() > 0) absl::StrAppend(&line, " ", record.count());
  if (!record.user().empty() || !record.host().empty()) {
    absl::StrAppend(&line, "  ", record.user(), "@", record.host());
  }
  if (record.handle() != 0) absl::StrAppend(&line, "  handle ", record.handle());
  if (!record.reason().empty()) absl::StrAppend(&line, "  ", record.reason());
  if (record.code() != 0) absl::StrAppend(&line, " (", record.code(), ")");
  if (!record.held_by().empty()) absl::StrAppend(&line, ", held by ", record.held_by());
  if (!record.who().empty()) absl::StrAppend(&line, "  by ", record.who());
  return Printable(line);
}

int UsageVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithClusterFlags({{"from", Takes::kValue},
                                                {"to", Takes::kValue},
                                                {"csv"},
                                                {"json"},
                                                {"verify"},
                                                {"hide-users"}}),
                              Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("usage", args.status());
  if (args->Has("csv") && args->Has("json")) {
    return RefuseUsage("usage", absl::InvalidArgumentError("--csv or --json, not both"));
  }
  const bool json = args->Has("json");
  Choice choice;
  choice.form = args->Has("csv") ? Form::kCsv : json ? Form::kJson : Form::kText;
  choice.hide_users = args->Has("hide-users");
  const auto span = ParseSpan(*args);
  if (!span.ok()) return RefuseUsage("usage", span.status());
  choice.span = *span;
  if (const auto found = FindTheClusters(*args); !found.ok()) {
    return RefuseSearchPath(found.status(), json);
  }
  if (args->Has("verify")) return Verify(*args);
  Writer writer(choice.form);
  const auto end = ReadClusterUsage(
      *args, choice.span, /*all=*/false,
      [&](const v1::UsageRecord& record, const std::string& bytes) {
        if (!choice.hide_users) {
          writer.Add(record, bytes);
        } else {
          v1::UsageRecord hidden = record;
          license::HideUser(hidden);
          writer.Add(hidden, bytes);
        }
        return StdoutIsGood() ? absl::OkStatus() : absl::CancelledError("cannot write to stdout");
      });
  if (!end.ok())
    return RefuseUnreachable(end.status().message(), true, json && writer.count() == 0);
  writer.End(*end);
  TellGaps(*end);
  return kExitDone;
}

}  // namespace triad::cli
