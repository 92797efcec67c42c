// SeatPool: a SeatBook (client/seat_book.h) with a lock, a clock, a license of the client's and a
// way out for events.
#include "triad/seat_pool.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/seat_book.h"

namespace triad {
namespace {

int64_t MonotonicMs() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

// How many seats the configuration allows.
uint64_t Allowed(uint64_t count, CountMode mode) {
  return mode == CountMode::kAll ? UINT64_MAX : count;
}

}  // namespace

// Hidden: libtriad.so exports SeatPool, not what is inside.
class __attribute__((visibility("hidden"))) SeatPool::State {
 public:
  State(Client* client, CheckoutRequest request, License license, const SeatPoolOptions& options)
      : now_ms_(options.now_ms ? options.now_ms : MonotonicMs),
        on_event_(options.on_event),
        client_(client),
        request_(std::move(request)),
        license_(std::move(license)),
        book_(request_.feature,
              std::min(license_.count(), Allowed(request_.count, request_.mode))) {}

  // Runs `function` on the book, then tells the application what came of it.
  template <typename Function>
  auto With(Function function) {
    const int64_t now_ms = now_ms_();
    absl::ReleasableMutexLock lock(&mutex_);
    auto result = function(book_, now_ms);
    Collect();
    lock.Release();
    Deliver();
    return result;
  }
  template <typename Function>
  auto Look(Function function) const {
    const int64_t now_ms = now_ms_();
    absl::MutexLock lock(&mutex_);
    // Time that is over is over also for those who only look; the events come with the next change.
    book_.Advance(now_ms);
    return function(static_cast<const client::SeatBook&>(book_));
  }

  Status Resize(uint64_t count, CountMode mode) {
    Status status;
    uint64_t held = 0;
    {
      absl::MutexLock lock(&license_mutex_);
      status = ResizeLicense(count, mode);
      held = license_.count();
    }
    const uint64_t licenses = std::min(held, Allowed(count, mode));
    With([&](client::SeatBook& book, int64_t now_ms) {
      book.Advance(now_ms);
      book.SetLicenses(licenses, kReasonDecreasedInConfiguration);
      return true;
    });
    return status;
  }

  bool IsMine(uint64_t id) const {
    absl::MutexLock lock(&license_mutex_);
    return id != 0 && license_.id() == id;
  }

 private:
  Status ResizeLicense(uint64_t count, CountMode mode)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(license_mutex_) {
    const bool holds = license_.state() != LicenseState::kReturned;
    if (count == 0 && mode != CountMode::kAll) return holds ? license_.CheckIn() : Status();
    if (holds) return license_.Resize(count, mode);
    CheckoutRequest request = request_;
    request.count = count;
    request.mode = mode;
    Result<License> license = client_->Checkout(request);
    if (!license.ok()) return license.status();
    license_ = *std::move(license);
    return {};
  }

  void Collect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (LicensingEvent& event : book_.TakeEvents()) pending_.push_back(std::move(event));
  }

  // One thread at a time hands events out, those of the others too, so that their order stays.
  void Deliver() {
    for (;;) {
      LicensingEvent event;
      {
        absl::MutexLock lock(&mutex_);
        if (delivering_ || pending_.empty()) return;
        delivering_ = true;
        event = std::move(pending_.front());
        pending_.pop_front();
      }
      if (on_event_) on_event_(event);
      absl::MutexLock lock(&mutex_);
      delivering_ = false;
    }
  }

  const std::function<int64_t()> now_ms_;
  const std::function<void(const LicensingEvent&)> on_event_;

  Client* const client_;
  const CheckoutRequest request_;
  // Held while the cluster is asked; never together with mutex_.
  mutable absl::Mutex license_mutex_;
  License license_ ABSL_GUARDED_BY(license_mutex_);

  mutable absl::Mutex mutex_;
  mutable client::SeatBook book_ ABSL_GUARDED_BY(mutex_);
  std::deque<LicensingEvent> pending_ ABSL_GUARDED_BY(mutex_);
  bool delivering_ ABSL_GUARDED_BY(mutex_) = false;
};

Result<SeatPool> SeatPool::Open(Client* client, const CheckoutRequest& request,
                                const SeatPoolOptions& options) {
  License license;
  if (request.count > 0 || request.mode == CountMode::kAll) {
    Result<License> granted = client->Checkout(request);
    if (!granted.ok()) return granted.status();
    license = *std::move(granted);
  }
  return SeatPool(std::make_unique<State>(client, request, std::move(license), options));
}

SeatPool::SeatPool(std::unique_ptr<State> state) : state_(std::move(state)) {
}
SeatPool::SeatPool(SeatPool&&) noexcept = default;
SeatPool& SeatPool::operator=(SeatPool&&) noexcept = default;
SeatPool::~SeatPool() = default;

Seat SeatPool::Allocate(const std::string& agent) {
  return state_->With(
      [&](client::SeatBook& book, int64_t now_ms) { return book.Allocate(agent, now_ms); });
}

Seat SeatPool::AllocateFor(const std::string& agent, int64_t duration_ms) {
  return state_->With([&](client::SeatBook& book, int64_t now_ms) {
    return book.AllocateFor(agent, duration_ms, now_ms);
  });
}

bool SeatPool::Release(const std::string& agent) {
  return state_->With(
      [&](client::SeatBook& book, int64_t now_ms) { return book.Release(agent, now_ms); });
}

bool SeatPool::ReleaseAll(const std::string& agent) {
  return state_->With(
      [&](client::SeatBook& book, int64_t now_ms) { return book.ReleaseAll(agent, now_ms); });
}

void SeatPool::Advance() {
  state_->With([](client::SeatBook& book, int64_t now_ms) {
    book.Advance(now_ms);
    return true;
  });
}

Status SeatPool::Resize(uint64_t count, CountMode mode) {
  return state_->Resize(count, mode);
}

void SeatPool::Hear(const Event& event) {
  // Only what is a violation, or its end, has a number.
  if (event.number.empty() || !state_->IsMine(event.id)) return;
  if (event.number == kViolationNumber) {
    BeginViolation(event.cause, "");
  } else {
    EndViolation(event.cause, "");
  }
}

void SeatPool::BeginViolation(const std::string& reason, const std::string& agent) {
  state_->With([&](client::SeatBook& book, int64_t now_ms) {
    book.Advance(now_ms);
    book.BeginViolation(reason, agent);
    return true;
  });
}

void SeatPool::EndViolation(const std::string& reason, const std::string& agent) {
  state_->With([&](client::SeatBook& book, int64_t now_ms) {
    book.Advance(now_ms);
    book.EndViolation(reason, agent);
    return true;
  });
}

SeatCounts SeatPool::counts() const {
  return state_->Look([](const client::SeatBook& book) { return book.counts(); });
}

std::vector<std::string> SeatPool::Beyond() const {
  return state_->Look([](const client::SeatBook& book) { return book.Beyond(); });
}

bool SeatPool::Licensed(const std::string& agent) const {
  return state_->Look([&](const client::SeatBook& book) { return book.Licensed(agent); });
}

}  // namespace triad
