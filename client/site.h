// One license server cluster of a client's search path: its connections, its session, and what is
// known of it.
//
// Thread-safe. What the session tells goes to the owner, on the transport's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/environment.h"
#include "client/grpc_transport.h"
#include "client/search_path.h"
#include "client/session.h"
#include "triad/client.h"

namespace triad::client {

class Site;

class SiteOwner {
 public:
  virtual ~SiteOwner() = default;
  virtual void OnEvent(Site* site, const Event& event) = 0;
  virtual void OnLicense(Site* site, LicenseId id, const LicenseView& view) = 0;
  virtual void OnNote(int level, const std::string& line) = 0;
};

class Site final : private Observer {
 public:
  // `trust` may be null: plaintext.
  Site(Cluster cluster, Session::Config config, GrpcTransport::TrustSource trust, Clock* clock,
       Random* random, SiteOwner* owner);
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  ~Site() override;  // as Stop()

  // Begins to open the session; `decided` hears of the first success or failure, on the
  // transport's thread. After a failure it goes on trying, patiently.
  void Start(const Session::Patience& patience, Session::Done decided);
  // Runs `task` on the transport's thread. FALSE: stopped, it will not run.
  bool Post(std::function<void()> task);
  // Ends the session; `done` within kCloseMs. Stop is called afterwards.
  void Close(const Session::Done& done);
  void Stop();

  // On the transport's thread only.
  Session& session() { return session_; }

  const Cluster& cluster() const { return cluster_; }
  // "27000@lic1,27000@lic2,27000@lic3"
  std::string Addresses() const;
  int64_t started_ms() const { return started_ms_; }

 private:
  void OnEvent(const Event& event) override { owner_->OnEvent(this, event); }
  void OnLicense(LicenseId id, const LicenseView& view) override {
    owner_->OnLicense(this, id, view);
  }
  void OnNote(int level, const std::string& line) override { owner_->OnNote(level, line); }

  const Cluster cluster_;
  SiteOwner* const owner_;
  Clock* const clock_;
  int64_t started_ms_ = 0;
  GrpcTransport transport_;
  Session session_;
};

}  // namespace triad::client
