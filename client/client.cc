// The public classes of triad/client.h: thin, all work is done in client_state.
#include <utility>

#include "client/client_state.h"
#include "triad/client.h"

namespace triad {
namespace {

Status Usage(const std::string& feature, const char* message) {
  Status status;
  status.kind = ErrorKind::kUsage;
  status.code = -42;
  status.feature = feature;
  status.message = message;
  return status;
}

Status NoClient() {
  return Usage("", "the client is closed, or was moved from");
}

Status ReturnedBefore(const std::string& feature) {
  return Usage(feature, "this license was returned before");
}

// In a child after fork the threads behind an object do not exist and its locks may be held for
// ever: it is let go of without being destroyed.
template <typename T>
void Abandon(std::shared_ptr<T> pointer) {
  new std::shared_ptr<T>(std::move(pointer));  // NOLINT: on purpose never deleted
}

}  // namespace

// --- License ---

License::License() = default;

License::License(std::shared_ptr<client::ClientState> client,
                 std::shared_ptr<client::LicenseSlot> slot)
    : client_(std::move(client)), slot_(std::move(slot)) {
}

License::License(License&& other) noexcept = default;

License& License::operator=(License&& other) noexcept {
  if (this == &other) return *this;
  License returned(std::move(*this));  // what was held before
  client_ = std::move(other.client_);
  slot_ = std::move(other.slot_);
  return *this;
}

License::~License() {
  if (slot_ == nullptr) return;
  if (client_->forked()) {
    Abandon(std::move(slot_));
    Abandon(std::move(client_));
    return;
  }
  if (slot_->TakeReturn()) client_->CheckIn(*slot_, nullptr);
}

Status License::CheckIn() {
  if (slot_ == nullptr) return ReturnedBefore("");
  if (client_->forked()) return client::Forked();
  if (!slot_->TakeReturn()) return ReturnedBefore(feature());
  return client::Await([this](const DoneCallback& done) { client_->CheckIn(*slot_, done); });
}

void License::CheckInAsync(DoneCallback done) {
  if (slot_ == nullptr || client_->forked() || !slot_->TakeReturn()) {
    const bool forked = slot_ != nullptr && client_->forked();
    if (done) done(forked ? client::Forked() : ReturnedBefore(feature()));
    return;
  }
  client_->CheckIn(*slot_, client_->OnDispatcher(std::move(done)));
}

Status License::Resize(uint64_t count, CountMode mode) {
  if (slot_ == nullptr) return ReturnedBefore("");
  if (client_->forked()) return client::Forked();
  return client::Await(
      [&](const DoneCallback& done) { client_->Resize(*slot_, count, mode, done); });
}

void License::ResizeAsync(uint64_t count, CountMode mode, DoneCallback done) {
  if (slot_ == nullptr || client_->forked()) {
    if (done) done(slot_ == nullptr ? ReturnedBefore("") : client::Forked());
    return;
  }
  client_->Resize(*slot_, count, mode, client_->OnDispatcher(std::move(done)));
}

Status License::SetIdle(bool idle) {
  if (slot_ == nullptr) return ReturnedBefore("");
  if (client_->forked()) return client::Forked();
  return client_->SetIdle(*slot_, idle);
}

client::LicenseView License::View() const {
  if (slot_ != nullptr && !client_->forked()) return slot_->Get();
  client::LicenseView none;
  none.state = LicenseState::kReturned;
  none.usable = false;
  return none;
}

uint64_t License::id() const {
  return slot_ == nullptr ? 0 : slot_->id;
}

std::string License::feature() const {
  return View().feature;
}

std::string License::version() const {
  return View().version;
}

uint64_t License::count() const {
  return View().count;
}

uint64_t License::handle() const {
  return View().handle;
}

uint32_t License::node() const {
  return View().node;
}

LicenseState License::state() const {
  return View().state;
}

bool License::usable() const {
  return View().usable;
}

bool License::borrowed() const {
  return slot_ != nullptr && slot_->site == nullptr;
}

// --- Client ---

Result<Client> Client::Open(const ClientOptions& options) {
  if (client::ForkedSinceFirstUse()) return client::Forked();
  auto state = std::make_shared<client::ClientState>(options);
  Status status = state->Open();
  if (!status.ok()) return status;
  return Client(std::move(state));
}

Client::Client(std::shared_ptr<client::ClientState> state) : state_(std::move(state)) {
}

Client::Client(Client&& other) noexcept = default;

Client& Client::operator=(Client&& other) noexcept {
  if (this == &other) return *this;
  Client closed(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

Client::~Client() {
  if (state_ == nullptr) return;
  if (state_->forked()) {
    Abandon(std::move(state_));
  } else {
    state_->Close();
  }
}

Status Client::Check() const {
  if (state_ == nullptr) return NoClient();
  return state_->forked() ? client::Forked() : Status();
}

Result<License> Client::Checkout(const CheckoutRequest& request, const CheckoutOptions& options) {
  Result<std::vector<License>> licenses = CheckoutTogether({request}, options);
  if (!licenses.ok()) return licenses.status();
  return std::move((*licenses)[0]);
}

Result<std::vector<License>> Client::CheckoutTogether(const std::vector<CheckoutRequest>& requests,
                                                      const CheckoutOptions& options) {
  Status wrong = Check();
  if (!wrong.ok()) return wrong;
  return state_->Checkout(requests, options);
}

void Client::CheckoutAsync(const CheckoutRequest& request, CheckoutCallback done) {
  CheckoutAsync(request, CheckoutOptions(), std::move(done));
}

void Client::CheckoutAsync(const CheckoutRequest& request, const CheckoutOptions& options,
                           CheckoutCallback done) {
  CheckoutTogetherAsync({request}, options,
                        [done = std::move(done)](Result<std::vector<License>> licenses) {
                          if (!done) return;
                          if (licenses.ok()) {
                            done(Result<License>(std::move((*licenses)[0])));
                          } else {
                            done(Result<License>(licenses.status()));
                          }
                        });
}

void Client::CheckoutTogetherAsync(const std::vector<CheckoutRequest>& requests,
                                   const CheckoutOptions& options, CheckoutsCallback done) {
  const Status wrong = Check();
  if (!wrong.ok()) {
    if (done) done(wrong);
    return;
  }
  state_->CheckoutAsync(requests, options, std::move(done));
}

Status Client::CancelWaits() {
  const Status wrong = Check();
  return wrong.ok() ? state_->CancelWaits() : wrong;
}

Status Client::SetIdle(bool idle) {
  const Status wrong = Check();
  return wrong.ok() ? state_->SetIdleAll(idle) : wrong;
}

Result<BorrowedLicense> Client::Borrow(const CheckoutRequest& request, int64_t until_ms) {
  Status wrong = Check();
  if (!wrong.ok()) return wrong;
  return state_->Borrow(request, until_ms);
}

Status Client::ReturnBorrowed(const BorrowedLicense& borrowed) {
  const Status wrong = Check();
  return wrong.ok() ? state_->ReturnBorrowed(borrowed) : wrong;
}

std::vector<BorrowedLicense> Client::Borrowed() const {
  return Check().ok() ? state_->Borrowed() : std::vector<BorrowedLicense>();
}

Status Client::Close() {
  const Status wrong = Check();
  return wrong.ok() ? state_->Close() : wrong;
}

ClientStatus Client::status() const {
  return Check().ok() ? state_->GetStatus() : ClientStatus();
}

std::vector<std::string> Client::Diagnostics() const {
  return Check().ok() ? state_->Diagnostics() : std::vector<std::string>();
}

}  // namespace triad
