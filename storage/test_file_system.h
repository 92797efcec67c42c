// A disk in memory that forgets: what a crash may do to files and names that were not synced, and
// what a machine may do to those that were.
//
// A write reaches the disk by sectors of 512 bytes, each of which survives a crash in any of the
// states it has had since the last sync. A created, renamed or removed name survives only a
// SyncDirectory. A failed sync drops what it should have written and calls it clean, as Linux does
// (Rebello et al., ATC'20). What it does not model: directories (any path may be used; a directory
// is there when something is in it, and what has changed in it counts as synced when it is
// renamed), permissions.
//
// The simulator writes to it a million times: a write costs its bytes, and so does the sync that
// covers it; what a sector has been is worked out only when the power fails.
//
// Not thread-safe. Deterministic: chance comes from the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/file_system.h"

namespace triad::storage {

class TestFileSystem final : public FileSystem {
 public:
  // One call that changes something, in the order of the calls.
  struct Operation {
    enum Kind {
      kCreate,
      kWrite,
      kSync,
      kPreallocate,
      kTruncate,
      kRename,
      kRemove,
      kSyncDirectory
    } kind = kWrite;
    std::string path;
    uint64_t offset = 0;
    uint64_t size = 0;
  };
  // A number in [0, bound): 0 is always the state on the disk, bound - 1 the newest one.
  using Choice = std::function<uint32_t(uint32_t bound)>;

  TestFileSystem() = default;

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool create) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& dir) override;
  bool Exists(const std::string& path) override;
  absl::Status MakeDirectory(const std::string&) override { return Refusal(); }

  // The power fails before operation `number` (counted from 0 since construction): it and all that
  // follow, reads too, return UNAVAILABLE until Crash or Restart.
  void StopAt(uint64_t number) { stop_at_ = number; }
  // Operation `number` returns `error`. A write does its first half; a sync loses what was
  // unsynced.
  void FailAt(uint64_t number, absl::Status error);
  // Files may grow by this many bytes together, then RESOURCE_EXHAUSTED; what is cut off or removed
  // is free again. nullopt: no end to it.
  void SetFreeBytes(std::optional<int64_t> bytes) { free_bytes_ = bytes; }
  std::optional<int64_t> free_bytes() const { return free_bytes_; }
  // At the next sync of `path` the disk writes one sector of those it should (`pick` modulo their
  // number) `distance` sectors away from its place, if the file reaches that far; at its own place
  // nothing changes. It is seen after the next Crash: until then the memory has what was written.
  // What was not synced by then goes to its place. `late`: it counts from the sync after that on;
  // before, nobody could tell it from a write that a crash has torn (storage/FORMAT.md).
  void MisdirectNextSync(const std::string& path, uint32_t pick, int64_t distance,
                         bool late = false);
  // Files with `part` in their path reach the disk in the order of the writes, to any byte: the
  // size never covers what was not written, as ext4 (data=ordered), XFS and Btrfs do it for
  // appends.
  void SetOrdered(std::string part) { ordered_ = std::move(part); }
  // Turns one bit around, in memory and on the disk; bit 0 is the lowest of byte 0.
  void FlipBit(const std::string& path, uint64_t bit);
  // From now on the file cannot be read: a bad sector.
  void FailReads(const std::string& path) { unreadable_.insert(path); }
  // The power is back: of everything unsynced, `choose` says which state is left. Open files are
  // dead.
  void Crash(const Choice& choose);
  // Only the process died: nothing is lost, but nothing is on the disk that was not. Open files are
  // dead.
  void Restart();
  // The same disk once more, unsynced state included, without open files, faults and history.
  std::unique_ptr<TestFileSystem> Copy() const;

  // Of all files, in order.
  std::vector<std::string> paths() const;
  // What a reader sees; "" when there is no such file.
  std::string Content(const std::string& path) const;
  // Puts `content` there as if it had always been so; nullopt removes the file.
  void Damage(const std::string& path, std::optional<std::string> content);

  // From now on operations() has them all.
  void RecordOperations();
  // What was done since construction, without failed and refused operations' effects but with their
  // entries; empty ones for those before RecordOperations.
  const std::vector<Operation>& operations() const { return operations_; }
  uint64_t operation_count() const { return operation_count_; }
  bool stopped() const { return stopped_; }

 private:
  friend class TestFile;

  // One write or change of size since the last sync; the data of all writes stand behind one
  // another in Node::data.
  struct Change {
    uint64_t offset = 0;
    uint64_t size = 0;
    bool resize = false;  // to `size`
  };
  struct Misdirection {
    uint32_t pick = 0;
    int64_t distance = 0;
    bool late = false;
  };
  // A sector that a sync has written to a wrong place.
  struct Astray {
    uint64_t place = 0;
    std::string kept;  // what stays there
    uint64_t other = 0;
    std::string content;
  };
  struct Node {
    std::string now;
    std::string durable;
    std::vector<Change> changes;
    std::string data;
    // A sync has failed: memory and disk differ in sectors that count as clean.
    bool forgotten = false;
    std::optional<Misdirection> misdirection;
    std::optional<Astray> astray;  // to count with the next sync
  };
  // An unsynced change of a directory: at `path` there is now `node`, or nothing.
  struct NameChange {
    std::string path;
    std::shared_ptr<Node> node;
    std::string from;   // of a rename
    bool tree = false;  // of a directory, with all that is in it
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  absl::Status Begin(Operation::Kind kind, const std::string& path, uint64_t offset = 0,
                     uint64_t size = 0);
  absl::Status Refusal() const;
  absl::Status Grow(const Node& node, uint64_t size);
  static void MoveTree(const std::string& from, const std::string& to, Names* names);
  void Apply(const NameChange& change);
  void RenameTree(const std::string& from, const std::string& to);
  static void Write(Node* node, uint64_t offset, absl::string_view data);
  void Resize(Node* node, uint64_t size);
  static void Sync(Node* node);
  static std::optional<Astray> GoAstray(Node* node, const std::set<uint64_t>& sectors);
  static void Forget(Node* node);
  static void CrashNode(Node* node, const Choice& choose);
  static void CrashOrderedNode(Node* node, const Choice& choose);

  Names names_;
  Names durable_names_;
  std::vector<NameChange> changes_;
  bool recording_ = false;
  std::vector<Operation> operations_;
  uint64_t operation_count_ = 0;
  std::optional<int64_t> free_bytes_;
  std::optional<uint64_t> stop_at_;
  std::map<uint64_t, absl::Status> failures_;
  std::set<std::string> unreadable_;
  std::string ordered_;
  bool stopped_ = false;
  uint64_t epoch_ = 0;  // of the open files that still work
};

}  // namespace triad::storage
