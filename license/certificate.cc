#include "license/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "license/civil.h"

namespace triad::license {
namespace {

constexpr absl::string_view kScheme = "triad:";
constexpr size_t kNameMax = 64;
constexpr size_t kSerialBytes = 16;
constexpr int64_t kDaySeconds = 86'400;
constexpr long kX509Version3 = 2;
// No further authority below ours.
constexpr char kAuthorityConstraints[] = "critical,CA:TRUE,pathlen:0";
constexpr uint32_t kSlotMax = 3;

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Time = std::unique_ptr<ASN1_TIME, Free<ASN1_TIME_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

struct StackFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

absl::Status CryptoError(absl::string_view what) {
  ERR_clear_error();
  return absl::InternalError(absl::StrCat("libcrypto: ", what, " failed"));
}

Bio Reader(absl::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string Written(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

std::vector<Certificate> Certificates(absl::string_view pem) {
  std::vector<Certificate> all;
  const Bio bio = Reader(pem);
  while (X509* read = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    all.emplace_back(read);
  ERR_clear_error();
  return all;
}

// Nobody is there to be asked for a passphrase.
int NoPassphrase(char*, int, int, void*) {
  return -1;
}

Key PrivateKey(absl::string_view pem) {
  Key key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  return key;
}

int64_t Seconds(const ASN1_TIME* time) {
  const Time epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) return 0;
  return days * kDaySeconds + seconds;
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// The number of a certificate is drawn from its key, which nobody has twice.
bool SetSerial(X509* certificate, EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return false;
  unsigned char digest[EVP_MAX_MD_SIZE];
  const int digested =
      EVP_Digest(der, static_cast<size_t>(size), digest, nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  digest[0] &= 0x7F;  // a positive number
  const Number number(BN_bin2bn(digest, kSerialBytes, nullptr));
  return digested == 1 && number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetName(X509_NAME* name, absl::string_view common) {
  const auto* text = reinterpret_cast<const unsigned char*>(common.data());
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text,
                                    static_cast<int>(common.size()), -1, 0) == 1;
}

using Extensions = std::vector<std::pair<int, std::string>>;

// Signed by `issuer` with `signer`; by itself where they are null.
absl::StatusOr<KeyAndCertificate> Make(absl::string_view name, Validity validity, X509* issuer,
                                       EVP_PKEY* signer, const Extensions& extensions) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate made(X509_new());
  if (key == nullptr || made == nullptr) return CryptoError("making a key");
  if (issuer == nullptr) issuer = made.get();
  if (signer == nullptr) signer = key.get();
  X509* const raw = made.get();
  bool good = X509_set_version(raw, kX509Version3) == 1 && SetSerial(raw, key.get()) &&
              ASN1_TIME_set(X509_getm_notBefore(raw), validity.from_s) != nullptr &&
              ASN1_TIME_set(X509_getm_notAfter(raw), validity.to_s) != nullptr &&
              SetName(X509_get_subject_name(raw), name) &&
              X509_set_issuer_name(raw, X509_get_subject_name(issuer)) == 1 &&
              X509_set_pubkey(raw, key.get()) == 1;
  for (const auto& [nid, value] : extensions) good = good && AddExtension(raw, issuer, nid, value);
  if (!good || X509_sign(raw, signer, EVP_sha256()) <= 0)
    return CryptoError("making a certificate");
  const Bio key_out(BIO_new(BIO_s_mem()));
  const Bio certificate_out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1 ||
      PEM_write_bio_X509(certificate_out.get(), raw) != 1) {
    return CryptoError("writing a certificate");
  }
  return KeyAndCertificate{Written(key_out.get()), Written(certificate_out.get())};
}

bool IsAddress(absl::string_view host) {
  return absl::StrContains(host, ":") || std::all_of(host.begin(), host.end(), [](char c) {
           return c == '.' || absl::ascii_isdigit(c);
         });
}

std::string SubjectNames(const Certified& who, const std::vector<std::string>& hosts) {
  std::vector<std::string> names = {absl::StrCat("URI:", RoleUri(who))};
  if (who.role == Role::kNode) {
    names.push_back(absl::StrCat("DNS:", kNodeName));
    names.push_back(absl::StrCat("DNS:", NodeName(who.slot)));
  }
  for (const std::string& host : hosts) {
    names.push_back(absl::StrCat(IsAddress(host) ? "IP:" : "DNS:", host));
  }
  return absl::StrJoin(names, ",");
}

Certified RoleOf(X509* certificate) {
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    const Certified who = ParseRoleUri({reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                        static_cast<size_t>(ASN1_STRING_length(uri))});
    if (who.role != Role::kNone) return who;
  }
  return {};
}

absl::Status CheckIssued(const std::string& path, const std::string& ca_path,
                         const std::vector<Certificate>& authorities,
                         const std::vector<Certificate>& chain, int64_t now_s) {
  const Store store(X509_STORE_new());
  for (const Certificate& authority : authorities)
    X509_STORE_add_cert(store.get(), authority.get());
  const std::unique_ptr<STACK_OF(X509), StackFree> more(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); ++i) sk_X509_push(more.get(), chain[i].get());
  const StoreContext context(X509_STORE_CTX_new());
  if (context == nullptr ||
      X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), more.get()) != 1) {
    return CryptoError("checking a certificate");
  }
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), now_s);
  const bool good = X509_verify_cert(context.get()) == 1;
  const int why = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (good) return absl::OkStatus();
  const bool stranger = why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
                        why == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
                        why == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
                        why == X509_V_ERR_CERT_SIGNATURE_FAILURE;
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": ",
                   stranger ? absl::StrCat("was not issued by the authority in ", ca_path)
                            : X509_verify_cert_error_string(why),
                   ": use the files that were made together (triad certs)"));
}

