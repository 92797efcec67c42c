// Large license sets: how long 10,000 features and 1,000 option lines take to be read, and what a
// checkout costs there, compared with one among ten features.
//
// In one process, without disks and sockets: what is measured is license/ alone.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/benchmarks.h"
#include "license/catalog.h"
#include "license/ledger.h"
#include "license/ledger_testing.h"
#include "server/on_cores.h"

namespace triad::bench {
namespace {

using license::testing::ItemOf;
using license::testing::OpenOf;
using license::testing::SessionNamed;

constexpr int kManyFeatures = 10'000;
constexpr int kManyOptions = 1'000;
constexpr int kFewFeatures = 10;
constexpr int kFewOptions = 1;
// Goals of issue 4.
constexpr double kReadMsMax = 1000;
constexpr double kRatioMax = 1.2;

double MsOf(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string Features(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&out, "INCREMENT feature", i, " acme ", 1 + i % 9, ".0 permanent ", 100 + i,
                    " VENDOR_STRING=\"edition ", i % 7, "\" DUP_GROUP=NONE ISSUED=1-jan-2026\n");
  }
  return out;
}

// Every kind of line that a checkout has to heed, over the features in turn. feature0 has as many
// in both sets.
std::string Options(int count, int features) {
  std::string out = "GROUP staff ann bob carl\nMAX 90 feature0 GROUP staff\n";
  for (int i = 0; i < count; ++i) {
    const std::string feature = absl::StrCat("feature", 1 + i % (features - 1));
    switch (i % 5) {
      case 0:
        absl::StrAppend(&out, "EXCLUDE ", feature, " USER mallory", i, "\n");
        break;
      case 1:
        absl::StrAppend(&out, "MAX 50 ", feature, " USER user", i, "\n");
        break;
      case 2:
        absl::StrAppend(&out, "RESERVE 1 ", feature, " USER user", i, "\n");
        break;
      case 3:
        absl::StrAppend(&out, "LINGER ", feature, " 60\n");
        break;
      default:
        absl::StrAppend(&out, "GROUP group", i, " user", i, " user", i + 1, "\n");
    }
  }
  return out;
}

v1::InstallLicenses SetOf(int features, int options) {
  v1::InstallLicenses set = license::testing::SetOf(Features(features), 0);
  v1::InstallLicenses::File& file = *set.add_option_files();
  file.set_name("acme");
  file.set_content(Options(options, features));
  return set;
}

license::LicenseSources SourcesOf(const v1::InstallLicenses& set) {
  license::LicenseSources out;
  for (const auto& file : set.license_files()) {
    out.license_files.push_back({file.name(), file.content()});
  }
  for (const auto& file : set.option_files()) {
    out.option_files.push_back({file.name(), file.content()});
  }
  out.keys.emplace("acme", license::testing::AcmeKey().keys.public_key);
  return out;
}

// What libcrypto takes to verify them all, one after the other.
double SignaturesMs(const license::Catalog& catalog) {
  const license::PublicKey& key = license::testing::AcmeKey().keys.public_key;
  return MsOf([&] {
    for (const license::Pool& pool : catalog.pools()) {
      for (const license::Pool::Line& line : pool.lines) {
        if (!license::VerifyBytes(line.canonical, line.sign.signature, key)) std::abort();
      }
    }
  });
}

// A ledger in which one session checks out and in.
class Seats {
 public:
  explicit Seats(const v1::InstallLicenses& set) {
    v1::Command install;
    *install.mutable_install() = set;
    Apply(std::move(install));
    Apply(OpenOf("app"));
  }

  // Microseconds of one checkout and its check-in.
  double PairUs(int pairs) {
    return MsOf([&] {
             for (int i = 0; i < pairs; ++i) {
               v1::Command checkout = Request();
               *checkout.mutable_request()->mutable_checkout()->add_items() = ItemOf("feature0", 1);
               const v1::Outcome outcome = Apply(std::move(checkout));
               if (outcome.granted().holdings_size() != 1) {
                 ++failed_;
                 return;
               }
               v1::Command checkin = Request();
               checkin.mutable_request()->mutable_checkin()->set_handle(
                   outcome.granted().holdings(0).handle());
               Apply(std::move(checkin));
             }
           }) *
           1000 / pairs;
  }
  bool failed() const { return failed_ > 0; }

