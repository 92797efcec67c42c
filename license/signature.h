// Ed25519 signatures of license lines.
//
// SIGN= covers the line's keyword, the positional fields, all UPPERCASE attributes and the SERVER
// host ids, in one canonical form; not host names, ports, paths, lowercase attributes or layout,
// because the customer edits those. Written as SIGN="T1 <key id, 8 hex> <signature, 128 hex in
// groups of 4>". See canonical form in the .cc.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "license/license_file.h"

namespace triad::license {

using PublicKey = std::array<uint8_t, 32>;
using PrivateKey = std::array<uint8_t, 32>;  // the seed

struct KeyPair {
  PrivateKey private_key;
  PublicKey public_key;
};

// First 4 bytes of SHA-256 of the public key, 8 hex digits: lets a vendor replace its key.
std::string KeyId(const PublicKey& key);

// Draws a pair from libcrypto's generator (used by `triad keygen` only).
absl::StatusOr<KeyPair> GenerateKeyPair();

// Key files are text: a comment line, then "triad-private-key NAME <64 hex>" or "triad-public-key
// NAME <64 hex>".
struct NamedPublicKey {
  std::string vendor;
  PublicKey key;
};
struct NamedPrivateKey {
  std::string vendor;
  KeyPair keys;
};
std::string FormatPublicKey(absl::string_view vendor, const PublicKey& key);
std::string FormatPrivateKey(absl::string_view vendor, const KeyPair& keys);
absl::StatusOr<NamedPublicKey> ParsePublicKey(absl::string_view file_name, absl::string_view text);
absl::StatusOr<NamedPrivateKey> ParsePrivateKey(absl::string_view file_name,
                                                absl::string_view text);

// The keys a verifier trusts: vendor -> its keys, old and new.
using VendorKeys = std::multimap<std::string, PublicKey>;

// Exactly the bytes that are signed.
std::string CanonicalForm(const FeatureLine& line, const std::vector<ServerLine>& servers);

enum class Verdict { kGood, kUnsigned, kForeign, kMalformed, kUnknownVendor, kUnknownKey, kWrong };
// Checks `line` against the keys of its vendor.
Verdict Verify(const FeatureLine& line, const std::vector<ServerLine>& servers,
               const VendorKeys& keys);
// One line for a user: what is wrong, what to do.
std::string Explain(Verdict verdict, const FeatureLine& line);

// For the client's own check of a grant: `signature` is 64 bytes.
bool VerifyBytes(absl::string_view canonical, absl::string_view signature, const PublicKey& key);
// The 64 bytes of a signature. INTERNAL when libcrypto fails.
absl::StatusOr<std::string> SignBytes(absl::string_view canonical, const PrivateKey& key);
// The 64 bytes and the key id out of a SIGN= value.
struct ParsedSign {
  std::string key_id;
  std::string signature;
};
absl::StatusOr<ParsedSign> ParseSign(absl::string_view sign);

// Signatures that were found good, each as a hash of key, canonical form and signature: to verify
// one again would cost 0.1 ms, and says the same.
using VerifiedLines = std::set<std::string>;
struct SignatureCheck {
  Verdict verdict = Verdict::kWrong;
  std::string canonical;
  ParsedSign sign;       // if it is good
  std::string verified;  // if it is good: as VerifiedLines have it
};
// As Verify, with all that it finds. `known` are not verified again; any of them may be null.
SignatureCheck CheckSignature(const FeatureLine& line, const std::vector<ServerLine>& servers,
                              const VendorKeys& keys,
                              const std::vector<std::shared_ptr<const VerifiedLines>>& known);

// Signs every FEATURE, INCREMENT, UPGRADE and PACKAGE line of the key's vendor: foreign signatures
// and keys (positional key, SIGN, SIGN2, AUTH) and an old SIGN= are removed, ours is added, and no
// other byte changes. INVALID_ARGUMENT lists every line that cannot be signed; then nothing is.
absl::StatusOr<std::string> SignText(absl::string_view name, absl::string_view text,
                                     const NamedPrivateKey& key);

}  // namespace triad::license
