// LicenseService as it is on the wire, for tests that ask what no library would ask: the same
// request twice, late, out of order, forged, too large.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "grpcpp/grpcpp.h"
#include "triad/v1/license.grpc.pb.h"

namespace triad::integration {

// A channel of its own to "port@host".
std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);

// One stream; answers are kept by their id. Thread-safe.
class RawStream {
 public:
  explicit RawStream(const std::string& address);
  ~RawStream();
  RawStream(const RawStream&) = delete;
  RawStream& operator=(const RawStream&) = delete;

  // False: the stream is broken.
  bool Send(v1::ClientMessage message);
  std::optional<v1::ServerMessage> WaitForAnswer(uint64_t id, int timeout_ms = 15'000);
  // Send and WaitForAnswer, under a new id.
  std::optional<v1::ServerMessage> Ask(v1::ClientMessage message, int timeout_ms = 15'000);
  // As an application that dies.
  void Break();
  bool broken() const;

 private:
  void ReadAll();

  std::unique_ptr<v1::LicenseService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ClientBatch, v1::ServerBatch>> stream_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, v1::ServerMessage> answers_;  // guarded by mutex_
  bool broken_ = false;                            // guarded by mutex_
  uint64_t next_id_ = 1'000'000;                   // guarded by mutex_
  std::thread reader_;
};

// Unary.
struct RawAnswer {
  grpc::Status status;
  v1::ServerMessage message;
  // If the status carries one.
  std::optional<v1::Failure> failure;
};
RawAnswer RawCall(const std::string& address, const v1::ClientMessage& message,
                  int timeout_ms = 15'000);

// 16 bytes, never the same twice.
std::string NewSessionId();
v1::ClientMessage OpenMessage(const std::string& session, uint64_t attachment,
                              const std::string& user = "raw");
v1::ClientMessage AttachMessage(const std::string& session, const std::string& token,
                                uint64_t attachment);
v1::ClientMessage CheckoutMessage(const std::string& session, uint64_t seq, uint64_t acked,
                                  const std::string& feature, uint64_t count = 1,
                                  const std::string& token = "");
v1::ClientMessage CheckinMessage(const std::string& session, uint64_t seq, uint64_t acked,
                                 uint64_t handle, const std::string& token = "");

// An answer without what differs between two answers to the same: its id.
std::string Essence(const std::optional<v1::ServerMessage>& answer);
// "granted 101", "denied -4", "refused SESSION_UNKNOWN ...", "failure ...".
std::string Describe(const std::optional<v1::ServerMessage>& answer);

}  // namespace triad::integration
