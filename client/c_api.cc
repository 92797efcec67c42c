// triad.h on top of client.h. Handles are numbers in a table, so that a wrong one is found to be
// wrong; a license's handle is its License::id(), which is never used twice.
#include "triad/triad.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/error_text.h"
#include "client/limits.h"
#include "triad/client.h"

namespace triad::client {
namespace {

// Filled by the dispatcher's thread, emptied by triad_next_event. Outlives its client.
class EventQueue {
 public:
  void Push(const Event& event) {
    absl::MutexLock lock(&mutex_);
    if (events_.size() == kEventsMax) events_.pop_front();
    events_.push_back(event);
  }
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  // 1: an event; 0: none; below 0: the client was closed.
  int Pop(Event* event, int timeout_ms) {
    absl::MutexLock lock(&mutex_);
    auto ready = [this]()
                     ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || !events_.empty(); };
    mutex_.AwaitWithTimeout(absl::Condition(&ready), absl::Milliseconds(std::max(timeout_ms, 0)));
    if (closed_) return TRIAD_E_USAGE;
    if (events_.empty()) return 0;
    *event = std::move(events_.front());
    events_.pop_front();
    return 1;
  }

 private:
  absl::Mutex mutex_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

struct OpenClient {
  OpenClient(Client opened, std::shared_ptr<EventQueue> queue)
      : client(std::move(opened)), events(std::move(queue)) {}
  Client client;
  const std::shared_ptr<EventQueue> events;
};

struct OpenLicense {
  triad_client client = 0;
  std::shared_ptr<License> license;
};

struct Table {
  absl::Mutex mutex;
  triad_client next_client ABSL_GUARDED_BY(mutex) = 1;
  std::map<triad_client, std::shared_ptr<OpenClient>> clients ABSL_GUARDED_BY(mutex);
  std::map<triad_license, OpenLicense> licenses ABSL_GUARDED_BY(mutex);
};

// Never destroyed: other threads may still be in it when the process ends.
Table& TheTable() {
  static auto* const table = new Table;
  return *table;
}

// The process that opened first; in a child of it the table's lock may be held for ever.
std::atomic<pid_t> owner{0};

bool InChild() {
  const pid_t opened = owner.load();
  return opened != 0 && opened != getpid();
}

std::string& LastError() {
  static thread_local std::string text;
  return text;
}

int Fail(int number, std::string text) {
  LastError() = std::move(text);
  return number;
}

int Fail(const Status& status) {
  if (status.ok()) return 0;
  return Fail(ErrorNumber(status), status.ToString());
}

int Misuse(const std::string& text) {
  return Fail(TRIAD_E_USAGE, text + " (-42)");
}

int ChildError() {
  return Misuse("this process is a child of the one that opened the client: fork first, or exec");
}

std::shared_ptr<OpenClient> FindClient(triad_client handle) {
  Table& table = TheTable();
  absl::MutexLock lock(&table.mutex);
  auto it = table.clients.find(handle);
  return it == table.clients.end() ? nullptr : it->second;
}

std::shared_ptr<License> FindLicense(triad_license handle) {
  Table& table = TheTable();
  absl::MutexLock lock(&table.mutex);
  auto it = table.licenses.find(handle);
  return it == table.licenses.end() ? nullptr : it->second.license;
}

std::string Text(const char* text) {
  return text == nullptr ? "" : text;
}

// Members beyond what the application's header knew are left at their defaults.
ClientOptions OptionsOf(const triad_options* given) {
  ClientOptions options;
  if (given == nullptr) return options;
  triad_options all = {};
  std::memcpy(&all, given, std::min(given->size == 0 ? sizeof(all) : given->size, sizeof(all)));
  options.vendor = Text(all.vendor);
  options.application = Text(all.application);
  options.version = Text(all.version);
  options.user = Text(all.user);
  options.host = Text(all.host);
  options.display = Text(all.display);
  options.project = Text(all.project);
  if (all.request_timeout_ms > 0) options.request_timeout_ms = all.request_timeout_ms;
  options.insecure = all.insecure != 0;
  if (all.key != nullptr) {
    VendorKey key;
    key.vendor = Text(all.key_vendor);
    std::copy_n(all.key, key.public_key.size(), key.public_key.begin());
    options.vendor_keys.push_back(std::move(key));
  }
  if (all.refuse_unconfirmed != 0) options.unconfirmed = UnconfirmedPolicy::kRefuse;
  options.tls_ca = Text(all.tls_ca);
  options.tls_cert = Text(all.tls_cert);
  options.tls_key = Text(all.tls_key);
  options.unconfirmed_grace_ms = std::max<int64_t>(all.unconfirmed_grace_ms, 0);
  return options;
}

bool ModeOf(int flags, CountMode* mode) {
  switch (flags) {
    case TRIAD_EXACT:
      *mode = CountMode::kExact;
      return true;
    case TRIAD_UP_TO:
      *mode = CountMode::kUpTo;
      return true;
    case TRIAD_ALL:
      *mode = CountMode::kAll;
      return true;
    default:
      return false;
  }
}

template <size_t kSize>
void CopyText(char (&to)[kSize], const std::string& from) {
  const size_t size = std::min(from.size(), kSize - 1);
  std::copy_n(from.begin(), size, to);
  to[size] = '\0';
}

int Open(const char* license_path, const triad_options* given, triad_client* handle) {
  ClientOptions options = OptionsOf(given);
  options.license_path = Text(license_path);
  auto events = std::make_shared<EventQueue>();
  options.on_event = [events](const Event& event) { events->Push(event); };
  Result<Client> client = Client::Open(options);
  if (!client.ok()) return Fail(client.status());
  auto open = std::make_shared<OpenClient>(*std::move(client), std::move(events));
  Table& table = TheTable();
  absl::MutexLock lock(&table.mutex);
  *handle = table.next_client++;
  table.clients.emplace(*handle, std::move(open));
  return 0;
}

int Checkout(triad_client client, const CheckoutRequest& request, const CheckoutOptions& terms,
             triad_license* handle) {
  const std::shared_ptr<OpenClient> open = FindClient(client);
  if (open == nullptr) return Misuse("this client is closed, or never was");
  Result<License> license = open->client.Checkout(request, terms);
  if (!license.ok()) return Fail(license.status());
  auto kept = std::make_shared<License>(*std::move(license));
  const triad_license id = kept->id();
  Table& table = TheTable();
  absl::MutexLock lock(&table.mutex);
  if (table.clients.find(client) == table.clients.end()) {
    return Misuse("the client was closed meanwhile");
  }
  table.licenses[id] = {client, std::move(kept)};
  *handle = id;
  return 0;
}

int Close(triad_client client) {
  std::shared_ptr<OpenClient> open;
  std::map<triad_license, OpenLicense> returned;  // they end outside the lock
  Table& table = TheTable();
  {
    absl::MutexLock lock(&table.mutex);
    auto it = table.clients.find(client);
    if (it == table.clients.end()) return Misuse("this client is closed, or never was");
    open = std::move(it->second);
    table.clients.erase(it);
    for (auto license = table.licenses.begin(); license != table.licenses.end();) {
      if (license->second.client != client) {
        ++license;
        continue;
      }
      returned.insert(*license);
      license = table.licenses.erase(license);
    }
  }
  open->events->Close();
  return Fail(open->client.Close());
}

int CheckIn(triad_license handle) {
  std::shared_ptr<License> license;
  Table& table = TheTable();
  {
    absl::MutexLock lock(&table.mutex);
    auto it = table.licenses.find(handle);
    if (it == table.licenses.end()) return Misuse("this license was returned before, or never was");
    license = std::move(it->second.license);
    table.licenses.erase(it);
  }
  return Fail(license->CheckIn());
}

}  // namespace
}  // namespace triad::client

