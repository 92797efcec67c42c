#include "cli/features.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/text.h"
#include "cli/watch.h"

namespace triad::cli {
namespace {

// By those who work with them: neither lingering nor taken home.
uint64_t Held(const v1::Feature& feature) {
  const uint64_t apart = feature.lingering() + feature.borrowed();
  return feature.used() - std::min(feature.used(), apart);
}

}  // namespace

std::string FeaturesText(const v1::Usage& usage) {
  std::vector<std::vector<std::string>> rows = {{"feature", "vendor", "issued", "used", "reserved",
                                                 "lingering", "borrowed", "free", "queued",
                                                 "expires"}};
  for (const v1::Feature& feature : usage.features()) {
    rows.push_back({Printable(feature.name()), Printable(feature.vendor()),
                    feature.uncounted() ? "uncounted" : absl::StrCat(feature.issued()),
                    absl::StrCat(Held(feature)), absl::StrCat(feature.reserved()),
                    absl::StrCat(feature.lingering()), absl::StrCat(feature.borrowed()),
                    feature.uncounted() ? "-" : absl::StrCat(feature.free()),
                    absl::StrCat(feature.queued()),
                    feature.gone() ? "no longer licensed" : feature.expires()});
  }
  return Table({Align::kLeft, Align::kLeft, Align::kRight, Align::kRight, Align::kRight,
                Align::kRight, Align::kRight, Align::kRight, Align::kRight, Align::kLeft},
               rows);
}

std::string FeaturesJson(const v1::Usage& usage) {
  std::vector<std::string> features;
  for (const v1::Feature& feature : usage.features()) {
    JsonObject object;
    object.String("name", feature.name()).String("vendor", feature.vendor());
    if (feature.uncounted()) {
      object.Number("issued", -1);
    } else {
      object.Unsigned("issued", feature.issued());
    }
    object.Unsigned("used", Held(feature)).Unsigned("reserved", feature.reserved());
    object.Unsigned("queued", feature.queued()).String("expires", feature.expires());
    object.Unsigned("lingering", feature.lingering()).Unsigned("borrowed", feature.borrowed());
    object.Unsigned("free", feature.free()).Unsigned("overdrafted", feature.overdrafted());
    features.push_back(object.Text());
  }
  JsonObject object;
  object.Raw("features", JsonArray(features)).Unsigned("index", usage.index());
  object.String("at", Rfc3339(usage.now_wall_ms()));
  return object.Text();
}

int FeaturesVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithClusterFlags({{"json"}, WatchFlag()}), Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("features", args.status());
  const bool json = args->Has("json");
  const auto found = FindTheClusters(*args);
  if (!found.ok()) return RefuseSearchPath(found.status(), json);
  return RunOrWatch(*args, [&] {
    v1::GetUsageRequest request;
    request.set_no_checkouts(true);
    const auto usage = AskUsage(AskFirstThatAnswers(found->clusters), request);
    if (!usage.ok()) return RefuseUnreachable(usage.status().message(), true, json);
    if (json) {
      ToStderr(FeaturesText(*usage));
      ToStdout(absl::StrCat(FeaturesJson(*usage), "\n"));
    } else {
      ToStdout(FeaturesText(*usage));
    }
    return kExitDone;
  });
}

}  // namespace triad::cli
