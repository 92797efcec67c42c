// What stands behind Client and License: the application's threads on one side, the transport's
// thread with the Session on the other, and the Dispatcher's with the callbacks.
//
// Shared by a Client and its Licenses, so that these may die in any order. Thread-safe.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/dispatcher.h"
#include "client/environment.h"
#include "client/grpc_transport.h"
#include "client/search_path.h"
#include "client/session.h"
#include "triad/client.h"

namespace triad::client {

// What every call is answered in a child after fork.
Status Forked();
// This process is a child of one that has used the library.
bool ForkedSinceFirstUse();
// Starts something and blocks until it is done.
Status Await(const std::function<void(const DoneCallback&)>& start);

// One License's state, written by the transport's thread, read by any.
class LicenseSlot {
 public:
  explicit LicenseSlot(LicenseId id) : id(id) {}
  LicenseView Get() const;
  void Set(const LicenseView& view);
  // TRUE once: whoever gets it may check in.
  bool TakeReturn();

  const LicenseId id;
  const bool borrowed = false;

 private:
  mutable absl::Mutex mutex_;
  LicenseView view_ ABSL_GUARDED_BY(mutex_);
  bool return_taken_ ABSL_GUARDED_BY(mutex_) = false;
};

class ClientState final : public Observer, public std::enable_shared_from_this<ClientState> {
 public:
  using Licenses = std::vector<License>;
  using LicensesCallback = std::function<void(Result<Licenses>)>;

  explicit ClientState(const ClientOptions& options);
  ~ClientState() override;

  // Finds the clusters and opens a session with the first that serves.
  Status Open();
  Result<Licenses> Checkout(const std::vector<CheckoutRequest>& requests,
                            const CheckoutOptions& terms);
  void CheckoutAsync(const std::vector<CheckoutRequest>& requests, const CheckoutOptions& terms,
                     Client::CheckoutsCallback done);
  Status CancelWaits();
  // `done` may be null, and may come from any thread.
  void CheckIn(const LicenseSlot& slot, const DoneCallback& done);
  void Resize(const LicenseSlot& slot, uint64_t count, CountMode mode, const DoneCallback& done);
  Status SetIdle(const LicenseSlot& slot, bool idle);
  Status SetIdleAll(bool idle);
  Result<BorrowedLicense> Borrow(const CheckoutRequest& request, int64_t until_ms);
  Status ReturnBorrowed(const BorrowedLicense& borrowed);
  std::vector<BorrowedLicense> Borrowed();
  Status Close();
  ClientStatus GetStatus();
  std::vector<std::string> Diagnostics() const;

  // This process is a child of the one that opened the client.
  bool forked() const { return getpid() != process_; }
  // `done`, called on the dispatcher's thread.
  DoneCallback OnDispatcher(DoneCallback done);

  // On the transport's thread.
  void OnEvent(const Event& event) override;
  void OnLicense(LicenseId id, const LicenseView& view) override;
  void OnNote(int level, const std::string& line) override;

 private:
  class SystemClock final : public Clock {
   public:
    int64_t NowMs() override;
  };
  class SystemRandom final : public Random {
   public:
    uint32_t Below(uint32_t bound) override;
    std::string Bytes(size_t size) override;
  };

  Status OpenCluster(const Cluster& cluster, const Session::Patience& patience);
  void StartCheckout(const std::vector<CheckoutRequest>& requests, const LicensesCallback& done);
  Result<Licenses> MakeResult(const Status& status, const std::vector<LicenseId>& ids);
  bool Insecure() const;

  const pid_t process_ = getpid();
  const ClientOptions options_;
  int note_level_ = 0;  // lines up to it go to stderr
  SystemClock clock_;
  SystemRandom random_;
  std::shared_ptr<Dispatcher> dispatcher_;
  // Set while Open, before anybody else has this object.
  std::unique_ptr<Session> session_;
  std::unique_ptr<GrpcTransport> transport_;
  // The transport's thread only.
  std::map<LicenseId, std::shared_ptr<LicenseSlot>> slots_;

  mutable absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::string> notes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace triad::client