namespace client = triad::client;

int triad_open(const char* license_path, const triad_options* options, triad_client* handle) {
  if (client::InChild()) return client::ChildError();
  if (handle == nullptr) return client::Misuse("triad_open: where to put the handle is null");
  *handle = 0;
  pid_t none = 0;
  client::owner.compare_exchange_strong(none, getpid());
  return client::Open(license_path, options, handle);
}

int triad_close(triad_client handle) {
  return client::InChild() ? client::ChildError() : client::Close(handle);
}

int triad_checkout(triad_client handle, const char* feature, const char* version, uint64_t count,
                   int flags, triad_license* license) {
  if (client::InChild()) return client::ChildError();
  if (license == nullptr) return client::Misuse("triad_checkout: where to put the handle is null");
  *license = 0;
  triad::CheckoutRequest request;
  triad::CheckoutOptions terms;
  if (feature == nullptr) return client::Misuse("triad_checkout: the feature is null");
  request.feature = feature;
  request.version = client::Text(version);
  request.count = count;
  terms.wait = (flags & TRIAD_WAIT) != 0;
  if (!client::ModeOf(flags & ~TRIAD_WAIT, &request.mode)) {
    return client::Misuse("triad_checkout: unknown flags");
  }
  return client::Checkout(handle, request, terms, license);
}

int triad_checkin(triad_license handle) {
  return client::InChild() ? client::ChildError() : client::CheckIn(handle);
}

int triad_resize(triad_license handle, uint64_t count, int flags) {
  if (client::InChild()) return client::ChildError();
  triad::CountMode mode = triad::CountMode::kExact;
  if (!client::ModeOf(flags, &mode)) return client::Misuse("triad_resize: unknown flags");
  const auto license = client::FindLicense(handle);
  if (license == nullptr) return client::Misuse("this license was returned before, or never was");
  return client::Fail(license->Resize(count, mode));
}

int triad_set_idle(triad_license handle, int idle) {
  if (client::InChild()) return client::ChildError();
  const auto license = client::FindLicense(handle);
  if (license == nullptr) return client::Misuse("this license was returned before, or never was");
  return client::Fail(license->SetIdle(idle != 0));
}

int triad_next_event(triad_client handle, triad_event* event, int timeout_ms) {
  if (client::InChild()) return client::ChildError();
  if (event == nullptr) return client::Misuse("triad_next_event: where to put the event is null");
  *event = {};
  const auto open = client::FindClient(handle);
  if (open == nullptr) return client::Misuse("this client is closed, or never was");
  triad::Event next;
  const int got = open->events->Pop(&next, timeout_ms);
  if (got < 0) return client::Misuse("the client was closed meanwhile");
  if (got == 0) return 0;
  client::CopyText(event->kind, triad::EventName(next.kind));
  client::CopyText(event->number, next.number);
  client::CopyText(event->cause, next.cause);
  client::CopyText(event->feature, next.feature);
  client::CopyText(event->reason, next.reason);
  event->license = next.id;
  event->count = next.count;
  return 1;
}

int triad_status(triad_license handle, triad_license_status* status) {
  if (client::InChild()) return client::ChildError();
  if (status == nullptr) return client::Misuse("triad_status: where to put the status is null");
  *status = {};
  const auto license = client::FindLicense(handle);
  if (license == nullptr) return client::Misuse("this license was returned before, or never was");
  status->state = static_cast<int>(license->state());
  status->usable = license->usable() ? 1 : 0;
  status->count = license->count();
  status->handle = license->handle();
  status->node = license->node();
  return 0;
}

const char* triad_strerror(int error) {
  return client::ErrorText(error);
}

const char* triad_last_error(void) {
  return client::LastError().c_str();
}
