// libtriad for C++: how an application holds licenses.
//
//   auto client = triad::Client::Open({});                   // search path from the environment
//   if (!client) return Fail(client.status().ToString());
//   auto license = client->Checkout({"tserver_sdn", "", 3});
//   if (!license) return Fail(license.status().ToString());  // tserver_sdn: license denied: ...
//   ... work ...                                             // returned when `license` dies
//
// Failing over between the SERVER lines, resuming after an outage and retrying without counting
// twice are the library's work. It needs the standard library only (C++17), throws nothing, prints
// nothing (but see TRIAD_DIAGNOSTICS below), touches no signal handler and never ends the process.
//
// Thread-safety: every class here may be used from any thread; one object of License, Result or
// Status is, like a std::string, for one thread at a time. Callbacks (on_event, the asynchronous
// checkout) run one at a time on a thread of the library's own that does nothing else: they may
// call into the library, also its blocking functions.
//
// TRIAD_DIAGNOSTICS=1, 2 or 3 in the environment (FLEXLM_DIAGNOSTICS is read too) prints what was
// tried to stderr: 1 failures, 2 also connections and sessions, 3 also every request.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace triad {

// What kind of "no" a Status is.
enum class ErrorKind {
  kNone = 0,    // not an error
  kDenied,      // the licensing answer is no; code is FlexNet's number, as -4
  kUnverified,  // granted, but not signed by the vendor's key (-8); it was given back
  kUsage,       // the call is wrong: a bad count, a closed client, a license already returned (-42)
  kSearchPath,  // nothing usable in the search path (-1, -2, -13, -30)
  kInsecure,    // a server beyond loopback in plaintext, and nobody said insecure
  kUnreachable,  // no server answered (-15, -96)
  kNoQuorum,     // servers answered, but too few of them run
  kOverloaded,   // the servers ask to come back later
  kTimedOut,     // no answer in time
  kLost,         // the cluster has freed this license
};

// The outcome of a call. Default-constructed: success.
struct Status {
  ErrorKind kind = ErrorKind::kNone;
  // FlexNet's error number (-4, -5, -15, ...), 0 if there is none.
  int code = 0;
  // The feature that the error is about; "" for none.
  std::string feature;
  // One line without the feature and the number: "all licenses in use".
  std::string message;
  // True: what was asked did not happen. False: it may have happened. (A checkout that may have
  // happened is given back in the background as soon as its grant is heard of.)
  bool certain = true;

  bool ok() const { return kind == ErrorKind::kNone; }
  explicit operator bool() const { return ok(); }
  // One line for people: "tserver_sdn: license denied: all licenses in use (-4)".
  std::string ToString() const;
};

// A T, or the Status that says why there is none.
template <typename T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: meant to be implicit
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: meant to be implicit
  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Status& status() const { return status_; }
  // Only if ok().
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

enum class CountMode {
  kExact,  // all or nothing
  kUpTo,   // as many as are free, at most `count`, at least one
  kAll,    // every license that is free, at most 9999; `count` is not looked at
};

struct CheckoutRequest {
  std::string feature = {};
  std::string version = {};  // "": any
  uint64_t count = 1;        // 1..9999
  CountMode mode = CountMode::kExact;
};

// What happened to a license while the application holds it.
struct Event {
  enum class Kind {
    kUnconfirmed,  // no confirmation for the time to live: it may have been given to another
    kReconnected,  // confirmed again; or granted again after kLost, then `handle` is the new one
    kLost,         // the cluster says that it has freed it; the library goes on asking for it
    kRefused,      // with UnconfirmedPolicy::kRefuse: the grace is over, usable() is false now
    kViolation,    // 00-07100: over-use or unlicensed use, with the reason
    kRestored,     // 00-07101: the violation is over
  };
  Kind kind = Kind::kUnconfirmed;
  std::string feature = {};
  uint64_t handle = 0;
  // One line, for example: "no confirmation for 54000 ms: no server is reachable".
  std::string reason;
};
// "unconfirmed", "reconnected", ...
const char* EventName(Event::Kind kind);

// What an unconfirmed license means; the vendor's choice, compiled in.
enum class UnconfirmedPolicy {
  kContinue,  // go on and report: service is never interrupted
  kRefuse,    // after unconfirmed_grace_ms, and when lost, License::usable() is false
};

