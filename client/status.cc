// The words of the public types: triad/client.h.
#include "absl/strings/str_cat.h"
#include "triad/client.h"

namespace triad {

std::string Status::ToString() const {
  if (ok()) return "ok";
  std::string text;
  if (!feature.empty()) absl::StrAppend(&text, feature, ": ");
  if (kind == ErrorKind::kDenied || kind == ErrorKind::kUnverified) {
    absl::StrAppend(&text, "license denied: ");
  }
  absl::StrAppend(&text, message);
  if (code != 0) absl::StrAppend(&text, " (", code, ")");
  if (!certain) absl::StrAppend(&text, "; it may have happened all the same");
  return text;
}

const char* EventName(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::kUnconfirmed:
      return "unconfirmed";
    case Event::Kind::kReconnected:
      return "reconnected";
    case Event::Kind::kLost:
      return "lost";
    case Event::Kind::kRefused:
      return "refused";
    case Event::Kind::kViolation:
      return "violation";
    case Event::Kind::kRestored:
      return "restored";
    case Event::Kind::kEnded:
      return "ended";
    case Event::Kind::kQueued:
      return "queued";
  }
  return "unknown";
}

}  // namespace triad
