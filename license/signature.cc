// The canonical form of a line, version 1: a sequence of fields, each "<length>:<bytes>,".
//
//   "triad license line 1"
//   "FEATURE", "INCREMENT", "UPGRADE" or "PACKAGE"
//   feature, vendor              as written
//   of an UPGRADE: from version  without zeros that do not count: "8.0" is "8"
//   version                      likewise; of a PACKAGE without one: ""
//   expiry                       "permanent", or "31-dec-2026"; not of a PACKAGE
//   count                        "uncounted", or decimal; not of a PACKAGE
//   of a PACKAGE: "", "SUITE" or "SUITE_RESERVED"; number of components, then for each, in order:
//                                feature, version or "", count
//   number of attributes, then for each, sorted by name: name, value
//   number of SERVER lines, then for each, in file order: its host id
//
// Attributes are those whose name has an upper-case letter; SIGN, SIGN2, AUTH and a positional key
// are none, nor COMPONENTS and OPTIONS of a PACKAGE. Values are the bytes between the quotes,
// except HOSTID and FLOAT_OK (host ids in their canonical form) and START and ISSUED (as expiry). A
// count stands before each list and a length before each field, so two lines give the same bytes
// only if they mean the same.
#include "license/signature.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "license/digest.h"

namespace triad::license {
namespace {

constexpr size_t kKeyIdDigits = 8;
constexpr size_t kSignatureDigits = 128;
constexpr absl::string_view kSignPrefix = "T1";
constexpr absl::string_view kPublicWord = "triad-public-key";
constexpr absl::string_view kPrivateWord = "triad-private-key";

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct ContextFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyFree>;
using Context = std::unique_ptr<EVP_MD_CTX, ContextFree>;

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

absl::Status CryptoError(absl::string_view what) {
  ERR_clear_error();
  return absl::InternalError(absl::StrCat("libcrypto: ", what, " failed"));
}

absl::StatusOr<PublicKey> PublicOf(EVP_PKEY* key) {
  PublicKey out;
  size_t size = out.size();
  if (EVP_PKEY_get_raw_public_key(key, out.data(), &size) != 1 || size != out.size()) {
    return CryptoError("reading a public key");
  }
  return out;
}

std::string CanonicalDay(const std::optional<Day>& day) {
  return day ? FormatDay(*day) : "permanent";
}

std::string CanonicalHostIds(const std::vector<HostId>& ids) {
  return absl::StrJoin(
      ids, " ", [](std::string* out, const HostId& id) { absl::StrAppend(out, id.ToString()); });
}

// Whether it stands among the attributes in the canonical form.
bool IsSigned(FeatureLine::Kind kind, absl::string_view attribute) {
  const bool own_fields = attribute == "COMPONENTS" || attribute == "OPTIONS";
  if (kind == FeatureLine::Kind::kPackage && own_fields) return false;
  return std::any_of(attribute.begin(), attribute.end(), absl::ascii_isupper);
}

absl::string_view KeywordOf(FeatureLine::Kind kind) {
  switch (kind) {
    case FeatureLine::Kind::kFeature:
      return "FEATURE";
    case FeatureLine::Kind::kIncrement:
      return "INCREMENT";
    case FeatureLine::Kind::kUpgrade:
      return "UPGRADE";
    case FeatureLine::Kind::kPackage:
      return "PACKAGE";
  }
  return "";
}

std::string CanonicalOrNone(absl::string_view version) {
  return version.empty() ? "" : CanonicalVersion(version);
}

void AppendPackage(std::string& out, const FeatureLine& line) {
  AppendField(out, line.suite == FeatureLine::Suite::kNone    ? ""
                   : line.suite == FeatureLine::Suite::kSuite ? "SUITE"
                                                              : "SUITE_RESERVED");
  AppendField(out, absl::StrCat(line.components.size()));
  for (const FeatureLine::Component& component : line.components) {
    AppendField(out, component.feature);
    AppendField(out, CanonicalOrNone(component.version));
    AppendField(out, absl::StrCat(component.count));
  }
}

std::string CanonicalValue(const FeatureLine& line, const std::string& name,
                           const std::string& value) {
  if (name == "HOSTID") return CanonicalHostIds(line.host_ids);
  if (name == "START") return CanonicalDay(line.start);
  if (name == "ISSUED") return CanonicalDay(line.issued);
  if (name == "FLOAT_OK") {
    absl::StatusOr<HostId> id = ParseHostId(value);
    if (id.ok()) return id->ToString();
  }
  return value;
}

// SIGN= without blanks.
std::string Squeezed(absl::string_view sign) {
  std::string out;
  for (char c : sign) {
    if (!absl::ascii_isspace(c)) out.push_back(c);
  }
  return out;
}

bool IsHex(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
}

struct KeyLine {
  std::string vendor;
  std::string bytes;
};

// The one line of a key file that is neither empty nor a comment: WORD NAME HEX.
absl::StatusOr<KeyLine> ParseKeyLine(absl::string_view file, absl::string_view text,
                                     absl::string_view word) {
  std::optional<KeyLine> found;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    auto error = [&](absl::string_view message) {
      return absl::InvalidArgumentError(absl::StrCat(file, ":", number, ":1: ", message));
    };
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words[0] != word) {
      if (words[0] == kPublicWord) return error("this is a public key: the private one is needed");
      if (words[0] == kPrivateWord) {
        return error("this is a private key: keep it secret; the public one is needed");
      }
      return error(absl::StrCat("not a key: a line `", word, " NAME <64 hex digits>` is needed"));
    }
    if (words.size() != 3 || words[2].size() != 64 || !IsHex(words[2])) {
      return error(absl::StrCat("not a whole key: `", word,
                                "`, the vendor's name and 64 hex digits are needed"));
    }
    if (found) return error("a second key: put each into a file of its own");
    found = KeyLine{std::string(words[1]), absl::HexStringToBytes(words[2])};
  }
  if (found) return *std::move(found);
  return absl::InvalidArgumentError(
      absl::StrCat(file, ":1:1: no key: a line `", word, " NAME <64 hex digits>` is needed"));
}

