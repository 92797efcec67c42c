// SHA-256, and an unambiguous way to put strings behind one another before hashing or signing them.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace triad::license {

// 32 bytes.
std::string Sha256(absl::string_view bytes);
// 64 lower-case hex digits.
std::string Sha256Hex(absl::string_view bytes);

// SHA-256 of what comes bit by bit.
class Sha256Stream {
 public:
  Sha256Stream();
  void Add(absl::string_view bytes);
  // 32 bytes; once, and last.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// Appends `field` as "<length>:<bytes>,". Two different sequences of fields never give the same
// bytes, because every length is known before what it counts.
void AppendField(std::string& out, absl::string_view field);

}  // namespace triad::license
