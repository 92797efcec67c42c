// Whole files in and out. I/O only.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::cli {

// Errors name the file and what the system said.
absl::StatusOr<std::string> ReadFile(const std::string& path);
// Of a file that is not there yet; never follows or replaces one that is (keys!). ALREADY_EXISTS.
absl::Status WriteNewFile(const std::string& path, absl::string_view bytes, mode_t mode);
// A new file that is whole or not there: it has its name from Finish on only, durably, and takes
// nobody else's. What is not finished leaves nothing behind, also when the program is killed.
class NewFile {
 public:
  // ALREADY_EXISTS: there is one.
  static absl::StatusOr<std::unique_ptr<NewFile>> Create(const std::string& path, mode_t mode);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  absl::Status Write(absl::string_view bytes);
  absl::Status Finish();

 private:
  NewFile(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}
  absl::Status GiveName();

  const std::string path_;
  const std::string temporary_;  // "": it has no name yet
  const int fd_;
};
// Replaces in one step: nobody ever reads half of it, and after an error the old file stands.
absl::Status ReplaceFile(const std::string& path, absl::string_view bytes);
absl::Status MakeDirectory(const std::string& path);  // one level; success if it is there
// Files of `directory` that end in `suffix`, sorted.
absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& directory,
                                                   absl::string_view suffix);

}  // namespace triad::cli