absl::StatusOr<KeyPair> FromSeed(absl::string_view seed) {
  KeyPair out;
  std::copy(seed.begin(), seed.end(), out.private_key.begin());
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(seed), seed.size()));
  if (key == nullptr) return CryptoError("reading a private key");
  absl::StatusOr<PublicKey> public_key = PublicOf(key.get());
  if (!public_key.ok()) return public_key.status();
  out.public_key = *public_key;
  return out;
}

template <typename Container>
absl::string_view View(const Container& bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::string KeyId(const PublicKey& key) {
  return Sha256Hex(View(key)).substr(0, kKeyIdDigits);
}

absl::StatusOr<KeyPair> GenerateKeyPair() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (key == nullptr) return CryptoError("drawing a key pair");
  KeyPair out;
  size_t size = out.private_key.size();
  if (EVP_PKEY_get_raw_private_key(key.get(), out.private_key.data(), &size) != 1) {
    return CryptoError("reading a drawn key pair");
  }
  absl::StatusOr<PublicKey> public_key = PublicOf(key.get());
  if (!public_key.ok()) return public_key.status();
  out.public_key = *public_key;
  return out;
}

std::string FormatPublicKey(absl::string_view vendor, const PublicKey& key) {
  return absl::StrCat("# Triad public key ", KeyId(key), " of ", vendor,
                      ": install it where this vendor's licenses are served\n", kPublicWord, " ",
                      vendor, " ", absl::BytesToHexString(View(key)), "\n");
}

std::string FormatPrivateKey(absl::string_view vendor, const KeyPair& keys) {
  return absl::StrCat("# Triad private key ", KeyId(keys.public_key), " of ", vendor,
                      ": keep it secret; whoever has it can issue licenses\n", kPrivateWord, " ",
                      vendor, " ", absl::BytesToHexString(View(keys.private_key)), "\n");
}

absl::StatusOr<NamedPublicKey> ParsePublicKey(absl::string_view file_name, absl::string_view text) {
  absl::StatusOr<KeyLine> line = ParseKeyLine(file_name, text, kPublicWord);
  if (!line.ok()) return line.status();
  NamedPublicKey out;
  out.vendor = line->vendor;
  std::copy(line->bytes.begin(), line->bytes.end(), out.key.begin());
  return out;
}

absl::StatusOr<NamedPrivateKey> ParsePrivateKey(absl::string_view file_name,
                                                absl::string_view text) {
  absl::StatusOr<KeyLine> line = ParseKeyLine(file_name, text, kPrivateWord);
  if (!line.ok()) return line.status();
  absl::StatusOr<KeyPair> keys = FromSeed(line->bytes);
  OPENSSL_cleanse(line->bytes.data(), line->bytes.size());
  if (!keys.ok()) return keys.status();
  return NamedPrivateKey{line->vendor, *keys};
}

std::string CanonicalForm(const FeatureLine& line, const std::vector<ServerLine>& servers) {
  std::string out;
  AppendField(out, "triad license line 1");
  AppendField(out, KeywordOf(line.kind));
  AppendField(out, line.feature);
  AppendField(out, line.vendor);
  if (line.kind == FeatureLine::Kind::kUpgrade) {
    AppendField(out, CanonicalVersion(line.from_version));
  }
  AppendField(out, CanonicalOrNone(line.version));
  if (line.kind == FeatureLine::Kind::kPackage) {
    AppendPackage(out, line);
  } else {
    AppendField(out, CanonicalDay(line.expiry));
    AppendField(out, line.uncounted ? "uncounted" : absl::StrCat(line.count));
  }

  std::vector<std::pair<std::string, std::string>> attributes;
  for (const auto& [name, value] : line.attributes) {
    if (IsSigned(line.kind, name)) attributes.emplace_back(name, CanonicalValue(line, name, value));
  }
  std::sort(attributes.begin(), attributes.end());
  AppendField(out, absl::StrCat(attributes.size()));
  for (const auto& [name, value] : attributes) {
    AppendField(out, name);
    AppendField(out, value);
  }
  AppendField(out, absl::StrCat(servers.size()));
  for (const ServerLine& server : servers) AppendField(out, server.host_id.ToString());
  return out;
}

