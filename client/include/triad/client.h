// libtriad for C++: how an application holds licenses.
//
//   auto client = triad::Client::Open({});                   // search path from the environment
//   if (!client) return Fail(client.status().ToString());
//   auto license = client->Checkout({"tserver_sdn", "", 3});
//   if (!license) return Fail(license.status().ToString());  // tserver_sdn: license denied: ...
//   ... work ...                                             // returned when `license` dies
//
// Failing over between the SERVER lines, resuming after an outage and retrying without counting
// twice are the library's work; so is asking every license server of a search path in turn. It
// needs the standard library only (C++17), throws nothing, prints nothing (but see
// TRIAD_DIAGNOSTICS below), touches no signal handler and never ends the process.
//
// Thread-safety: every class here may be used from any thread; one object of License, Result or
// Status is, like a std::string, for one thread at a time. Callbacks (on_event, the ends of
// asynchronous calls) run one at a time on a thread of the library's own that does nothing else:
// they may call into the library, also its blocking functions.
//
// After fork() the parent goes on as before. In the child every call on what the parent opened is
// kUsage, License::state() is kReturned, and nothing is given back when objects die; Open too is
// kUsage there if the parent had opened a client (gRPC cannot be used again in such a child): fork
// first, or exec a new program.
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
  kInsecure,    // a server beyond loopback in plaintext, and nobody said insecure; or the
                // certificates that were named cannot be used
  kUnreachable,  // no server answered (-15, -96)
  kNoQuorum,     // servers answered, but too few of them run
  kOverloaded,   // the servers ask to come back later
  kTimedOut,     // no answer in time
  kLost,         // the cluster has freed this license
  kCancelled,    // CancelWaits or Close ended the wait in the queue (-35)
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
  // What tells this checkout apart, or joins it with others (V of DUP_GROUP); lmstat shows it.
  std::string checkout_data = {};
  // Which checkouts share a license where the license line has no DUP_GROUP: letters of "UHDV", or
  // "SITE"; "": none do.
  std::string dup_group = {};
};

// For a whole checkout, of one feature or of several.
struct CheckoutOptions {
  // When all licenses are in use, waits in the queue of the first server that has the feature; a
  // blocking call then returns when it is granted, the wait is over, or CancelWaits is called.
  bool wait = false;
  int64_t wait_limit_ms = 0;  // 0: as long as it takes
  // On whose behalf; "": the client's user. Counted, and filtered by the options file, as that
  // user's.
  std::string user = {};
  int64_t time_limit_ms = 0;  // given back by itself after so long: kEnded. 0: held until returned
};

// What happened to a license while the application holds it.
struct Event {
  enum class Kind {
    kUnconfirmed,  // no confirmation for the time to live: it may have been given to another
    kReconnected,  // confirmed again; or granted again after kLost, then `handle` is the new one
    kLost,         // the cluster says that it has freed it; the library goes on asking for it,
                   // unless it was idle (TIMEOUT): then when SetIdle(false) is called
    kRefused,      // with UnconfirmedPolicy::kRefuse: the grace is over, usable() is false now
    kViolation,    // over-use or unlicensed use, with the cause
    kRestored,     // the violation is over
    kEnded,        // the time limit of its checkout is over, or its borrow; it is kReturned now
    kQueued,       // a checkout waits; `count` is its place in the queue, 1 the next. `id` is 0
  };
  Kind kind = Kind::kUnconfirmed;
  std::string feature = {};
  uint64_t handle = 0;
  // One line, for example: "no confirmation for 54000 ms: no server is reachable".
  std::string reason = {};
  uint64_t id = 0;     // License::id()
  uint64_t count = 0;  // License::count()
  // kViolation and kLost: "00-07100". kRestored, and kReconnected after kLost: "00-07101". Else "".
  std::string number = {};
  // With a number: why, in exactly these words: "expired", "decreased in license file", "decreased
  // in configuration", "usage level exceeded", "unlicensed mode", "denied at start", "lost".
  std::string cause = {};
};
// "unconfirmed", "reconnected", ...
const char* EventName(Event::Kind kind);
// Licensing Violation, Licensing Restored.
inline constexpr char kViolationNumber[] = "00-07100";
inline constexpr char kRestoredNumber[] = "00-07101";

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

  // Where borrowed licenses are written down. "": TRIAD_BORROW_DIR, else ~/.local/share/triad.
  std::string borrow_directory = {};

  // How long a blocking call waits for its answer (a wait in the queue does not count).
  int request_timeout_ms = 5000;
  // Plaintext to servers beyond loopback. Also TRIAD_INSECURE=1 in the environment.
  bool insecure = false;
  // Files (PEM) of the authority that the servers' certificates are from, and, if the application
  // is to show itself, of its own certificate and key. Empty: TRIAD_TLS_CA, TRIAD_TLS_CERT and
  // TRIAD_TLS_KEY, ~/.config/triad/ (ca.crt, client.crt, client.key), /etc/triad/tls/. With an
  // authority nothing is said in plaintext.
  std::string tls_ca = {};
  std::string tls_cert = {};
  std::string tls_key = {};

  std::function<void(const Event&)> on_event;
};

enum class LicenseState {
  kHeld,         // confirmed
  kUnconfirmed,  // held as far as is known
  kLost,         // freed by the cluster; the library tries to get it again
  kReturned,     // checked in, moved from, ended, or its client was closed
};

