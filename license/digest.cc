#include "license/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

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

void AppendField(std::string& out, absl::string_view field) {
  absl::StrAppend(&out, field.size(), ":", field, ",");
}

}  // namespace triad::license
