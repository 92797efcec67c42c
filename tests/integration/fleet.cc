#include "tests/integration/fleet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace triad::integration {
namespace {

constexpr size_t kComplaintsMax = 30;
constexpr int kObserveMs = 20;

}  // namespace

Fleet::Fleet(const Cluster* cluster, std::vector<std::string> paths, int applications)
    : cluster_(cluster), paths_(std::move(paths)), applications_(applications) {
}

Fleet::~Fleet() {
  stop_ = true;
  for (Application& each : applications_) {
    if (each.thread.joinable()) each.thread.join();
  }
  if (observer_.joinable()) observer_.join();
}

void Fleet::Complain(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (complaints_.size() < kComplaintsMax) complaints_.push_back(what);
}

bool Fleet::Open() {
  std::vector<std::thread> openers;
  for (size_t i = 0; i < applications_.size(); ++i) {
    openers.emplace_back([this, i] {
      const std::string name = absl::StrCat("app", i);
      ClientOptions options = OptionsFor(paths_[i % paths_.size()], name);
      options.on_event = [this, name](const Event& event) {
        Complain(absl::StrCat(name, ": event ", EventName(event.kind), " of ", event.feature, " ",
                              event.handle, ": ", event.reason));
      };
      auto client = Client::Open(options);
      if (!client) return Complain(absl::StrCat(name, ": ", client.status().ToString()));
      applications_[i].client = *std::move(client);
      auto kept = applications_[i].client->Checkout(Want("kept"));
      if (!kept) return Complain(absl::StrCat(name, ": ", kept.status().ToString()));
      applications_[i].handle = kept->handle();
      applications_[i].kept = *std::move(kept);
    });
  }
  for (std::thread& each : openers) each.join();
  EXPECT_EQ(absl::StrJoin(complaints(), "\n"), "");
  return complaints().empty();
}

void Fleet::Work() {
  working_ = true;
  for (size_t i = 0; i < applications_.size(); ++i) {
    applications_[i].thread = std::thread([this, i] { Trade(static_cast<int>(i)); });
  }
  observer_ = std::thread([this] { Observe(); });
}

void Fleet::Trade(int number) {
  const std::string name = absl::StrCat("app", number);
  std::minstd_rand draw(static_cast<unsigned>(number) + 1);
  Client& client = *applications_[number].client;
  while (!stop_) {
    auto license = client.Checkout(Want("traded"));
    if (!license) {
      if (license.status().code != -4) {
        Complain(absl::StrCat(name, ": checkout: ", license.status().ToString()));
      }
    } else {
      {
        const std::lock_guard lock(mutex_);
        grant_ms_.push_back(NowMs());
      }
      ++grants_;
      // What applications hold is at most what the cluster counts as used.
      const uint64_t held = ++held_;
      if (held > kTradedIssued) Complain(absl::StrCat(held, " licenses of traded are held"));
      Pause(static_cast<int>(draw() % 20));
      --held_;
      const Status returned = license->CheckIn();
      if (!returned.ok()) Complain(absl::StrCat(name, ": checkin: ", returned.ToString()));
    }
    Pause(static_cast<int>(20 + draw() % 60));
  }
}

void Fleet::Observe() {
  while (!stop_) {
    for (int node = 1; node <= 3; ++node) {
      const auto usage = cluster_->Usage(node, /*stale=*/true);
      if (!usage) continue;
      ++observations_;
      for (const auto& feature : usage->features()) {
        if (feature.used() > feature.issued()) {
          Complain(absl::StrCat("node ", node, ": ", feature.used(), " of ", feature.issued(), " ",
                                feature.name(), " are used"));
        }
      }
    }
    Pause(kObserveMs);
  }
}

bool Fleet::WaitForGrants(uint64_t more) {
  const uint64_t goal = grants_ + more;
  const bool reached = WaitFor([&] { return grants_ >= goal; });
  EXPECT_TRUE(reached) << grants_ << " grants, not " << goal << "\n"
                       << absl::StrJoin(complaints(), "\n");
  return reached;
}

void Fleet::CheckKept() const {
  for (size_t i = 0; i < applications_.size(); ++i) {
    const License& kept = *applications_[i].kept;
    EXPECT_EQ(kept.handle(), applications_[i].handle) << "app" << i;
    EXPECT_EQ(static_cast<int>(kept.state()), static_cast<int>(LicenseState::kHeld)) << "app" << i;
  }
  std::vector<uint64_t> handles;
  const v1::Usage usage = cluster_->UsageOfAny();
  for (const auto& feature : usage.features()) {
    if (feature.name() != "kept") continue;
    EXPECT_EQ(feature.used(), applications_.size());
    for (const auto& pool : feature.pools()) {
      for (const auto& use : pool.uses()) handles.push_back(use.holding().handle());
    }
  }
  std::vector<uint64_t> expected;
  for (const Application& each : applications_) expected.push_back(each.handle);
  std::sort(handles.begin(), handles.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(handles, expected) << "the handles in use are not those that the applications hold";
}

void Fleet::StopAndCheck() {
  stop_ = true;
  for (Application& each : applications_) {
    if (each.thread.joinable()) each.thread.join();
  }
  if (observer_.joinable()) observer_.join();
  EXPECT_EQ(absl::StrJoin(complaints(), "\n"), "");
  EXPECT_EQ(working_, observations_ > 0);
  EXPECT_EQ(cluster_->Used("traded"), 0u) << "everything of traded was given back";
  CheckKept();
}

std::vector<std::string> Fleet::complaints() const {
  const std::lock_guard lock(mutex_);
  return complaints_;
}

int Fleet::AttachedTo(int node) const {
  return static_cast<int>(
      std::count_if(applications_.begin(), applications_.end(), [&](const Application& each) {
        const ClientStatus status = each.client->status();
        return status.attached && status.node == static_cast<uint32_t>(node);
      }));
}

int64_t Fleet::LongestGapMs(int64_t since_ms) const {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> times = grant_ms_;
  std::sort(times.begin(), times.end());
  int64_t last_ms = since_ms;
  int64_t longest_ms = 0;
  for (int64_t at_ms : times) {
    if (at_ms <= since_ms) continue;
    longest_ms = std::max(longest_ms, at_ms - last_ms);
    last_ms = at_ms;
  }
  return longest_ms;
}

void Fleet::PrintGap(const std::string& fault, int64_t since_ms) const {
  std::cout << "[gap] " << fault << ": " << LongestGapMs(since_ms) << " ms\n" << std::flush;
}

}  // namespace triad::integration