// Of one license server cluster of the search path.
struct ClusterStatus {
  std::string source;        // the entry or file that it comes from
  bool attached = false;     // to a node, right now
  uint32_t node = 0;         // the last one attached to
  std::string address;       // "27000@10.0.0.1"
  std::string session;       // 32 hex digits; "": none open
  int servers = 0;           // SERVER lines of the cluster in use
  int connected = 0;         // of these
  int64_t confirmed_ms = 0;  // how much longer the licenses count as confirmed
  uint64_t licenses = 0;     // License objects that hold one (not lost, not returned)
};

// All licenses, and otherwise the first cluster with a session (the first of all if there is none).
struct ClientStatus : ClusterStatus {
  std::vector<ClusterStatus> clusters;  // in the order of the search path
  uint64_t borrowed = 0;                // of `licenses`, held from a local record
};

// A license taken home: written down on this machine, usable without any server until it ends.
struct BorrowedLicense {
  std::string feature;
  std::string version;
  std::string vendor;
  uint64_t count = 0;
  uint64_t handle = 0;
  int64_t until_ms = 0;  // since 1970 UTC
  std::string user;
  std::string host;
  std::string record;  // the file that it is written down in
};

namespace client {
class ClientState;
class LicenseSlot;
struct LicenseView;
}  // namespace client

// The end of an asynchronous call.
using DoneCallback = std::function<void(const Status&)>;

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
  // Returns at once; `done` (if not null) is called exactly once, at the latest by Client::Close.
  void CheckInAsync(DoneCallback done);

  // Holds `count` licenses from now on. More come only out of the same pool: all of them or none
  // (kExact: on a denial it stays as it was), as many as are free (kUpTo, kAll). The handle stays.
  // Of a borrowed license: kUsage.
  Status Resize(uint64_t count, CountMode mode = CountMode::kExact);
  void ResizeAsync(uint64_t count, CountMode mode, DoneCallback done);

  // The application works with it, or not: what stays idle is reclaimed where the options file has
  // a TIMEOUT. Returns at once; the servers hear of it soon.
  Status SetIdle(bool idle);

  uint64_t id() const;  // the library's own number, unique in this process; never changes
  std::string feature() const;
  std::string version() const;  // as asked for
  uint64_t count() const;       // what is held
  uint64_t handle() const;      // lmstat shows it; changes only when granted again after a loss
  uint32_t node() const;        // the node that granted it, 1..3
  LicenseState state() const;
  // True while the application may go on, by the client's UnconfirmedPolicy.
  bool usable() const;
  // From a record on this machine (Client::Borrow), not from a server.
  bool borrowed() const;

 private:
  friend class client::ClientState;
  License(std::shared_ptr<client::ClientState> client, std::shared_ptr<client::LicenseSlot> slot);
  client::LicenseView View() const;
  std::shared_ptr<client::ClientState> client_;
  std::shared_ptr<client::LicenseSlot> slot_;
};

// An application at its license servers: one session with each cluster of its search path. One
// application process has one, usually.
class Client {
 public:
  using CheckoutCallback = std::function<void(Result<License>)>;
  using CheckoutsCallback = std::function<void(Result<std::vector<License>>)>;

  // Reads the search path and opens sessions with the clusters in it that serve; one that does is
  // enough, and with licenses borrowed to this machine none. What is not a license server of ours
  // costs at most 1 s in all and is named in Diagnostics(). Returns within request_timeout_ms;
  // within about 2 s if the servers that answer have no quorum.
  static Result<Client> Open(const ClientOptions& options);

  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();  // as Close()

  // Asks the clusters in the order of the search path until one grants; of several denials the most
  // telling one is returned. What is borrowed to this machine comes first.
  // Blocks until granted, denied, or request_timeout_ms is over; with `wait` longer.
  Result<License> Checkout(const CheckoutRequest& request, const CheckoutOptions& options = {});
  // Several features, all or none, from one cluster; the licenses in the order of the requests.
  Result<std::vector<License>> CheckoutTogether(const std::vector<CheckoutRequest>& requests,
                                                const CheckoutOptions& options = {});
  // Return at once; `done` is called exactly once, at the latest by Close().
  void CheckoutAsync(const CheckoutRequest& request, CheckoutCallback done);
  void CheckoutAsync(const CheckoutRequest& request, const CheckoutOptions& options,
                     CheckoutCallback done);
  void CheckoutTogetherAsync(const std::vector<CheckoutRequest>& requests,
                             const CheckoutOptions& options, CheckoutsCallback done);
  // Every checkout that waits in a queue leaves it and ends with kCancelled.
  Status CancelWaits();
  // License::SetIdle for all licenses.
  Status SetIdle(bool idle);

  // Takes licenses home until `until_ms` (since 1970 UTC): they stay out whatever becomes of this
  // client, and on this machine this user's checkouts of the feature are served from the record,
  // also with no network. A count of kExact only.
  Result<BorrowedLicense> Borrow(const CheckoutRequest& request, int64_t until_ms);
  // Before it ends; by the same user on the same machine. Nothing may be using it.
  Status ReturnBorrowed(const BorrowedLicense& borrowed);
  // What is borrowed to this user on this machine and has not ended. Asks no server.
  std::vector<BorrowedLicense> Borrowed() const;

  // Gives everything back and ends the sessions; waits at most 1 s for the answers. Licenses that
  // live on are kReturned. Every later call is kUsage.
  Status Close();

  ClientStatus status() const;
  // The latest lines of what was tried, oldest first; whatever TRIAD_DIAGNOSTICS says.
  std::vector<std::string> Diagnostics() const;

 private:
  explicit Client(std::shared_ptr<client::ClientState> state);
  Status Check() const;
  std::shared_ptr<client::ClientState> state_;
};

}  // namespace triad