struct VendorKey {
  std::string vendor;
  std::array<uint8_t, 32> public_key;  // Ed25519
};

struct ClientOptions {
  // License files, directories, port@host, @host, p@h,p@h,p@h, separated by ':'. Empty: the
  // environment (VENDOR_LICENSE_FILE, LM_LICENSE_FILE), $HOME/.flexlmrc, /etc/triad/license.dat.
  std::string license_path;
  // For the environment variable VENDOR_LICENSE_FILE; "": that one is not looked at.
  std::string vendor;

  // Who is asking. Empty: what the system says.
  std::string application;
  std::string version = {};
  std::string user;
  std::string host;
  std::string display;
  std::string project;

  // The vendor's public keys. If there are any, the signed license lines behind every grant are
  // checked with them, and a grant that does not stand up is given back (-8).
  std::vector<VendorKey> vendor_keys;

  UnconfirmedPolicy unconfirmed = UnconfirmedPolicy::kContinue;
  int64_t unconfirmed_grace_ms = 0;

  // How long a blocking call waits for its answer.
  int request_timeout_ms = 5000;
  // Plaintext to servers beyond loopback. Also TRIAD_INSECURE=1 in the environment.
  bool insecure = false;

  std::function<void(const Event&)> on_event;
};

enum class LicenseState {
  kHeld,         // confirmed
  kUnconfirmed,  // held as far as is known
  kLost,         // freed by the cluster; the library tries to get it again
  kReturned,     // checked in, moved from, or its client was closed
};

struct ClientStatus {
  bool attached = false;     // to a node, right now
  uint32_t node = 0;         // the last one attached to
  std::string address;       // "27000@10.0.0.1"
  std::string session;       // 32 hex digits; "": none open
  int servers = 0;           // SERVER lines of the cluster in use
  int connected = 0;         // of these
  int64_t confirmed_ms = 0;  // how much longer the licenses count as confirmed
  uint64_t licenses = 0;     // License objects that hold one (not lost, not returned)
};

namespace client {
class ClientState;
class LicenseSlot;
}  // namespace client

// One checkout. Returns itself when it dies; that does not wait for the answer.
class License {
 public:
  License();  // holds nothing; state() is kReturned
  License(License&& other) noexcept;
  License& operator=(License&& other) noexcept;  // returns what was held before
  License(const License&) = delete;
  License& operator=(const License&) = delete;
  ~License();

  // Gives the license back and waits for the answer. A second time: kUsage.
  Status CheckIn();

  std::string feature() const;
  std::string version() const;  // as asked for
  uint64_t count() const;       // what was granted
  uint64_t handle() const;      // lmstat shows it; changes only when granted again after a loss
  uint32_t node() const;        // the node that granted it, 1..3
  LicenseState state() const;
  // True while the application may go on, by the client's UnconfirmedPolicy.
  bool usable() const;

 private:
  friend class client::ClientState;
  License(std::shared_ptr<client::ClientState> client, std::shared_ptr<client::LicenseSlot> slot);
  std::shared_ptr<client::ClientState> client_;
  std::shared_ptr<client::LicenseSlot> slot_;
};

// One session with one license server cluster: one application process, usually.
class Client {
 public:
  using CheckoutCallback = std::function<void(Result<License>)>;

  // Reads the search path and opens a session with the first cluster in it that serves. Returns
  // within request_timeout_ms; within about 2 s if the servers that answer have no quorum.
  static Result<Client> Open(const ClientOptions& options);

  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();  // as Close()

  // Blocks until granted, denied, or request_timeout_ms is over.
  Result<License> Checkout(const CheckoutRequest& request);
  // Several features, all or none; the licenses in the order of the requests.
  Result<std::vector<License>> CheckoutTogether(const std::vector<CheckoutRequest>& requests);
  // Returns at once; `done` is called exactly once, at the latest by Close().
  void CheckoutAsync(const CheckoutRequest& request, CheckoutCallback done);

  // Gives everything back and ends the session; waits at most 1 s for the answer. Licenses that
  // live on are kReturned. Every later call is kUsage.
  Status Close();

  ClientStatus status() const;
  // The latest lines of what was tried, oldest first; whatever TRIAD_DIAGNOSTICS says.
  std::vector<std::string> Diagnostics() const;

 private:
  explicit Client(std::shared_ptr<client::ClientState> state);
  std::shared_ptr<client::ClientState> state_;
};

}  // namespace triad