absl::Status CheckTime(const std::string& path, X509* certificate, int64_t now_s) {
  const int64_t from = Seconds(X509_get0_notBefore(certificate));
  const int64_t to = Seconds(X509_get0_notAfter(certificate));
  if (now_s > to) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": expired at ", FormatTime(to), ": make a new one (triad certs)"));
  }
  if (now_s < from) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": is good only from ", FormatTime(from), " on: check this machine's clock"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string NodeName(uint32_t slot) {
  return absl::StrCat("node", slot, ".triad");
}

std::string Certified::ToString() const {
  switch (role) {
    case Role::kNode:
      return absl::StrCat("node ", slot);
    case Role::kAdmin:
      return absl::StrCat("administrator ", name);
    case Role::kClient:
      return absl::StrCat("client ", name);
    case Role::kNone:
      break;
  }
  return "nobody";
}

std::string RoleUri(const Certified& who) {
  switch (who.role) {
    case Role::kNode:
      return absl::StrCat(kScheme, "node:", who.slot);
    case Role::kAdmin:
      return absl::StrCat(kScheme, "admin:", who.name);
    case Role::kClient:
      return absl::StrCat(kScheme, "client:", who.name);
    case Role::kNone:
      break;
  }
  return "";
}

Certified ParseRoleUri(absl::string_view uri) {
  Certified who;
  if (!absl::ConsumePrefix(&uri, kScheme)) return {};
  if (absl::ConsumePrefix(&uri, "node:")) {
    const bool good = absl::SimpleAtoi(uri, &who.slot) && who.slot >= 1 && who.slot <= kSlotMax;
    if (!good || uri.size() != 1) return {};
    who.role = Role::kNode;
    return who;
  }
  if (absl::ConsumePrefix(&uri, "admin:")) {
    who.role = Role::kAdmin;
  } else if (absl::ConsumePrefix(&uri, "client:")) {
    who.role = Role::kClient;
  }
  if (who.role == Role::kNone || !IsCertifiedName(uri)) return {};
  who.name = std::string(uri);
  return who;
}

bool IsCertifiedName(absl::string_view name) {
  return !name.empty() && name.size() <= kNameMax && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || absl::StrContains("._@-", c); });
}

absl::StatusOr<KeyAndCertificate> MakeAuthority(absl::string_view name, Validity validity) {
  return Make(name, validity, nullptr, nullptr,
              {{NID_basic_constraints, kAuthorityConstraints},
               {NID_key_usage, "critical,keyCertSign,cRLSign"},
               {NID_subject_key_identifier, "hash"}});
}

absl::StatusOr<KeyAndCertificate> MakeCertificate(const KeyAndCertificate& authority,
                                                  const Certified& who,
                                                  const std::vector<std::string>& hosts,
                                                  Validity validity) {
  const std::vector<Certificate> issuers = Certificates(authority.certificate_pem);
  const Key signer = PrivateKey(authority.key_pem);
  if (issuers.empty() || signer == nullptr ||
      X509_check_private_key(issuers[0].get(), signer.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the authority's key and certificate do not belong together");
  }
  return Make(
      who.ToString(), validity, issuers[0].get(), signer.get(),
      {{NID_basic_constraints, "critical,CA:FALSE"},
       {NID_key_usage, "critical,digitalSignature"},
       {NID_ext_key_usage, who.role == Role::kNode ? "serverAuth,clientAuth" : "clientAuth"},
       {NID_subject_alt_name, SubjectNames(who, hosts)},
       {NID_subject_key_identifier, "hash"},
       {NID_authority_key_identifier, "keyid"}});
}

absl::StatusOr<CertificateFacts> ReadCertificate(absl::string_view pem) {
  const std::vector<Certificate> chain = Certificates(pem);
  if (chain.empty()) return absl::InvalidArgumentError("there is no certificate in it");
  return CertificateFacts{
      RoleOf(chain[0].get()),
      {Seconds(X509_get0_notBefore(chain[0].get())), Seconds(X509_get0_notAfter(chain[0].get()))}};
}

absl::Status CheckTlsFiles(const TlsFiles& paths, const TlsFiles& contents, int64_t now_s) {
  const std::vector<Certificate> authorities = Certificates(contents.ca);
  if (authorities.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(paths.ca,
                     ": holds no authority's certificate (PEM): take ca.crt as triad "
                     "certs made it"));
  }
  if (contents.certificate.empty() && contents.key.empty()) return absl::OkStatus();
  const std::vector<Certificate> chain = Certificates(contents.certificate);
  if (chain.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(paths.certificate, ": holds no certificate (PEM)"));
  }
  const Key key = PrivateKey(contents.key);
  if (key == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(paths.key, ": holds no private key (PEM, without a passphrase)"));
  }
  const bool belongs = X509_check_private_key(chain[0].get(), key.get()) == 1;
  ERR_clear_error();
  if (!belongs) {
    return absl::FailedPreconditionError(
        absl::StrCat(paths.key, ": is not the key of ", paths.certificate,
                     ": use the files that were made together (triad certs)"));
  }
  absl::Status status = CheckTime(paths.certificate, chain[0].get(), now_s);
  if (!status.ok()) return status;
  return CheckIssued(paths.certificate, paths.ca, authorities, chain, now_s);
}

std::string FormatTime(int64_t seconds) {
  const Civil civil = CivilOf(seconds * 1'000, 0);
  return absl::StrFormat("%04d-%02d-%02d %02d:%02d UTC", civil.year, civil.month, civil.day,
                         civil.hour, civil.minute);
}

}  // namespace triad::license
