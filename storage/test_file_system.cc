#include "storage/test_file_system.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace triad::storage {
namespace {

constexpr uint64_t kSector = 512;

std::string DirOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// The sector with zeros behind the end of the file.
std::string SectorOf(const std::string& content, uint64_t number) {
  std::string sector(kSector, '\0');
  if (number * kSector < content.size()) {
    const std::string part = content.substr(number * kSector, kSector);
    sector.replace(0, part.size(), part);
  }
  return sector;
}

void PutSector(uint64_t number, const std::string& sector, std::string* content) {
  if (number * kSector >= content->size()) return;
  const size_t size = std::min<size_t>(kSector, content->size() - number * kSector);
  content->replace(number * kSector, size, sector, 0, size);
}

}  // namespace

class TestFile final : public File {
 public:
  TestFile(TestFileSystem* disk, std::string path, std::shared_ptr<TestFileSystem::Node> node)
      : disk_(disk), path_(std::move(path)), node_(std::move(node)), epoch_(disk->epoch_) {}

  absl::Status WriteAt(uint64_t offset, absl::string_view data) override {
    absl::Status status = Begin({TestFileSystem::Operation::kWrite, path_, offset, data.size()});
    if (disk_->stopped_ || IsDead()) return status;
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
    absl::Status status = Begin({TestFileSystem::Operation::kSync, path_, 0, 0});
    if (disk_->stopped_ || IsDead()) return status;
    status.ok() ? TestFileSystem::Sync(node_.get()) : TestFileSystem::Forget(node_.get());
    return status;
  }

  absl::Status Preallocate(uint64_t size) override {
    absl::Status status = Begin({TestFileSystem::Operation::kPreallocate, path_, 0, size});
    if (status.ok() && size > node_->now.size()) TestFileSystem::Resize(node_.get(), size);
    return status;
  }

  absl::Status Truncate(uint64_t size) override {
    absl::Status status = Begin({TestFileSystem::Operation::kTruncate, path_, 0, size});
    if (status.ok()) TestFileSystem::Resize(node_.get(), size);
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
  absl::Status Begin(TestFileSystem::Operation operation) {
    return IsDead() ? Dead() : disk_->Begin(std::move(operation));
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
    if (absl::Status s = Begin({Operation::kCreate, path, 0, 0}); !s.ok()) return s;
    names_[path] = std::make_shared<Node>();
    changes_.push_back({path, names_[path], ""});
  }
  return std::make_unique<TestFile>(this, path, names_[path]);
}

absl::StatusOr<std::vector<std::string>> TestFileSystem::List(const std::string& dir) {
  if (absl::Status s = Refusal(); !s.ok()) return s;
  std::vector<std::string> names;
  for (const auto& [path, node] : names_) {
    if (DirOf(path) == dir) names.push_back(path.substr(dir.size() + 1));
  }
  return names;
}

absl::Status TestFileSystem::Rename(const std::string& from, const std::string& to) {
  if (absl::Status s = Begin({Operation::kRename, to, 0, 0}); !s.ok()) return s;
  const auto it = names_.find(from);
  if (it == names_.end()) return absl::NotFoundError(absl::StrCat("cannot rename ", from));
  std::shared_ptr<Node> node = it->second;
  names_.erase(it);
  names_[to] = node;
  changes_.push_back({to, node, from});
  return absl::OkStatus();
}

absl::Status TestFileSystem::Remove(const std::string& path) {
  if (absl::Status s = Begin({Operation::kRemove, path, 0, 0}); !s.ok()) return s;
  if (names_.erase(path) == 0) return absl::NotFoundError(absl::StrCat("cannot remove ", path));
  changes_.push_back({path, nullptr, ""});
  return absl::OkStatus();
}

absl::Status TestFileSystem::SyncDirectory(const std::string& dir) {
  if (absl::Status s = Begin({Operation::kSyncDirectory, dir, 0, 0}); !s.ok()) return s;
  for (auto it = durable_names_.begin(); it != durable_names_.end();) {
    it = DirOf(it->first) == dir ? durable_names_.erase(it) : std::next(it);
  }
  for (const auto& [path, node] : names_) {
    if (DirOf(path) == dir) durable_names_[path] = node;
  }
  std::erase_if(changes_, [&](const NameChange& change) { return DirOf(change.path) == dir; });
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
    if (choose(2) == 0) continue;
    if (!change.from.empty()) durable_names_.erase(change.from);
    if (change.node != nullptr) {
      durable_names_[change.path] = change.node;
    } else {
      durable_names_.erase(change.path);
    }
  }
  names_ = durable_names_;
  for (const auto& [path, node] : names_) CrashNode(node.get(), choose);
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
    copy->changes_.push_back({change.path, copy_node(change.node), change.from});
  }
  return copy;
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

absl::Status TestFileSystem::Begin(Operation operation) {
  if (stop_at_.has_value() && operations_.size() >= *stop_at_) stopped_ = true;
  if (absl::Status s = Refusal(); !s.ok()) return s;
  const auto failure = failures_.find(operations_.size());
  operations_.push_back(std::move(operation));
  return failure == failures_.end() ? absl::OkStatus() : failure->second;
}

void TestFileSystem::Write(Node* node, uint64_t offset, absl::string_view data) {
  if (data.empty()) return;
  if (offset + data.size() > node->now.size()) Resize(node, offset + data.size());
  node->now.replace(offset, data.size(), data.data(), data.size());
  for (uint64_t s = offset / kSector; s <= (offset + data.size() - 1) / kSector; ++s) {
    node->sectors[s].push_back(SectorOf(node->now, s));
  }
}

// What is cut off comes back as zeros, also where a sector was cut in the middle.
void TestFileSystem::Resize(Node* node, uint64_t size) {
  const uint64_t before = node->now.size();
  node->now.resize(size, '\0');
  node->sizes.push_back(size);
  for (uint64_t s = size / kSector; s * kSector < before; ++s) {
    node->sectors[s].push_back(SectorOf(node->now, s));
  }
}

void TestFileSystem::Sync(Node* node) {
  if (!node->sizes.empty()) node->durable.resize(node->now.size(), '\0');
  for (const auto& [number, versions] : node->sectors) {
    PutSector(number, SectorOf(node->now, number), &node->durable);
  }
  node->sectors.clear();
  node->sizes.clear();
}

// The pages are clean, still read as written, and never reach the disk.
void TestFileSystem::Forget(Node* node) {
  node->sectors.clear();
  node->sizes.clear();
}

void TestFileSystem::CrashNode(Node* node, const Choice& choose) {
  const uint32_t size_choice = choose(static_cast<uint32_t>(node->sizes.size() + 1));
  if (size_choice > 0) node->durable.resize(node->sizes[size_choice - 1], '\0');
  for (const auto& [number, versions] : node->sectors) {
    const uint32_t choice = choose(static_cast<uint32_t>(versions.size() + 1));
    if (choice > 0) PutSector(number, versions[choice - 1], &node->durable);
  }
  node->now = node->durable;
  node->sectors.clear();
  node->sizes.clear();
}

}  // namespace triad::storage
