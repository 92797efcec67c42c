// The public classes of triad/client.h: thin, all work is done in client_state.
#include <utility>

#include "client/client_state.h"
#include "triad/client.h"

namespace triad {
namespace {

Status NoClient() {
  Status status;
  status.kind = ErrorKind::kUsage;
  status.code = -42;
  status.message = "the client is closed, or was moved from";
  return status;
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
  if (slot_ != nullptr && slot_->TakeReturn()) client_->CheckInLater(*slot_);
}

Status License::CheckIn() {
  if (slot_ != nullptr && slot_->TakeReturn()) return client_->CheckIn(*slot_);
  Status status;
  status.kind = ErrorKind::kUsage;
  status.code = -42;
  status.feature = feature();
  status.message = "this license was returned before";
  return status;
}

std::string License::feature() const {
  return slot_ == nullptr ? "" : slot_->Get().feature;
}

std::string License::version() const {
  return slot_ == nullptr ? "" : slot_->Get().version;
}

uint64_t License::count() const {
  return slot_ == nullptr ? 0 : slot_->Get().count;
}

uint64_t License::handle() const {
  return slot_ == nullptr ? 0 : slot_->Get().handle;
}

uint32_t License::node() const {
  return slot_ == nullptr ? 0 : slot_->Get().node;
}

LicenseState License::state() const {
  return slot_ == nullptr ? LicenseState::kReturned : slot_->Get().state;
}

bool License::usable() const {
  return slot_ != nullptr && slot_->Get().usable;
}

// --- Client ---

Result<Client> Client::Open(const ClientOptions& options) {
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
  if (state_ != nullptr) state_->Close();
  state_ = std::move(other.state_);
  return *this;
}

Client::~Client() {
  if (state_ != nullptr) state_->Close();
}

Result<License> Client::Checkout(const CheckoutRequest& request) {
  Result<std::vector<License>> licenses = CheckoutTogether({request});
  if (!licenses.ok()) return licenses.status();
  return std::move((*licenses)[0]);
}

Result<std::vector<License>> Client::CheckoutTogether(
    const std::vector<CheckoutRequest>& requests) {
  if (state_ == nullptr) return NoClient();
  return state_->Checkout(requests);
}

void Client::CheckoutAsync(const CheckoutRequest& request, CheckoutCallback done) {
  if (state_ == nullptr) {
    if (done) done(NoClient());
    return;
  }
  state_->CheckoutAsync(request, std::move(done));
}

Status Client::Close() {
  return state_ == nullptr ? NoClient() : state_->Close();
}

ClientStatus Client::status() const {
  return state_ == nullptr ? ClientStatus() : state_->GetStatus();
}

std::vector<std::string> Client::Diagnostics() const {
  return state_ == nullptr ? std::vector<std::string>() : state_->Diagnostics();
}

}  // namespace triad
