#include "bench/chain.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "triad/v1/license.grpc.pb.h"
#include "triad/v1/peer.grpc.pb.h"

namespace triad::bench {
namespace {

// Preallocated, as Triad's segments; written round and round.
constexpr int64_t kFileBytes = 64 << 20;

class SyncedFile {
 public:
  explicit SyncedFile(const std::string& path)
      : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    const std::string zeros(1 << 20, '\0');
    for (int64_t at = 0; at < kFileBytes; at += static_cast<int64_t>(zeros.size())) {
      ok_ =
          pwrite(fd_, zeros.data(), zeros.size(), at) == static_cast<ssize_t>(zeros.size()) && ok_;
    }
    ok_ = fsync(fd_) == 0 && ok_;
  }
  ~SyncedFile() { close(fd_); }
  SyncedFile(const SyncedFile&) = delete;
  SyncedFile& operator=(const SyncedFile&) = delete;

  bool ok() const { return ok_; }
  bool Append(const std::string& bytes) {
    if (at_ + static_cast<int64_t>(bytes.size()) > kFileBytes) at_ = 0;
    const bool written =
        pwrite(fd_, bytes.data(), bytes.size(), at_) == static_cast<ssize_t>(bytes.size());
    at_ += static_cast<int64_t>(bytes.size());
    return written && fdatasync(fd_) == 0;
  }

 private:
  const int fd_;
  int64_t at_ = 0;
  bool ok_ = true;
};

void Answer(const v1::ClientMessage& message, v1::ServerMessage* answer) {
  answer->set_id(message.id());
  if (message.has_heartbeat()) {
    for (const auto& beat : message.heartbeat().beats()) {
      auto& ack = *answer->mutable_heartbeat()->add_acks();
      ack.set_session(beat.session());
      ack.set_number(beat.number());
    }
  } else if (message.has_open() || message.has_attach()) {
    answer->mutable_opened()->set_token("t");
  } else if (message.request().has_checkout()) {
    v1::Holding& holding = *answer->mutable_outcome()->mutable_granted()->add_holdings();
    holding.set_handle(message.id());
    holding.set_count(1);
  } else {
    answer->mutable_outcome()->mutable_done();
  }
}

// By callbacks: ten thousand streams must not be ten thousand threads.
class EmptyService final : public v1::LicenseService::CallbackService {
  class Stream final : public grpc::ServerBidiReactor<v1::ClientBatch, v1::ServerBatch> {
   public:
    Stream() { StartRead(&batch_); }
    void OnReadDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::OK);
      answers_.Clear();
      for (const auto& message : batch_.messages()) Answer(message, answers_.add_messages());
      StartWrite(&answers_);
    }
    void OnWriteDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::OK);
      StartRead(&batch_);
    }
    void OnDone() override { delete this; }

   private:
    v1::ClientBatch batch_;
    v1::ServerBatch answers_;
  };

  grpc::ServerBidiReactor<v1::ClientBatch, v1::ServerBatch>* Connect(
      grpc::CallbackServerContext*) override {
    return new Stream;  // deletes itself
  }
};

class FollowerService final : public v1::PeerService::Service {
 public:
  explicit FollowerService(const std::string& file) : file_(file) {}
  bool ok() const { return file_.ok(); }

 private:
  grpc::Status Link(grpc::ServerContext*,
                    grpc::ServerReaderWriter<v1::PeerBatch, v1::PeerBatch>* stream) override {
    v1::PeerBatch batch;
    while (stream->Read(&batch)) {
      if (!file_.Append(batch.SerializeAsString())) return {grpc::StatusCode::DATA_LOSS, "write"};
      v1::PeerBatch answer;
      answer.add_messages()->mutable_quorum()->mutable_append_response()->set_match(
          batch.messages(0).quorum().append_request().prev_index());
      if (!stream->Write(answer)) break;
    }
    return grpc::Status::OK;
  }

  SyncedFile file_;
};

class HeadService final : public v1::LicenseService::Service {
 public:
  HeadService(const std::string& file, const std::array<std::string, 2>& followers) : file_(file) {
    for (size_t i = 0; i < followers.size(); ++i) {
      auto stub = v1::PeerService::NewStub(
          grpc::CreateChannel(followers[i], grpc::InsecureChannelCredentials()));
      links_[i] = stub->Link(&contexts_[i]);
      readers_[i] = std::thread([this, i] { ReadAnswers(i); });
    }
    batcher_ = std::thread([this] { Batch(); });
  }
  ~HeadService() override = default;  // the process is killed
  bool ok() const { return file_.ok(); }

 private:
  using Stream = grpc::ServerReaderWriter<v1::ServerBatch, v1::ClientBatch>;
  struct Waiting {
    Stream* stream;
    v1::ClientBatch batch;
  };

  grpc::Status Connect(grpc::ServerContext*, Stream* stream) override {
    v1::ClientBatch batch;
    while (stream->Read(&batch)) {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({stream, std::move(batch)});
      changed_.notify_all();
      batch = {};
    }
    // The batcher may still hold the stream: its last answers must be out before it goes.
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.empty() && !batching_; });
    return grpc::Status::OK;
  }

  void ReadAnswers(size_t follower) {
    v1::PeerBatch batch;
    while (links_[follower]->Read(&batch)) {
      const uint64_t number = batch.messages(0).quorum().append_response().match();
      const std::lock_guard lock(mutex_);
      stored_ = std::max(stored_, number);
      changed_.notify_all();
    }
  }

  void Batch() {
    for (uint64_t number = 1;; ++number) {
      std::vector<Waiting> batch;
      {
        std::unique_lock lock(mutex_);
        batching_ = false;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !waiting_.empty(); });
        batch.swap(waiting_);
        batching_ = true;
      }
      Replicate(number, batch);
      for (Waiting& one : batch) {
        v1::ServerBatch answers;
        for (const auto& message : one.batch.messages()) Answer(message, answers.add_messages());
        one.stream->Write(answers);
      }
    }
  }

  void Replicate(uint64_t number, const std::vector<Waiting>& batch) {
    v1::PeerBatch entries;
    v1::AppendRequest& append = *entries.add_messages()->mutable_quorum()->mutable_append_request();
    append.set_prev_index(number);
    for (const Waiting& one : batch) {
      append.add_entries()->set_payload(one.batch.SerializeAsString());
    }
    for (auto& link : links_) link->Write(entries);
    if (!file_.Append(entries.SerializeAsString())) std::abort();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, number] { return stored_ >= number; });
  }

  SyncedFile file_;
  std::array<grpc::ClientContext, 2> contexts_;
  std::array<std::unique_ptr<grpc::ClientReaderWriter<v1::PeerBatch, v1::PeerBatch>>, 2> links_;
  std::array<std::thread, 2> readers_;
  std::thread batcher_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;  // guarded by mutex_
  bool batching_ = false;         // guarded by mutex_
  uint64_t stored_ = 0;           // by one follower; guarded by mutex_
};

int Serve(const std::string& address, grpc::Service* service) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(service);
  auto server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "bench: cannot listen on " << address << "\n";
    return 1;
  }
  server->Wait();
  return 0;
}

}  // namespace

int ServeEmpty(const std::string& address) {
  EmptyService service;
  return Serve(address, &service);
}

int ServeChainFollower(const std::string& address, const std::string& file) {
  FollowerService service(file);
  return service.ok() ? Serve(address, &service) : 74;
}

int ServeChainHead(const std::string& address, const std::string& file, const std::string& first,
                   const std::string& second) {
  HeadService service(file, {first, second});
  return service.ok() ? Serve(address, &service) : 74;
}

}  // namespace triad::bench
