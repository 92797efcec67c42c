// The library's I/O: one channel and stream per SERVER line. It decides nothing; it drives a
// Session and does what that says.
//
// Everything of the Session runs on one thread, which all transports of the process share; other
// threads Post. A connect never blocks, a broken stream is reported at once. Thread-safe: Post and
// Stop; Transport's functions are for the Session.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/environment.h"
#include "client/search_path.h"
#include "client/trust.h"
#include "grpcpp/support/status.h"
#include "triad/v1/license.grpc.pb.h"

namespace triad::client {

// Why a stream ended, in gRPC's words, short enough for one line.
std::string EndReason(const grpc::Status& status);

class GrpcLoop;

class GrpcTransport final : public Transport {
 public:
  // Whom to trust, asked for at the beginning and again after a connection failed: certificates
  // are replaced while an application runs. Returns the same as before if it finds nothing better.
  using TrustSource = std::function<Trust()>;

  // `trust` may be null: plaintext.
  GrpcTransport(const std::vector<Address>& servers, Clock* clock, TrustSource trust = nullptr);
  ~GrpcTransport() override;  // as Stop()

  // Begins to drive `driven`, which must live until Stop has returned.
  void Start(Driven* driven);
  // Runs `task` on the thread. FALSE: stopped, it will not run.
  bool Post(std::function<void()> task);
  // Runs what was posted, cancels all streams; nothing happens afterwards. Not from the thread.
  void Stop();

  void Connect(size_t server) override;
  void Send(size_t server, v1::ClientMessage message) override;
  void Disconnect(size_t server) override;
  void Abandon(size_t server) override;

 private:
  friend class GrpcLoop;
  struct Stream;
  enum class Event { kStarted, kRead, kWritten, kFinished };
  struct Tag {
    Stream* stream;
    Event event;
  };

  // On the loop's thread.
  void BeginToEnd();
  void OnEvent(const Tag& tag, bool ok);
  void OnRead(Stream* stream);
  void OnFinished(Stream* stream);
  void StartFinish(Stream* stream);
  void Flush();
  void FlushStream(Stream* stream);
  // The stream that the Session knows as `server`'s; nullptr: none.
  bool IsCurrent(const Stream* stream) const;
  void DeleteIfIdle(Stream* stream);

  std::unique_ptr<v1::LicenseService::Stub> MakeStub(const Address& address) const;
  void MakeStubs();
  // New stubs if the certificates are others by now.
  void LookForNewTrust();

  const std::vector<Address> servers_;
  Clock* const clock_;
  const TrustSource trust_source_;
  Trust trust_;
  int64_t look_again_ms_ = 0;
  bool failed_ = false;  // a connection, since the certificates were last looked at
  Driven* driven_ = nullptr;
  std::vector<std::unique_ptr<v1::LicenseService::Stub>> stubs_;
  std::vector<Stream*> current_;  // by server
  std::set<Stream*> streams_;     // all that gRPC still knows; owned
  bool ending_ = false;           // no new streams
  int64_t due_ms_ = INT64_MAX;    // as the loop has it
  std::shared_ptr<GrpcLoop> loop_;
};

}  // namespace triad::client
