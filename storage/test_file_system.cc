#include "storage/test_file_system.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace triad::storage {
namespace {

constexpr uint64_t kSector = 512;

bool IsIn(absl::string_view dir, absl::string_view path) {
  const size_t slash = path.rfind('/');
  return path.substr(0, slash == absl::string_view::npos ? 0 : slash) == dir;
}

uint64_t SectorsOf(uint64_t bytes) {
  return (bytes + kSector - 1) / kSector;
}

// The sector with zeros behind the end of the file.
std::string SectorOf(absl::string_view content, uint64_t number) {
  std::string sector(kSector, '\0');
  if (number * kSector < content.size()) {
    const absl::string_view part = content.substr(number * kSector, kSector);
    part.copy(sector.data(), part.size());
  }
  return sector;
}

void PutSector(uint64_t number, absl::string_view sector, std::string* content) {
  if (number * kSector >= content->size()) return;
  const size_t size = std::min<size_t>(kSector, content->size() - number * kSector);
  sector.copy(content->data() + number * kSector, size);
}

}  // namespace

class TestFile final : public File {
 public:
  TestFile(TestFileSystem* disk, std::string path, std::shared_ptr<TestFileSystem::Node> node)
      : disk_(disk), path_(std::move(path)), node_(std::move(node)), epoch_(disk->epoch_) {}

  absl::Status WriteAt(uint64_t offset, absl::string_view data) override {
    absl::Status status = Begin(TestFileSystem::Operation::kWrite, offset, data.size());
    if (disk_->stopped_ || IsDead()) return status;
    if (status.ok()) status = disk_->Grow(*node_, offset + data.size());
    TestFileSystem::Write(node_.get(), offset,
                          status.ok() ? data : data.substr(0, data.size() / 2));
    return status;
  }

  absl::StatusOr<std::string> ReadAt(uint64_t offset, size_t size) override {
    if (absl::Status s = disk_->Refusal(); !s.ok()) return s;
    if (IsDead()) return Dead();
    if (disk_->unreadable_.contains(path_)) {
      return absl::DataLossError(absl::StrCat("cannot read ", path_, ": input/output error"));
    }
    if (offset >= node_->now.size()) return std::string();
    return node_->now.substr(offset, size);
  }

  absl::Status Sync() override {
    absl::Status status = Begin(TestFileSystem::Operation::kSync, 0, 0);
    if (disk_->stopped_ || IsDead()) return status;
    status.ok() ? TestFileSystem::Sync(node_.get()) : TestFileSystem::Forget(node_.get());
    return status;
  }

  absl::Status Preallocate(uint64_t size) override {
    absl::Status status = Begin(TestFileSystem::Operation::kPreallocate, 0, size);
    if (status.ok()) status = disk_->Grow(*node_, size);
    if (status.ok() && size > node_->now.size()) disk_->Resize(node_.get(), size);
    return status;
  }

  absl::Status Truncate(uint64_t size) override {
    absl::Status status = Begin(TestFileSystem::Operation::kTruncate, 0, size);
    if (status.ok()) status = disk_->Grow(*node_, size);
    if (status.ok()) disk_->Resize(node_.get(), size);
    return status;
  }

  absl::StatusOr<uint64_t> Size() override {
    if (absl::Status s = disk_->Refusal(); !s.ok()) return s;
    if (IsDead()) return Dead();
    return node_->now.size();
  }

 private:
  bool IsDead() const { return epoch_ != disk_->epoch_; }
  absl::Status Dead() const {
    return absl::FailedPreconditionError(absl::StrCat(path_, " was opened before a crash"));
  }
  absl::Status Begin(TestFileSystem::Operation::Kind kind, uint64_t offset, uint64_t size) {
    return IsDead() ? Dead() : disk_->Begin(kind, path_, offset, size);
  }

  TestFileSystem* const disk_;
  const std::string path_;
  const std::shared_ptr<TestFileSystem::Node> node_;
  const uint64_t epoch_;
};

absl::StatusOr<std::unique_ptr<File>> TestFileSystem::Open(const std::string& path, bool create) {
  if (absl::Status s = Refusal(); !s.ok()) return s;
  if (!Exists(path)) {
    if (!create) return absl::NotFoundError(absl::StrCat("cannot open ", path));
    if (absl::Status s = Begin(Operation::kCreate, path); !s.ok()) return s;
    names_[path] = std::make_shared<Node>();
    changes_.push_back({path, names_[path], "", false});
  }
  return std::make_unique<TestFile>(this, path, names_[path]);
}

absl::StatusOr<std::vector<std::string>> TestFileSystem::List(const std::string& dir) {
  if (absl::Status s = Refusal(); !s.ok()) return s;
  std::vector<std::string> names;
  for (const auto& [path, node] : names_) {
    if (IsIn(dir, path)) names.push_back(path.substr(dir.size() + 1));
  }
  return names;
}

