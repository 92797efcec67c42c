#include "cli/who.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/text.h"
#include "cli/watch.h"
#include "license/civil.h"

namespace triad::cli {
namespace {

using Render = std::string (*)(const v1::Usage&, const std::vector<std::string>&);

bool IsMeant(const v1::Feature& feature, const std::vector<std::string>& features) {
  return features.empty() ||
         std::find(features.begin(), features.end(), feature.name()) != features.end();
}

// "2026-06-15 12:00", where the leader is.
std::string TimeText(int64_t wall_ms, int32_t utc_offset_s) {
  const license::Civil at = license::CivilOf(wall_ms, utc_offset_s);
  return absl::StrFormat("%04d-%02d-%02d %02d:%02d", at.year, at.month, at.day, at.hour, at.minute);
}

const char* StateOf(const v1::Use& use) {
  if (use.linger_ms() > 0) return "lingering";
  if (use.holding().borrowed_until_wall_ms() != 0) return "borrowed";
  if (use.detached()) return "away";
  return use.holding().idle() ? "idle" : "held";
}

// Beside the state: how long it lasts, and what is wrong with it.
std::string RemarkOf(const v1::Usage& usage, const v1::Use& use) {
  constexpr uint64_t kSecond = 1'000;
  std::string remark;
  if (use.linger_ms() > 0) {
    remark = absl::StrCat("for ", (use.linger_ms() - use.lingered_ms()) / kSecond, " s more");
  } else if (use.holding().borrowed_until_wall_ms() != 0) {
    remark = absl::StrCat("until ",
                          TimeText(use.holding().borrowed_until_wall_ms(), usage.utc_offset_s()));
  }
  if (!use.holding().violation().empty()) {
    absl::StrAppend(&remark, remark.empty() ? "" : ", ", "violation: ", use.holding().violation());
  }
  return remark;
}

std::string UseJson(const v1::Feature& feature, const v1::Pool& pool, const v1::Use& use) {
  const v1::Holding& holding = use.holding();
  JsonObject object;
  object.String("feature", feature.name()).String("vendor", feature.vendor());
  object.String("version", holding.version()).String("pool_version", pool.version());
  object.String("user", use.user()).String("host", use.host()).String("display", use.display());
  object.Unsigned("pid", use.process_id()).String("project", use.project());
  object.String("checkout_data", holding.checkout_data());
  object.Unsigned("count", holding.count()).Unsigned("handle", holding.handle());
  object.Unsigned("node", use.node()).String("since", Rfc3339(holding.start_wall_ms()));
  object.String("state", StateOf(use));
  if (use.linger_ms() > 0) {
    object.Unsigned("lingered_ms", use.lingered_ms()).Unsigned("linger_ms", use.linger_ms());
  }
  if (holding.borrowed_until_wall_ms() != 0) {
    object.String("until", Rfc3339(holding.borrowed_until_wall_ms()));
  }
  object.String("violation", holding.violation());
  return object.Text();
}

std::string ReservationJson(const v1::Feature& feature, const v1::PoolReservation& reservation) {
  JsonObject object;
  object.String("feature", feature.name()).String("type", reservation.type());
  object.String("name", reservation.name()).Unsigned("count", reservation.count());
  object.Unsigned("used", reservation.used()).Unsigned("reservation", reservation.id());
  if (reservation.ends_in_ms() > 0) object.Unsigned("ends_in_ms", reservation.ends_in_ms());
  return object.Text();
}

// The object that both verbs print: their own array, then the moment.
std::string Whole(const v1::Usage& usage, JsonObject object) {
  object.Unsigned("index", usage.index()).String("at", Rfc3339(usage.now_wall_ms()));
  return object.Text();
}

int Look(const char* verb, const std::vector<std::string>& arguments, Render text, Render json) {
  const auto args =
      ParseArgs(WithClusterFlags({{"json"}, WatchFlag(), {"admin-socket", Takes::kValue}}),
                Words::kAny, arguments);
  if (!args.ok()) return RefuseUsage(verb, args.status());
  const bool as_json = args->Has("json");
  const auto found = FindTheClusters(*args);
  if (!found.ok()) return RefuseSearchPath(found.status(), as_json);
  return RunOrWatch(*args, [&] {
    v1::GetUsageRequest request;
    if (args->words().size() == 1) request.set_feature(args->words()[0]);
    const auto usage = AskUsage(AskFirstThatAnswers(found->clusters), request);
    if (!usage.ok()) return RefuseUnreachable(usage.status().message(), true, as_json);
    if (as_json) {
      ToStderr(text(*usage, args->words()));
      ToStdout(absl::StrCat(json(*usage, args->words()), "\n"));
    } else {
      ToStdout(text(*usage, args->words()));
    }
    return kExitDone;
  });
}

}  // namespace

std::string WhoText(const v1::Usage& usage, const std::vector<std::string>& features) {
  std::vector<std::vector<std::string>> uses = {{"feature", "version", "user", "host", "display",
                                                 "count", "node", "since", "handle", "state", ""}};
  std::vector<std::vector<std::string>> reservations = {
      {"feature", "reserved", "of", "for", "", "reservation"}};
  for (const v1::Feature& feature : usage.features()) {
    if (!IsMeant(feature, features)) continue;
    for (const v1::Pool& pool : feature.pools()) {
      for (const v1::Use& use : pool.uses()) {
        const v1::Holding& holding = use.holding();
        uses.push_back({Printable(feature.name()),
                        holding.version().empty() ? pool.version() : Printable(holding.version()),
                        Printable(use.user()), Printable(use.host()), Printable(use.display()),
                        absl::StrCat(holding.count()),
                        use.node() == 0 ? "-" : absl::StrCat(use.node()),
                        TimeText(holding.start_wall_ms(), holding.start_utc_offset_s()),
                        absl::StrCat(holding.handle()), StateOf(use), RemarkOf(usage, use)});
      }
      for (const v1::PoolReservation& each : pool.reservations()) {
        reservations.push_back({Printable(feature.name()), absl::StrCat(each.count() - each.used()),
                                absl::StrCat(each.count()), each.type(), Printable(each.name()),
                                each.id() == 0 ? "options file" : absl::StrCat(each.id())});
      }
    }
  }
  std::string text =
      Table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight,
             Align::kRight, Align::kLeft, Align::kRight, Align::kLeft, Align::kLeft},
            uses);
  if (reservations.size() > 1) {
    absl::StrAppend(&text, "\n",
                    Table({Align::kLeft, Align::kRight, Align::kRight, Align::kLeft, Align::kLeft,
                           Align::kRight},
                          reservations));
  }
  return text;
}

