// A ledger's way from one node to another when the log alone cannot bring it (quorum-notes B.11):
// the needy node asks for it chunk by chunk, the other reads the chunks from a view of its store,
// which stops nobody. A snapshot holds applied, so committed, state only; so it is right in any
// term and of any node: of the leader where there is one, else of whoever holds what is needed.
//
// SnapshotFetch decides what the needy node asks for and stages, SnapshotSource what the other
// answers. Both are pure and single-threaded, driven by the Node. What they are not: they do not
// change the log or the ledger; the Node jumps when a whole one is staged.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "license/ledger.h"
#include "license/ledger_rows.h"
#include "quorum/types.h"
#include "server/environment.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

// RowHash over the rows of one chunk.
uint64_t ChunkChecksum(const v1::SnapshotChunk& chunk);

// The needy side. One request is under way at a time, and no other before its rows are staged.
class SnapshotFetch {
 public:
  // A request that says who asks, and from which entry on a ledger is of use.
  using MakeRequest = std::function<v1::SnapshotRequest(quorum::Slot to)>;

  SnapshotFetch(SnapshotTransport* transport, LedgerWriter* ledger_writer, MakeRequest request)
      : transport_(transport), ledger_writer_(ledger_writer), request_(std::move(request)) {}

  // Call with every timer. `wanted_from`: who has what this node lacks (kNone: nobody is known, or
  // nothing is lacking). A fetch that has begun goes on from whom it began with, as long as that
  // one answers; else it soon begins anew with `wanted_from`.
  void Tick(quorum::Slot wanted_from, int64_t now_ms);
  void OnChunk(quorum::Slot from, v1::SnapshotChunk chunk, int64_t now_ms);
  void OnFailed(quorum::Slot from, int64_t now_ms);
  // The rows handed over last are staged; with the whole snapshot its ledger, else null. Returns
  // the ledger if it is the one that was sent, whole and unchanged; the fetch is over then. Else,
  // when the rows did not fit together, it begins anew.
  std::unique_ptr<license::Ledger> OnStaged(std::unique_ptr<license::Ledger> ledger,
                                            int64_t now_ms);

  bool under_way() const { return state_ != State::kIdle; }
  quorum::Slot from() const { return from_; }
  uint64_t bytes() const { return bytes_; }
  // Why the last try failed; "" if it did not. For the log.
  const std::string& complaint() const { return complaint_; }

 private:
  enum class State : uint8_t {
    kIdle,
    kPausing,  // until not_before_ms_, then asks
    kAsking,
    kStaging,  // a part; then the next is asked for
    kStagingLast,
  };

  void Begin(quorum::Slot from, int64_t now_ms);
  bool MayLeave() const;
  void Ask(int64_t now_ms);
  void AskAgain(std::string complaint, int64_t now_ms);
  void BeginAnew(std::string complaint);
  // "": as it must be.
  std::string Complaint(const v1::SnapshotChunk& chunk) const;

  SnapshotTransport* const transport_;
  LedgerWriter* const ledger_writer_;
  const MakeRequest request_;
  State state_ = State::kIdle;
  quorum::Slot from_ = quorum::Slot::kNone;
  int64_t asked_ms_ = 0;
  uint64_t least_index_ = 0;  // as it was asked for
  int64_t not_before_ms_ = 0;
  int tries_ = 0;  // of the present chunk that failed
  uint64_t id_ = 0;
  license::LogPosition position_;
  std::string after_;
  license::RowHash hash_;
  uint64_t digest_ = 0;  // as the source says, with the last chunk
  uint64_t bytes_ = 0;
  std::string complaint_;
};

// The serving side: requests in, chunks out, in the order of the requests.
class SnapshotSource {
 public:
  using Answer = std::function<void(v1::SnapshotChunk)>;

  explicit SnapshotSource(LedgerWriter* ledger_writer) : ledger_writer_(ledger_writer) {}

  // `from` has been judged. Answers at once with a refusal when too many wait.
  void OnRequest(quorum::Slot from, const v1::SnapshotRequest& request, Answer answer,
                 int64_t now_ms);
  // What LedgerWriter::ReadSnapshot has found.
  void OnRead(SnapshotRows rows, int64_t now_ms);
  // Closes views that nobody reads any more.
  void Tick(int64_t now_ms);

  size_t open_views() const { return views_.size(); }

 private:
  struct Waiting {
    quorum::Slot from = quorum::Slot::kNone;
    uint64_t view = 0;  // as it was asked for
    std::string after;
    Answer answer;
  };
  // The sum over all rows up to a key; of the chunk before too, because it may be asked for again.
  struct Sum {
    std::string after;
    license::RowHash hash;
  };
  struct View {
    quorum::Slot reader = quorum::Slot::kNone;
    int64_t read_ms = 0;
    Sum before;
    Sum now;
  };

  LedgerWriter* const ledger_writer_;
  std::deque<Waiting> waiting_;
  std::map<uint64_t, View> views_;
};

// The refusal of a chunk that cannot be served.
v1::SnapshotChunk RefusedChunk(std::string why);

}  // namespace triad::server
