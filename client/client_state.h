// What stands behind Client and License: the application's threads on one side, the transports'
// one thread with the Sessions on the other (one for each cluster of the search path), and the
// Dispatcher's with the callbacks.
//
// Shared by a Client and its Licenses, so that these may die in any order. Thread-safe. In a child
// after fork nothing here may be touched but forked().
#pragma once

#include <unistd.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/borrow_store.h"
#include "client/dispatcher.h"
#include "client/environment.h"
#include "client/session.h"
#include "client/site.h"
#include "client/trust.h"
#include "triad/client.h"

namespace triad::client {

// What every call is answered in a child after fork.
Status Forked();
// This process is a child of one that has used the library.
bool ForkedSinceFirstUse();
// Starts something and blocks until it is done.
Status Await(const std::function<void(const DoneCallback&)>& start);
// kUsage (-42).
Status UsageError(const std::string& feature, const std::string& message);
Status ClientClosed();

// One License's state, written by a transport's thread, read by any.
class LicenseSlot {
 public:
  LicenseSlot(LicenseId id, Site* site) : id(id), site(site) {}
  LicenseSlot(LicenseId id, std::unique_ptr<BorrowUse> use, const LicenseView& view)
      : id(id), site(nullptr), view_(view), use_(std::move(use)) {}
  LicenseView Get() const;
  void Set(const LicenseView& view);
  // TRUE once: whoever gets it may check in.
  bool TakeReturn();
  // When the borrow ends that it is used from; 0: none is.
  int64_t BorrowedUntilMs() const;
  // Ends the use of a borrowed license.
  void EndUse();

  const LicenseId id;
  Site* const site;  // nullptr: from a record on this machine

 private:
  mutable absl::Mutex mutex_;
  LicenseView view_ ABSL_GUARDED_BY(mutex_);
  bool return_taken_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<BorrowUse> use_ ABSL_GUARDED_BY(mutex_);
};

class ClientState final : public SiteOwner, public std::enable_shared_from_this<ClientState> {
 public:
  using Licenses = std::vector<License>;
  using LicensesCallback = std::function<void(Result<Licenses>)>;

  explicit ClientState(const ClientOptions& options);
  ~ClientState() override;

  // Finds the clusters and opens sessions with those that serve.
  Status Open();
  Result<Licenses> Checkout(const std::vector<CheckoutRequest>& requests,
                            const CheckoutOptions& terms);
  void CheckoutAsync(const std::vector<CheckoutRequest>& requests, const CheckoutOptions& terms,
                     Client::CheckoutsCallback done);
  Status CancelWaits();
  // `done` may be null, and may come from any thread.
  void CheckIn(LicenseSlot& slot, const DoneCallback& done);
  void Resize(const LicenseSlot& slot, uint64_t count, CountMode mode, const DoneCallback& done);
  Status SetIdle(const LicenseSlot& slot, bool idle);
  Status SetIdleAll(bool idle);
  Result<BorrowedLicense> Borrow(const CheckoutRequest& request, int64_t until_ms);
  Status ReturnBorrowed(const BorrowedLicense& borrowed);
  std::vector<BorrowedLicense> Borrowed() const;
  Status Close();
  ClientStatus GetStatus();
  std::vector<std::string> Diagnostics() const;

  // This process is a child of the one that opened the client.
  bool forked() const { return getpid() != process_; }
  // `done`, called on the dispatcher's thread.
  DoneCallback OnDispatcher(DoneCallback done);

  // On a transport's thread.
  void OnEvent(Site* site, const Event& event) override;
  void OnLicense(Site* site, LicenseId id, const LicenseView& view) override;
  void OnNote(int level, const std::string& line) override;

 private:
  class SystemClock final : public Clock {
   public:
    int64_t NowMs() override;
    int64_t WallMs() override;
  };
  class SystemRandom final : public Random {
   public:
    uint32_t Below(uint32_t bound) override;
    std::string Bytes(size_t size) override;
  };
  // How opening one site went.
  struct Opening {
    bool decided = false;
    Status status;
  };
  // A checkout on its way through the sites.
  struct Errand;

  // --- client_state.cc ---
  bool Insecure() const;
  absl::StatusOr<Trust> FindOwnTrust() const;
  std::optional<Status> RefusePlaintext(const Cluster& cluster, const Trust& trust) const;
  void MakeSites(const std::vector<Cluster>& clusters, Status* refused);
  void StartSites(int64_t deadline_ms);
  Status JudgeOpening(const std::vector<Opening>& openings);
  // TRUE: waiting longer changes nothing.
  bool OpenedEnough(bool patience_over) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool closed() const;

  // --- client_checkout.cc ---
  void StartCheckout(const std::vector<CheckoutRequest>& requests, const CheckoutOptions& terms,
                     const LicensesCallback& done);
  void Advance(const std::shared_ptr<Errand>& errand);
  void OnTried(const std::shared_ptr<Errand>& errand, const Status& status,
               const std::vector<LicenseId>& ids);
  void Finish(const std::shared_ptr<Errand>& errand);
  Result<Licenses> MakeResult(const Status& status, const std::vector<LicenseId>& ids);
  bool AskAt(Site* site, const std::shared_ptr<Errand>& errand);

  // --- client_borrow.cc ---
  int64_t EndBorrows();
  std::optional<License> UseBorrowed(const std::vector<CheckoutRequest>& requests);
  Result<BorrowedLicense> WriteDown(Site* site, const CheckoutRequest& request, int64_t until_ms,
                                    const Session::BorrowGrant& grant);

  const pid_t process_ = getpid();
  const ClientOptions options_;
  int note_level_ = 0;  // lines up to it go to stderr
  SystemClock clock_;
  SystemRandom random_;
  std::shared_ptr<Dispatcher> dispatcher_;
  const BorrowStore borrow_store_;
  // Made while Open, before anybody else has this object; never changed afterwards.
  std::vector<std::unique_ptr<Site>> sites_;

  mutable absl::Mutex mutex_;
  std::vector<Opening> openings_ ABSL_GUARDED_BY(mutex_);  // of the sites
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::string> notes_ ABSL_GUARDED_BY(mutex_);
  mutable absl::Mutex slots_mutex_;
  std::map<LicenseId, std::shared_ptr<LicenseSlot>> slots_ ABSL_GUARDED_BY(slots_mutex_);
};

}  // namespace triad::client
