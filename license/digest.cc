#include "license/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "license/check.h"

namespace triad::license {

std::string Sha256(absl::string_view bytes) {
  // Kept for the next: OpenSSL 3 looks for the algorithm by name at every call of SHA256(), which
  // takes as long as the hash of a usage record, and a context is three pieces of heap.
  thread_local Sha256Stream stream;
  stream.Add(bytes);
  return stream.Finish();
}

std::string Sha256Hex(absl::string_view bytes) {
  return absl::BytesToHexString(Sha256(bytes));
}

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  Check(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
        "SHA-256 is there");
}

void Sha256Stream::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

void Sha256Stream::Add(absl::string_view bytes) {
  Check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "SHA-256 works");
}

std::string Sha256Stream::Finish() {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  Check(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) ==
                1 &&
            EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1,
        "SHA-256 works");
  return out;
}

void AppendField(std::string& out, absl::string_view field) {
  absl::StrAppend(&out, field.size(), ":", field, ",");
}

}  // namespace triad::license
