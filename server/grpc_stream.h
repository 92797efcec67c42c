// Long-lived gRPC streams on a completion queue, both ends, with what every one of them needs done
// alike: one read always pending (it is how a broken stream is noticed), one write at a time, what
// gathers until Flush() or while a write is under way sent as one batch, a bounded queue.
//
// Thread-safety: Gather, Flush and Cancel from any thread; the rest on the completion queue's.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/limits.h"

namespace triad::server {

// What a completion queue's tag points to.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void Done(bool ok) = 0;
};

template <typename Function>
class OperationOf final : public Operation {
 public:
  explicit OperationOf(Function function) : function_(std::move(function)) {}
  void Done(bool ok) override { function_(ok); }

 private:
  Function function_;
};

// `Rpc` is ServerAsyncReaderWriter or ClientAsyncReaderWriter; `InBatch` and `OutBatch` have a
// repeated field `messages`. The object keeps itself alive while operations are under way.
template <typename Rpc, typename InBatch, typename OutBatch>
class Stream : public std::enable_shared_from_this<Stream<Rpc, InBatch, OutBatch>> {
 public:
  using OutMessage = std::remove_cvref_t<decltype(*std::declval<OutBatch>().mutable_messages(0))>;
  // Held while a received batch is being handled: nothing more is read until the last copy of it is
  // gone, so a sender is as fast as who handles what it sends.
  class Turn {
   public:
    explicit Turn(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { stream_->ReadOn(); }

   private:
    const std::shared_ptr<Stream> stream_;
  };
  struct Handler {
    // Takes the batch, leaving it empty.
    std::function<void(InBatch*, std::shared_ptr<Turn>)> received;
    std::function<void()> closed;  // once; nothing is received afterwards
  };

  Stream(Handler handler, size_t queue_messages_max, size_t queue_bytes_max)
      : handler_(std::move(handler)),
        queue_messages_max_(queue_messages_max),
        queue_bytes_max_(queue_bytes_max) {}
  virtual ~Stream() = default;

  enum class Taken {
    kNot,    // the stream is closed or its queue is full
    kFirst,  // nothing else waits and nothing is being written: Flush() must follow
    kMore,   // it leaves with what waits already
  };

  // Takes a message to be sent with all others that gather until Flush().
  Taken Gather(OutMessage message) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const int count = gathering_.messages_size();
    if (!open_ || static_cast<size_t>(count) >= queue_messages_max_) return Taken::kNot;
    const size_t bytes = message.ByteSizeLong();
    if (gathering_bytes_ + bytes > queue_bytes_max_ && count > 0) return Taken::kNot;
    gathering_bytes_ += bytes;
    gathering_.add_messages()->Swap(&message);
    return count == 0 && !writing_ ? Taken::kFirst : Taken::kMore;
  }

  // Sends what has gathered, unless that is under way: then the rest follows by itself.
  void Flush() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (open_ && !writing_ && gathering_.messages_size() > 0) StartWrite();
  }

  virtual void Cancel() = 0;

 protected:
  // The stream is up: begins to read, and to write what has gathered.
  void Opened() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    self_ = this->shared_from_this();
    open_ = true;
    rpc()->Read(&in_, &read_done_);
    if (gathering_.messages_size() > 0) StartWrite();
  }

  virtual Rpc* rpc() = 0;
  // Begins the end of the call; its operation must call Finished().
  virtual void StartFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;

  void Finished() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::shared_ptr<Stream> self;
    {
      absl::MutexLock lock(&mutex_);
      self = std::move(self_);
    }
  }

  absl::Mutex mutex_;

 private:
  // Moves what has gathered into one batch, as far as a batch may go.
  void StartWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    out_.Clear();
    if (gathering_bytes_ <= kBatchBytesMax) {
      out_.Swap(&gathering_);
      gathering_bytes_ = 0;
    } else {
      size_t bytes = 0;
      int count = 0;
      while (count < gathering_.messages_size()) {
        const size_t next = gathering_.messages(count).ByteSizeLong();
        if (count > 0 && bytes + next > kBatchBytesMax) break;
        bytes += next;
        out_.add_messages()->Swap(gathering_.mutable_messages(count++));
      }
      gathering_.mutable_messages()->DeleteSubrange(0, count);
      gathering_bytes_ -= bytes;
    }
    writing_ = true;
    rpc()->Write(out_, &write_done_);
  }

  // May be called on another thread than OnRead: whoever calls it is the only one to touch in_.
  void ReadOn() { rpc()->Read(&in_, &read_done_); }

  void OnRead(bool ok) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (ok) {
      handler_.received(&in_, std::make_shared<Turn>(this->shared_from_this()));
      return;
    }
    handler_.closed();
    absl::MutexLock lock(&mutex_);
    open_ = false;
    read_ended_ = true;
    MaybeFinish();
  }

  void OnWrite(bool ok) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) open_ = false;  // the pending read fails too and ends the stream
    if (open_ && gathering_.messages_size() > 0) StartWrite();
    MaybeFinish();
  }

  void MaybeFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!read_ended_ || writing_ || finishing_) return;
    finishing_ = true;
    StartFinish();
  }

  struct ReadDone final : Operation {
    explicit ReadDone(Stream* stream) : stream(stream) {}
    void Done(bool ok) override { stream->OnRead(ok); }
    Stream* const stream;
  };
  struct WriteDone final : Operation {
    explicit WriteDone(Stream* stream) : stream(stream) {}
    void Done(bool ok) override { stream->OnWrite(ok); }
    Stream* const stream;
  };

  const Handler handler_;
  const size_t queue_messages_max_;
  const size_t queue_bytes_max_;
  ReadDone read_done_{this};
  WriteDone write_done_{this};
  InBatch in_;
  OutBatch out_;
  OutBatch gathering_ ABSL_GUARDED_BY(mutex_);
  size_t gathering_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Stream> self_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace triad::server
