// What tools do to the logs of a running daemon: lmswitch, lmswitchr, lmnewlog.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "triad/v1/admin.pb.h"

namespace triad::server {

// Thread-safe.
class LogControl {
 public:
  virtual ~LogControl() = default;
  // Begins new files, of this vendor ("": all): under `new_path`; or, when that is "", under the
  // old name while the old file is kept as `old_path` ("": its name with date and time). Blocks
  // until it is done. Returns where the old ones are now. NOT_FOUND: there is no such log.
  // UNAVAILABLE: the new file cannot be opened; the old one goes on.
  virtual absl::StatusOr<std::vector<std::string>> Rotate(v1::RotateLogsRequest::Which which,
                                                          const std::string& vendor,
                                                          const std::string& new_path,
                                                          const std::string& old_path) = 0;
};

}  // namespace triad::server