absl::Status TestFileSystem::Rename(const std::string& from, const std::string& to) {
  if (absl::Status s = Begin(Operation::kRename, to); !s.ok()) return s;
  const auto it = names_.find(from);
  if (it == names_.end()) {
    if (!Exists(from)) return absl::NotFoundError(absl::StrCat("cannot rename ", from));
    RenameTree(from, to);
    return absl::OkStatus();
  }
  std::shared_ptr<Node> node = it->second;
  names_.erase(it);
  names_[to] = node;
  changes_.push_back({to, node, from, false});
  return absl::OkStatus();
}

void TestFileSystem::MoveTree(const std::string& from, const std::string& to, Names* names) {
  const std::string prefix = from + "/";
  for (auto it = names->lower_bound(prefix);
       it != names->end() && absl::StartsWith(it->first, prefix);) {
    (*names)[to + it->first.substr(from.size())] = it->second;
    it = names->erase(it);
  }
}

// What is at the paths of the disk, once `change` is there.
void TestFileSystem::Apply(const NameChange& change) {
  if (change.tree) return MoveTree(change.from, change.path, &durable_names_);
  if (!change.from.empty()) durable_names_.erase(change.from);
  if (change.node != nullptr) {
    durable_names_[change.path] = change.node;
  } else {
    durable_names_.erase(change.path);
  }
}

void TestFileSystem::RenameTree(const std::string& from, const std::string& to) {
  std::erase_if(changes_, [&](const NameChange& change) {
    const bool inside = absl::StartsWith(change.path, from + "/");
    if (inside) Apply(change);
    return inside;
  });
  MoveTree(from, to, &names_);
  changes_.push_back({to, nullptr, from, true});
}

absl::Status TestFileSystem::Remove(const std::string& path) {
  if (absl::Status s = Begin(Operation::kRemove, path); !s.ok()) return s;
  const auto it = names_.find(path);
  if (it == names_.end()) return absl::NotFoundError(absl::StrCat("cannot remove ", path));
  if (free_bytes_.has_value()) *free_bytes_ += static_cast<int64_t>(it->second->now.size());
  names_.erase(it);
  changes_.push_back({path, nullptr, "", false});
  return absl::OkStatus();
}

absl::Status TestFileSystem::SyncDirectory(const std::string& dir) {
  if (absl::Status s = Begin(Operation::kSyncDirectory, dir); !s.ok()) return s;
  for (const NameChange& change : changes_) {
    if (change.tree && IsIn(dir, change.path)) Apply(change);
  }
  for (auto it = durable_names_.begin(); it != durable_names_.end();) {
    it = IsIn(dir, it->first) ? durable_names_.erase(it) : std::next(it);
  }
  for (const auto& [path, node] : names_) {
    if (IsIn(dir, path)) durable_names_[path] = node;
  }
  std::erase_if(changes_, [&](const NameChange& change) { return IsIn(dir, change.path); });
  return absl::OkStatus();
}

bool TestFileSystem::Exists(const std::string& path) {
  const auto it = names_.lower_bound(path);
  if (it != names_.end() && it->first == path) return true;
  // A directory is there when something is in it.
  const auto inside = names_.lower_bound(path + "/");
  return inside != names_.end() && absl::StartsWith(inside->first, path + "/");
}

void TestFileSystem::FailAt(uint64_t number, absl::Status error) {
  failures_[number] = std::move(error);
}

void TestFileSystem::Crash(const Choice& choose) {
  for (const NameChange& change : changes_) {
    if (choose(2) != 0) Apply(change);
  }
  names_ = durable_names_;
  for (const auto& [path, node] : names_) {
    const bool ordered = !ordered_.empty() && absl::StrContains(path, ordered_);
    ordered ? CrashOrderedNode(node.get(), choose) : CrashNode(node.get(), choose);
    node->misdirection.reset();
    node->astray.reset();
  }
  Restart();
  changes_.clear();
}

void TestFileSystem::Restart() {
  ++epoch_;
  stopped_ = false;
  stop_at_.reset();
  failures_.clear();
}

std::unique_ptr<TestFileSystem> TestFileSystem::Copy() const {
  auto copy = std::make_unique<TestFileSystem>();
  std::map<const Node*, std::shared_ptr<Node>> nodes;
  const auto copy_node = [&](const std::shared_ptr<Node>& node) {
    if (node == nullptr) return node;
    std::shared_ptr<Node>& made = nodes[node.get()];
    if (made == nullptr) made = std::make_shared<Node>(*node);
    return made;
  };
  for (const auto& [path, node] : names_) copy->names_[path] = copy_node(node);
  for (const auto& [path, node] : durable_names_) copy->durable_names_[path] = copy_node(node);
  for (const NameChange& change : changes_) {
    copy->changes_.push_back({change.path, copy_node(change.node), change.from, change.tree});
  }
  copy->free_bytes_ = free_bytes_;
  copy->ordered_ = ordered_;
  return copy;
}

