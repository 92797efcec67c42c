// For tests of, and with, the ledger: signed license sets, commands in a word, a store in memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "license/ledger.h"
#include "license/ledger_store.h"
#include "license/signature.h"
#include "triad/v1/command.pb.h"

namespace triad::license::testing {

inline constexpr int64_t kNoonMs = 1'781'524'800'000;  // 2026-06-15 12:00 UTC
inline constexpr int64_t kDayMs = 24 * 3600 * 1000;

// The one vendor of the tests, "acme".
inline const NamedPrivateKey& AcmeKey() {
  static const NamedPrivateKey* const key = new NamedPrivateKey{"acme", *GenerateKeyPair()};
  return *key;
}

// A license set of these feature lines, signed by acme.
inline v1::InstallLicenses SetOn(absl::string_view servers, absl::string_view lines,
                                 uint64_t replaces) {
  const std::string text = absl::StrCat(servers, "VENDOR acme\n", lines);
  v1::InstallLicenses set;
  set.set_replaces(replaces);
  v1::InstallLicenses::File& file = *set.add_license_files();
  file.set_name("license.dat");
  file.set_content(SignText("license.dat", text, AcmeKey()).value());
  v1::InstallLicenses::VendorKey& key = *set.add_vendor_keys();
  key.set_vendor("acme");
  const PublicKey& bytes = AcmeKey().keys.public_key;
  key.set_public_key(std::string(bytes.begin(), bytes.end()));
  return set;
}

inline v1::InstallLicenses SetOf(absl::string_view lines, uint64_t replaces) {
  return SetOn("SERVER lic1 ANY 27000\n", lines, replaces);
}

// With an options file of acme's.
inline v1::InstallLicenses SetOf(absl::string_view lines, absl::string_view options,
                                 uint64_t replaces) {
  v1::InstallLicenses set = SetOf(lines, replaces);
  v1::InstallLicenses::File& file = *set.add_option_files();
  file.set_name("acme");
  file.set_content(std::string(options));
  return set;
}

// 16 bytes that begin with the name.
inline std::string SessionNamed(absl::string_view name) {
  std::string id(name);
  id.resize(16, '.');
  return id;
}

inline std::string TokenNamed(absl::string_view name) {
  std::string hash(name);
  hash.resize(32, '#');
  return hash;
}

inline v1::Command OpenOf(absl::string_view name, uint64_t attachment = 1, uint32_t node = 1,
                          absl::string_view token = "token") {
  v1::Command command;
  v1::OpenSession& open = *command.mutable_open();
  open.set_session(SessionNamed(name));
  open.set_token_hash(TokenNamed(token));
  open.set_attachment(attachment);
  open.set_node(node);
  open.set_ttl_ms(60'000);
  open.mutable_identity()->set_user("ann");
  open.mutable_identity()->set_host("desk1");
  open.mutable_identity()->add_host_ids("0019d1aabbcc");
  open.mutable_identity()->set_peer_address("10.0.0.7");
  return command;
}

inline v1::Checkout::Item ItemOf(absl::string_view feature, uint64_t count = 1,
                                 v1::CountMode mode = v1::EXACT, absl::string_view version = "") {
  v1::Checkout::Item item;
  item.set_feature(std::string(feature));
  item.set_version(std::string(version));
  item.set_count(count);
  item.set_mode(mode);
  return item;
}

inline v1::Command CheckoutOf(absl::string_view name, uint64_t seq,
                              const std::vector<v1::Checkout::Item>& items, uint64_t acked = 0) {
  v1::Command command;
  v1::Request& request = *command.mutable_request();
  request.set_session(SessionNamed(name));
  request.set_seq(seq);
  request.set_acked(acked);
  request.mutable_checkout();
  for (const v1::Checkout::Item& item : items) *request.mutable_checkout()->add_items() = item;
  return command;
}

inline v1::Command CheckinOf(absl::string_view name, uint64_t seq, uint64_t handle,
                             uint64_t acked = 0) {
  v1::Command command;
  v1::Request& request = *command.mutable_request();
  request.set_session(SessionNamed(name));
  request.set_seq(seq);
  request.set_acked(acked);
  request.mutable_checkin()->set_handle(handle);
  return command;
}

// A session of another user at another machine.
inline v1::Command OpenAs(absl::string_view name, absl::string_view user, absl::string_view host,
                          absl::string_view display = ":0") {
  v1::Command command = OpenOf(name);
  v1::Identity& identity = *command.mutable_open()->mutable_identity();
  identity.set_user(std::string(user));
  identity.set_host(std::string(host));
  identity.set_display(std::string(display));
  return command;
}

inline v1::Command CloseOf(absl::string_view name) {
  v1::Command command;
  command.mutable_close()->set_session(SessionNamed(name));
  return command;
}

inline v1::Command TimePassesNow() {
  v1::Command command;
  command.mutable_time_passes();
  return command;
}

inline v1::Command ReserveOf(absl::string_view feature, uint64_t count, absl::string_view type,
                             absl::string_view name, uint64_t for_ms = 0) {
  v1::Command command;
  command.mutable_admin()->set_who("root");
  v1::Reserve& reserve = *command.mutable_admin()->mutable_reserve();
  reserve.set_feature(std::string(feature));
  reserve.set_count(count);
  reserve.set_type(std::string(type));
  reserve.set_name(std::string(name));
  reserve.set_for_ms(for_ms);
  return command;
}

inline v1::Command UnreserveOf(uint64_t id) {
  v1::Command command;
  command.mutable_admin()->set_who("root");
  command.mutable_admin()->mutable_unreserve()->set_id(id);
  return command;
}

// Slots 1, 2, ... with these incarnations, a capital for a voter, a small letter for a learner.
inline v1::Command MembersOf(absl::string_view incarnations) {
  v1::Command command;
  uint32_t slot = 0;
  for (const char c : incarnations) {
    auto& node = *command.mutable_members()->add_nodes();
    node.set_slot(++slot);
    node.set_incarnation(std::string(16, c));
    node.set_voter(c >= 'A' && c <= 'Z');
  }
  return command;
}

class MemoryStore final : public LedgerStore {
 public:
  LogPosition applied() const override { return applied_; }
  absl::Status Load(
      const std::function<absl::Status(absl::string_view, absl::string_view)>& row) override {
    for (const auto& [key, value] : rows) {
      if (absl::Status status = row(key, value); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::Status Write(const std::vector<RowChange>& changes, LogPosition applied) override {
    for (const RowChange& change : changes) {
      if (change.value) {
        rows[change.key] = *change.value;
      } else {
        rows.erase(change.key);
      }
    }
    applied_ = applied;
    return absl::OkStatus();
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<LedgerView>> TakeView() override {
    return absl::UnimplementedError("see storage::MemoryLedgerHome");
  }

  std::map<std::string, std::string> rows;

 private:
  LogPosition applied_;
};

}  // namespace triad::license::testing
