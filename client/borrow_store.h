// The records of borrowed licenses of one user on this machine: files, mode 0600, and which of
// their licenses are in use by the processes of this machine.
//
// A use is a lock on as many bytes of the record as licenses are used; it ends with the process
// whatever becomes of it. (On a network file system without locks nothing counts the uses.)
//
// Blocking I/O. Thread-safe: every call stands alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/borrow_record.h"

namespace triad::client {

// What this process uses of a record, until it dies.
class BorrowUse {
 public:
  BorrowUse(BorrowRecord record, int fd) : record_(std::move(record)), fd_(fd) {}
  BorrowUse(const BorrowUse&) = delete;
  BorrowUse& operator=(const BorrowUse&) = delete;
  ~BorrowUse();

  const BorrowRecord& record() const { return record_; }

 private:
  const BorrowRecord record_;
  const int fd_;
};

class BorrowStore {
 public:
  // `directory` as in ClientOptions; "": TRIAD_BORROW_DIR, else ~/.local/share/triad.
  BorrowStore(const std::string& directory, Borrower here, license::VendorKeys keys);

  // The path of the file. Nothing is left behind if it fails.
  absl::StatusOr<std::string> Write(const BorrowRecord& record) const;
  // Those that may be used here and now; what is wrong with the others goes to `problems`.
  std::vector<BorrowRecord> List(std::vector<std::string>* problems) const;
  // nullptr: no record serves it, or too few of its licenses are free. kUpTo and kAll take what is
  // there.
  std::unique_ptr<BorrowUse> Use(const CheckoutRequest& request, uint64_t* count) const;
  // Takes it for good if nobody uses it: FAILED_PRECONDITION otherwise.
  absl::StatusOr<std::unique_ptr<BorrowUse>> Seize(const std::string& path) const;
  void Remove(const std::string& path) const;

  const Borrower& here() const { return here_; }

 private:
  absl::StatusOr<BorrowRecord> Read(const std::string& path) const;

  const std::string directory_;
  const Borrower here_;
  const license::VendorKeys keys_;
};

// User and host as `options` or the system say, and this machine.
Borrower ThisBorrower(const ClientOptions& options);
// Milliseconds since 1970 UTC.
int64_t WallMs();

}  // namespace triad::client