std::string WhoJson(const v1::Usage& usage, const std::vector<std::string>& features) {
  std::vector<std::string> uses;
  std::vector<std::string> reservations;
  for (const v1::Feature& feature : usage.features()) {
    if (!IsMeant(feature, features)) continue;
    for (const v1::Pool& pool : feature.pools()) {
      for (const v1::Use& use : pool.uses()) uses.push_back(UseJson(feature, pool, use));
      for (const v1::PoolReservation& each : pool.reservations()) {
        reservations.push_back(ReservationJson(feature, each));
      }
    }
  }
  JsonObject object;
  object.Raw("uses", JsonArray(uses)).Raw("reservations", JsonArray(reservations));
  return Whole(usage, object);
}

std::string QueueText(const v1::Usage& usage, const std::vector<std::string>& features) {
  std::vector<std::vector<std::string>> rows = {
      {"feature", "place", "user", "host", "count", "version", "since", "ticket"}};
  for (const v1::Feature& feature : usage.features()) {
    if (!IsMeant(feature, features)) continue;
    for (const v1::Waiter& waiter : feature.waiting()) {
      rows.push_back({Printable(feature.name()), absl::StrCat(waiter.position()),
                      Printable(waiter.user()), Printable(waiter.host()),
                      absl::StrCat(waiter.count()),
                      waiter.version().empty() ? "any" : Printable(waiter.version()),
                      TimeText(waiter.since_wall_ms(), waiter.since_utc_offset_s()),
                      absl::StrCat(waiter.ticket())});
    }
  }
  return Table({Align::kLeft, Align::kRight, Align::kLeft, Align::kLeft, Align::kRight,
                Align::kLeft, Align::kLeft, Align::kRight},
               rows);
}

std::string QueueJson(const v1::Usage& usage, const std::vector<std::string>& features) {
  std::vector<std::string> rows;
  for (const v1::Feature& feature : usage.features()) {
    if (!IsMeant(feature, features)) continue;
    for (const v1::Waiter& waiter : feature.waiting()) {
      JsonObject object;
      object.String("feature", feature.name()).Unsigned("position", waiter.position());
      object.String("user", waiter.user()).String("host", waiter.host());
      object.String("display", waiter.display()).Unsigned("pid", waiter.process_id());
      object.Unsigned("count", waiter.count()).String("version", waiter.version());
      object.String("checkout_data", waiter.checkout_data());
      object.String("since", Rfc3339(waiter.since_wall_ms()));
      object.Unsigned("ticket", waiter.ticket()).Unsigned("node", waiter.node());
      rows.push_back(object.Text());
    }
  }
  JsonObject object;
  object.Raw("queue", JsonArray(rows));
  return Whole(usage, object);
}

int WhoVerb(const std::vector<std::string>& arguments) {
  return Look("who", arguments, WhoText, WhoJson);
}

int QueueVerb(const std::vector<std::string>& arguments) {
  return Look("queue", arguments, QueueText, QueueJson);
}

}  // namespace triad::cli
