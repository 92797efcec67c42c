#include "license/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "license/check.h"

namespace triad::license {

std::string Sha256(absl::string_view bytes) {
  // Found once: OpenSSL 3 looks for it by name at every call of SHA256(), which takes as long as
  // the hash of a usage record.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  if (algorithm == nullptr ||
      EVP_Digest(bytes.data(), bytes.size(), to, nullptr, algorithm, nullptr) != 1) {
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), to);
  }
  return out;
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
            1,
        "SHA-256 works");
  return out;
}

void AppendField(std::string& out, absl::string_view field) {
  absl::StrAppend(&out, field.size(), ":", field, ",");
}

}  // namespace triad::license