std::vector<std::string> TestFileSystem::paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, node] : names_) paths.push_back(path);
  return paths;
}

std::string TestFileSystem::Content(const std::string& path) const {
  const auto it = names_.find(path);
  return it == names_.end() ? "" : it->second->now;
}

void TestFileSystem::Damage(const std::string& path, std::optional<std::string> content) {
  std::erase_if(changes_, [&](const NameChange& change) { return change.path == path; });
  if (!content.has_value()) {
    names_.erase(path);
    durable_names_.erase(path);
    return;
  }
  auto node = std::make_shared<Node>();
  node->now = *content;
  node->durable = *std::move(content);
  names_[path] = node;
  durable_names_[path] = node;
}

absl::Status TestFileSystem::Refusal() const {
  return stopped_ ? absl::UnavailableError("the power is off") : absl::OkStatus();
}

void TestFileSystem::FlipBit(const std::string& path, uint64_t bit) {
  const auto it = names_.find(path);
  if (it == names_.end()) return;
  for (std::string* content : {&it->second->now, &it->second->durable}) {
    if (bit / 8 >= content->size()) continue;
    char& byte = (*content)[bit / 8];
    byte = static_cast<char>(byte ^ (1 << bit % 8));
  }
}

void TestFileSystem::MisdirectNextSync(const std::string& path, uint32_t pick, int64_t distance,
                                       bool late) {
  const auto it = names_.find(path);
  if (it != names_.end()) it->second->misdirection = {pick, distance, late};
}

void TestFileSystem::RecordOperations() {
  recording_ = true;
  operations_.resize(operation_count_);
}

absl::Status TestFileSystem::Begin(Operation::Kind kind, const std::string& path, uint64_t offset,
                                   uint64_t size) {
  if (stop_at_.has_value() && operation_count_ >= *stop_at_) stopped_ = true;
  if (absl::Status s = Refusal(); !s.ok()) return s;
  if (recording_) operations_.push_back({kind, path, offset, size});
  const uint64_t number = operation_count_++;
  if (failures_.empty()) return absl::OkStatus();
  const auto failure = failures_.find(number);
  return failure == failures_.end() ? absl::OkStatus() : failure->second;
}

// Takes the room for a file of that size, if it has less now.
absl::Status TestFileSystem::Grow(const Node& node, uint64_t size) {
  if (!free_bytes_.has_value() || size <= node.now.size()) return absl::OkStatus();
  const int64_t more = static_cast<int64_t>(size - node.now.size());
  if (more > *free_bytes_) return absl::ResourceExhaustedError("no space left on the disk");
  *free_bytes_ -= more;
  return absl::OkStatus();
}

void TestFileSystem::Write(Node* node, uint64_t offset, absl::string_view data) {
  if (data.empty()) return;
  const uint64_t end = offset + data.size();
  if (end > node->now.size()) {
    node->now.resize(end, '\0');
    node->changes.push_back({0, end, true});
  }
  data.copy(node->now.data() + offset, data.size());
  if (node->forgotten) {
    // The sector goes to the disk as it is in memory, with what a failed sync has not written.
    offset = offset / kSector * kSector;
    data = absl::string_view(node->now).substr(offset, SectorsOf(end) * kSector - offset);
  }
  node->changes.push_back({offset, data.size(), false});
  node->data.append(data.data(), data.size());
}

void TestFileSystem::Resize(Node* node, uint64_t size) {
  if (free_bytes_.has_value() && size < node->now.size()) {
    *free_bytes_ += static_cast<int64_t>(node->now.size() - size);
  }
  node->now.resize(size, '\0');
  node->changes.push_back({0, size, true});
}

// Of the sectors that a sync is about to write, the one that will go to a wrong place.
std::optional<TestFileSystem::Astray> TestFileSystem::GoAstray(Node* node,
                                                               const std::set<uint64_t>& sectors) {
  if (!node->misdirection.has_value() || sectors.empty()) return std::nullopt;
  Astray astray;
  astray.place = *std::next(sectors.begin(), node->misdirection->pick % sectors.size());
  astray.other = astray.place + static_cast<uint64_t>(node->misdirection->distance);
  astray.kept = SectorOf(node->durable, astray.place);
  astray.content = SectorOf(node->now, astray.place);
  return astray;
}