 private:
  v1::Command Request() {
    v1::Command command;
    command.mutable_request()->set_session(SessionNamed("app"));
    command.mutable_request()->set_seq(++seq_);
    command.mutable_request()->set_acked(seq_ - 1);
    return command;
  }
  v1::Outcome Apply(v1::Command command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(license::testing::kNoonMs);
    record.set_version(license::RequiredVersion(command));
    *record.mutable_command() = std::move(command);
    v1::Outcome outcome = ledger_.Apply({++index_, 1}, &record, nullptr);
    ledger_.TakeChanges();
    ledger_.TakeUsage();
    return outcome;
  }

  license::Ledger ledger_;
  uint64_t index_ = 0;
  uint64_t seq_ = 0;
  int failed_ = 0;
};

}  // namespace

bool RunLicenses(const Settings& settings, Report& report) {
  const int rounds = settings.quick ? 3 : 31;
  const int pairs = settings.quick ? 200 : 2'000;
  const v1::InstallLicenses many = SetOf(kManyFeatures, kManyOptions);
  const v1::InstallLicenses few = SetOf(kFewFeatures, kFewOptions);

  const license::LicenseSources sources = SourcesOf(many);
  std::vector<double> reads;
  size_t pools = 0;
  // As the daemon reads its files.
  const license::BuildHelp first{.known = {}, .for_each = server::OnCores};
  for (int i = 0; i < (settings.quick ? 1 : 5); ++i) {
    reads.push_back(MsOf([&] { pools = license::Catalog::Build(sources, first).pools().size(); }));
  }
  const double read_ms = Median(reads);
  const double alone_ms = MsOf([&] { license::Catalog::Build(sources); });
  // The same lines once more, as Apply installs what its node has read, or a reread reads it.
  const license::Catalog known = license::Catalog::Build(sources);
  const license::BuildHelp again{.known = {known.verified()}, .for_each = {}};
  std::vector<double> rereads;
  for (size_t i = 0; i < reads.size(); ++i) {
    rereads.push_back(MsOf([&] { license::Catalog::Build(sources, again); }));
  }
  const double parse_ms =
      MsOf([&] { license::ReadLicenseFile("license.dat", sources.license_files[0].bytes); });
  report.Add(Row()
                 .Set("case", std::string("read"))
                 .Set("features", int64_t{kManyFeatures})
                 .Set("option_lines", int64_t{kManyOptions})
                 .Set("ms", read_ms)
                 .Set("one_thread_ms", alone_ms)
                 .Set("of_it_parsing_ms", parse_ms)
                 .Set("of_it_signatures_ms", SignaturesMs(known))
                 .Set("again_ms", Median(rereads)));

  Seats among_many(many);
  Seats among_few(few);
  std::vector<double> many_us;
  std::vector<double> few_us;
  // By turns, so that what else the machine does meets both.
  for (int i = 0; i < rounds; ++i) {
    few_us.push_back(among_few.PairUs(pairs));
    many_us.push_back(among_many.PairUs(pairs));
  }
  const double ratio = Median(many_us) / Median(few_us);
  report.Add(Row()
                 .Set("case", std::string("checkout and check-in"))
                 .Set("few_us", Median(few_us))
                 .Set("many_us", Median(many_us))
                 .Set("ratio", ratio));

  bool good = pools == kManyFeatures && !among_many.failed() && !among_few.failed();
  if (!good) std::cerr << "licenses: a wrong answer: pools missing, or checkouts denied\n";
  if (settings.quick) return good;
  if (read_ms > kReadMsMax) {
    std::cerr << "licenses: reading took " << read_ms << " ms, the goal is " << kReadMsMax << "\n";
    good = false;
  }
  if (ratio > kRatioMax) {
    std::cerr << "licenses: a checkout costs " << ratio << " times one among few, the goal is "
              << kRatioMax << "\n";
    good = false;
  }
  return good;
}

}  // namespace triad::bench