bool VerifyBytes(absl::string_view canonical, absl::string_view signature, const PublicKey& key) {
  Key public_key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  Context context(EVP_MD_CTX_new());
  const bool good =
      public_key != nullptr && context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
      EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(canonical),
                       canonical.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

absl::StatusOr<std::string> SignBytes(absl::string_view canonical, const PrivateKey& key) {
  Key private_key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  Context context(EVP_MD_CTX_new());
  std::string out(kSignatureDigits / 2, '\0');
  size_t size = out.size();
  if (private_key == nullptr || context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, private_key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                     Bytes(canonical), canonical.size()) != 1) {
    return CryptoError("signing");
  }
  return out;
}

absl::StatusOr<ParsedSign> ParseSign(absl::string_view sign) {
  const std::string squeezed = absl::AsciiStrToLower(Squeezed(sign));
  absl::string_view rest = squeezed;
  if (!absl::ConsumePrefix(&rest, absl::AsciiStrToLower(kSignPrefix)) ||
      rest.size() != kKeyIdDigits + kSignatureDigits || !IsHex(rest)) {
    return absl::InvalidArgumentError(
        "SIGN= is not a Triad signature: T1, 8 hex digits of the key and 128 of the signature");
  }
  return ParsedSign{std::string(rest.substr(0, kKeyIdDigits)),
                    absl::HexStringToBytes(rest.substr(kKeyIdDigits))};
}

SignatureCheck CheckSignature(const FeatureLine& line, const std::vector<ServerLine>& servers,
                              const VendorKeys& keys,
                              const std::vector<std::shared_ptr<const VerifiedLines>>& known) {
  SignatureCheck out;
  const std::string sign = Squeezed(line.sign);
  absl::StatusOr<ParsedSign> parsed = ParseSign(sign);
  if (!parsed.ok()) {
    out.verdict = line.foreign_key              ? Verdict::kForeign
                  : sign.empty() || sign == "0" ? Verdict::kUnsigned
                  : IsHex(sign)                 ? Verdict::kForeign
                                                : Verdict::kMalformed;
    return out;
  }
  const auto [first, last] = keys.equal_range(line.vendor);
  out.verdict = first == last ? Verdict::kUnknownVendor : Verdict::kUnknownKey;
  if (first == last) return out;
  out.canonical = CanonicalForm(line, servers);
  for (auto it = first; it != last; ++it) {
    if (KeyId(it->second) != parsed->key_id) continue;
    std::string all(View(it->second));
    AppendField(all, out.canonical);
    std::string hash = Sha256(absl::StrCat(all, parsed->signature));
    const bool is_known = std::any_of(known.begin(), known.end(), [&hash](const auto& lines) {
      return lines != nullptr && lines->contains(hash);
    });
    if (is_known || VerifyBytes(out.canonical, parsed->signature, it->second)) {
      out.verdict = Verdict::kGood;
      out.sign = *std::move(parsed);
      out.verified = std::move(hash);
      return out;
    }
    out.verdict = Verdict::kWrong;
  }
  return out;
}

Verdict Verify(const FeatureLine& line, const std::vector<ServerLine>& servers,
               const VendorKeys& keys) {
  return CheckSignature(line, servers, keys, {}).verdict;
}

std::string Explain(Verdict verdict, const FeatureLine& line) {
  const std::string& vendor = line.vendor;
  switch (verdict) {
    case Verdict::kGood:
      return "signature is good";
    case Verdict::kUnsigned:
      return absl::StrCat("not signed: ask ", vendor, " for a Triad-signed file");
    case Verdict::kForeign:
      return absl::StrCat("signed for FlexNet, not for Triad: ask ", vendor,
                          " for a Triad-signed file");
    case Verdict::kMalformed:
      return absl::StrCat(
          "SIGN= is damaged: T1, 8 and 128 hex digits are needed: copy the line "
          "again from the file that ",
          vendor, " sent");
    case Verdict::kUnknownVendor:
      return absl::StrCat("no public key of ", vendor, " is installed: install ", vendor, ".pub");
    case Verdict::kUnknownKey: {
      absl::StatusOr<ParsedSign> parsed = ParseSign(line.sign);
      return absl::StrCat("signed with key ", parsed.ok() ? parsed->key_id : "", " of ", vendor,
                          ", which is not installed: ask ", vendor, " for its current ", vendor,
                          ".pub");
    }
    case Verdict::kWrong:
      return absl::StrCat("signature does not fit: the line or a SERVER host id was changed since ",
                          vendor, " signed it: restore it, or ask ", vendor, " for a new file");
  }
  return "";
}

}  // namespace triad::license
