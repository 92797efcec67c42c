// Seats of a Triad cluster, over the wire that libtriad uses: streams that each carry one session
// or many, several messages in a batch whenever several are ready.
//
// Not libtriad itself, which runs one thread per session with a cluster: thousands of sessions from
// one thread load the cluster more. What it shares with it is every message. Every answer is
// checked: a grant is of one seat and of a handle that nobody has, a check-in is done.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "bench/history.h"
#include "bench/load.h"
#include "triad/v1/license.grpc.pb.h"

namespace triad::bench {

// One stream to one address, driven by the Loop.
class ClientStream {
 public:
  using OnMessage = std::function<void(const v1::ServerMessage&)>;
  // `on_broken` is called once, from the Loop, when the stream ends by itself.
  ClientStream(Loop& loop, const std::string& address, OnMessage on_message,
               std::function<void()> on_broken);
  ~ClientStream();  // cancels, and waits until the queue has let go of it
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  void Send(v1::ClientMessage message);
  bool broken() const { return broken_; }

 private:
  struct Step : Tag {
    Step(ClientStream* stream, void (ClientStream::*then)(bool)) : stream(stream), then(then) {}
    void Proceed(bool ok) override { (stream->*then)(ok); }
    ClientStream* stream;
    void (ClientStream::*then)(bool);
  };
  void OnStarted(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void Read();
  void Write();
  void Break();

  Loop& loop_;
  const OnMessage on_message_;
  const std::function<void()> on_broken_;
  std::unique_ptr<v1::LicenseService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ClientBatch, v1::ServerBatch>> stream_;
  Step started_{this, &ClientStream::OnStarted};
  Step read_{this, &ClientStream::OnRead};
  Step written_{this, &ClientStream::OnWritten};
  Step finished_{this, &ClientStream::OnFinished};
  v1::ServerBatch incoming_;
  v1::ClientBatch outgoing_;  // being written
  v1::ClientBatch waiting_;
  grpc::Status status_;
  int on_queue_ = 0;  // steps that the queue will still call
  bool up_ = false;
  bool writing_ = false;
  bool broken_ = false;
  bool finishing_ = false;
};

class TriadSeats final : public Seats {
 public:
  // `addresses`: "host:port". Session i travels on stream i % streams, stream j goes to
  // addresses[j % size]. `streams` 0: one for each session.
  TriadSeats(Loop& loop, const std::vector<std::string>& addresses, int sessions,
             std::string feature, int streams = 0);
  // Closes the sessions that can still be reached: their seats are free then.
  ~TriadSeats() override;

  // Opens all sessions; false: some did not open.
  bool Open();
  // The next sessions take and give back seats of this feature.
  void set_feature(std::string feature) { feature_ = std::move(feature); }
  // Sends one heartbeat for every session; done when beaten() is true.
  void Beat();
  // Whether the leader has acknowledged the last heartbeat of every session.
  bool beaten() const;
  // Moves sessions whose stream has broken to the other addresses, by itself, from now on.
  void set_reattach(bool reattach) { reattach_ = reattach; }
  size_t broken() const { return broken_.size(); }  // streams that were made anew
  int detached() const { return detached_; }        // sessions without a stream that knows them
  // Until every session is attached again; what is refused, for want of a leader for example, is
  // asked for anew.
  bool AwaitAttached(int64_t timeout_ms);
  // When streams have broken: until every session is attached again and a heartbeat of it was
  // acknowledged by the leader. False: not all came back.
  bool AwaitBack();
  int sessions() const override { return static_cast<int>(sessions_.size()); }
  void Operate(int session, Done done) override;
  // Takes seats and keeps them: `count` seats in one checkout. For benchmarks of a full ledger.
  void Take(int session, uint64_t count, Done done);
  // What an answer said that should not have been said, or what contradicts itself in the history
  // (bench/history.h); "" while all is well. Takes a while: not within a measured time.
  const std::string& wrong() const;
  // How many seats the feature has: from now on there may be denials, and grants are counted.
  void set_seats(uint64_t seats) { seats_ = seats; }
  const SeatHistory& history() const { return history_; }
  int64_t unjudged() const { return history_.unjudged(); }  // messages

 private:
  void Retry();

  struct Session {
    std::string id;
    std::string token;
    int stream = 0;
    uint64_t attachment = 1;
    uint64_t beat = 0;        // the last sent
    uint64_t beat_acked = 0;  // by the leader
    bool opened = false;      // and attached
    uint64_t next_seq = 1;
    uint64_t acked = 0;
    std::set<uint64_t> answered;  // above acked
  };
  struct Call {
    int session = 0;
    uint64_t seq = 0;
    bool checkout = false;
    bool keep = false;
    Done done;
  };

  std::unique_ptr<ClientStream> NewStream(int stream);
  void OnMessage(const v1::ServerMessage& message);
  void OnOpened(int session, const v1::ServerMessage& message);
  void OnHeartbeat(const v1::HeartbeatAnswer& answer);
  void OnBroken(int stream);
  void OpenOne(int session);
  void Attach(int session);
  void SetOpened(Session& session, bool opened);
  void SendOn(int session, v1::ClientMessage message);
  void Send(int session, Call call, const std::function<void(v1::ClientRequest&)>& fill);
  void Note(const v1::ServerMessage& message);
  void OnOutcome(Call call, const v1::Outcome& outcome);
  void Wrong(const std::string& what);
  static void Answered(Session& session, uint64_t seq);

  Loop& loop_;
  const std::vector<std::string> addresses_;
  std::string feature_;
  std::vector<Session> sessions_;
  std::vector<std::unique_ptr<ClientStream>> streams_;
  std::vector<std::unique_ptr<ClientStream>> broken_;  // kept until the end: we stand in them
  std::vector<size_t> at_;                             // by stream: its address
  absl::flat_hash_map<std::string, int> by_id_;        // session id -> its number
  absl::flat_hash_map<uint64_t, int> opening_;         // message id -> session
  std::unordered_map<uint64_t, Call> calls_;
  std::vector<int> refused_;  // sessions whose attach was
  bool reattach_ = false;
  int detached_ = 0;
  uint64_t next_id_ = 1;
  absl::flat_hash_set<uint64_t> out_;  // handles
  uint64_t seats_ = 0;                 // 0: as many as are asked for
  SeatHistory history_;
  mutable std::string wrong_;
};

// Says on stderr what the seats were answered wrongly; true: nothing.
bool IsRight(const TriadSeats& seats);

}  // namespace triad::bench