void TestFileSystem::Sync(Node* node) {
  std::set<uint64_t> sectors;
  if (node->misdirection.has_value() || node->astray.has_value()) {
    for (const Change& change : node->changes) {
      if (change.resize || change.size == 0) continue;
      for (uint64_t s = change.offset / kSector; s < SectorsOf(change.offset + change.size); ++s) {
        sectors.insert(s);
      }
    }
  }
  std::optional<Astray> before = std::exchange(node->astray, std::nullopt);
  std::optional<Astray> astray = GoAstray(node, sectors);
  size_t at = 0;
  for (const Change& change : node->changes) {
    if (change.resize) {
      node->durable.resize(change.size, '\0');
      continue;
    }
    if (change.offset < node->durable.size()) {
      const size_t size = std::min<size_t>(change.size, node->durable.size() - change.offset);
      absl::string_view(node->data)
          .substr(at, size)
          .copy(node->durable.data() + change.offset, size);
    }
    at += change.size;
  }
  if (before.has_value()) {  // but for the sectors that this sync has written as they should be
    if (!sectors.contains(before->place)) PutSector(before->place, before->kept, &node->durable);
    if (!sectors.contains(before->other)) PutSector(before->other, before->content, &node->durable);
  }
  if (astray.has_value()) {
    const bool late = node->misdirection->late;
    node->misdirection.reset();
    if (astray->other * kSector >= node->durable.size()) {
      // Beyond the end: the write goes to its place.
    } else if (late) {
      node->astray = std::move(astray);
    } else {
      PutSector(astray->place, astray->kept, &node->durable);
      PutSector(astray->other, astray->content, &node->durable);
    }
  }
  node->changes.clear();
  node->data.clear();
  if (node->forgotten) node->forgotten = node->durable != node->now;
}

// The pages are clean, still read as written, and never reach the disk.
void TestFileSystem::Forget(Node* node) {
  node->forgotten = node->forgotten || !node->changes.empty();
  node->changes.clear();
  node->data.clear();
}

// Some of the changes in their order, and of the next one, if it is a write, some of its bytes.
void TestFileSystem::CrashOrderedNode(Node* node, const Choice& choose) {
  const std::vector<Change> changes = std::exchange(node->changes, {});
  const auto end_of = [](const Change& change) { return change.offset + change.size; };
  const size_t whole = changes.empty() ? 0 : choose(static_cast<uint32_t>(changes.size() + 1));
  size_t at = 0;
  for (size_t i = 0; i < changes.size() && i <= whole; ++i) {
    const Change& change = changes[i];
    if (change.resize) {
      // A write that makes the file longer does both at once.
      const bool grows =
          i + 1 < changes.size() && !changes[i + 1].resize && end_of(changes[i + 1]) == change.size;
      if (!grows && i < whole) node->durable.resize(change.size, '\0');
      continue;
    }
    const uint64_t size = i < whole ? change.size : choose(static_cast<uint32_t>(change.size + 1));
    if (change.offset + size > node->durable.size()) {
      node->durable.resize(change.offset + size, '\0');
    }
    absl::string_view(node->data).substr(at, size).copy(node->durable.data() + change.offset, size);
    at += change.size;
  }
  node->data.clear();
  node->now = node->durable;
  node->forgotten = false;
}

// Each sector in one of the states it has had since the last sync, and one of the sizes. What was
// cut off comes back as zeros, also where a sector was cut in the middle.
void TestFileSystem::CrashNode(Node* node, const Choice& choose) {
  if (node->changes.empty()) {
    if (node->now != node->durable) node->now = node->durable;
    node->forgotten = false;
    return;
  }
  std::string content = node->durable;
  std::vector<uint64_t> sizes;
  std::map<uint64_t, std::vector<std::string>> sectors;
  size_t at = 0;
  for (const Change& change : node->changes) {
    if (change.resize) {
      const uint64_t before = content.size();
      content.resize(change.size, '\0');
      sizes.push_back(change.size);
      for (uint64_t s = change.size / kSector; s * kSector < before; ++s) {
        sectors[s].push_back(SectorOf(content, s));
      }
      continue;
    }
    const absl::string_view data = absl::string_view(node->data).substr(at, change.size);
    at += change.size;
    if (change.offset + data.size() > content.size()) {
      content.resize(change.offset + data.size(), '\0');
    }
    data.copy(content.data() + change.offset, data.size());
    for (uint64_t s = change.offset / kSector; s < SectorsOf(change.offset + data.size()); ++s) {
      sectors[s].push_back(SectorOf(content, s));
    }
  }
  if (!sizes.empty()) {
    const uint32_t choice = choose(static_cast<uint32_t>(sizes.size() + 1));
    if (choice > 0) node->durable.resize(sizes[choice - 1], '\0');
  }
  for (const auto& [number, versions] : sectors) {
    const uint32_t choice = choose(static_cast<uint32_t>(versions.size() + 1));
    if (choice > 0) PutSector(number, versions[choice - 1], &node->durable);
  }
  node->now = node->durable;
  node->changes.clear();
  node->data.clear();
  node->forgotten = false;
}

}  // namespace triad::storage
