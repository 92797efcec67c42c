#include "cli/tls_probe.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/foreign.h"
#include "license/certificate.h"

namespace triad::cli {
namespace {

struct ContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
struct BioFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Context = std::unique_ptr<SSL_CTX, ContextFree>;
using Ssl = std::unique_ptr<SSL, SslFree>;
using Bio = std::unique_ptr<BIO, BioFree>;
using Certificate = std::unique_ptr<X509, X509Free>;
using Key = std::unique_ptr<EVP_PKEY, KeyFree>;

constexpr std::array<unsigned char, 3> kHttp2 = {2, 'h', '2'};

Bio Reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Certificate Read(BIO* bio) {
  return Certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

Context MakeContext(const client::Trust& trust) {
  Context context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return context;
  const Bio authorities = Reader(trust.contents.ca);
  while (const Certificate authority = Read(authorities.get())) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get());
  }
  if (!trust.contents.certificate.empty()) {
    const Certificate own = Read(Reader(trust.contents.certificate).get());
    const Key key(
        PEM_read_bio_PrivateKey(Reader(trust.contents.key).get(), nullptr, nullptr, nullptr));
    if (own != nullptr && key != nullptr) {
      SSL_CTX_use_certificate(context.get(), own.get());
      SSL_CTX_use_PrivateKey(context.get(), key.get());
    }
  }
  ERR_clear_error();
  return context;
}

std::string WhatIsWrongWith(SSL* ssl, const client::Trust& trust) {
  const long verdict = SSL_get_verify_result(ssl);
  switch (verdict) {
    case X509_V_OK:
      break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired: an administrator must replace it";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not good yet: look at this machine's clock";
    default:
      return absl::StrCat("its certificate is not from the authority in ", trust.paths.ca, " (",
                          X509_verify_cert_error_string(verdict),
                          "): take the ca.crt of this license server");
  }
  const Certificate shown(SSL_get1_peer_certificate(ssl));
  const bool is_node =
      shown != nullptr && X509_check_host(shown.get(), license::kNodeName, 0, 0, nullptr) == 1;
  return is_node ? "" : "its certificate is not a license server's (triad certs node)";
}

// From now on it blocks, but no longer than this.
void SetTimeout(int fd, int64_t ms) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  const timeval time = {static_cast<time_t>(ms / 1'000),
                        static_cast<suseconds_t>(ms % 1'000 * 1'000)};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

// Of an own certificate the server says what it thinks after the handshake, in an alert.
std::string WhatItSaysOfOurs(SSL* ssl, const client::Trust& trust) {
  if (trust.contents.certificate.empty()) return "";
  char byte = 0;
  if (SSL_read(ssl, &byte, 1) > 0) return "";
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return "";
  const char* reason = ERR_reason_error_string(error);
  return absl::StrCat("it does not take the certificate ", trust.paths.certificate, " (",
                      reason == nullptr ? "no reason given" : reason,
                      "): is it of this license server's authority, and in its time?");
}

}  // namespace

std::string WhatTlsSays(const client::Address& address, const client::Trust& trust,
                        int64_t timeout_ms) {
  const Connection connection(address, timeout_ms);
  const Context context = MakeContext(trust);
  const Ssl ssl(context == nullptr ? nullptr : SSL_new(context.get()));
  if (connection.fd() < 0 || ssl == nullptr) return "";
  SetTimeout(connection.fd(), timeout_ms);
  SSL_set_alpn_protos(ssl.get(), kHttp2.data(), kHttp2.size());
  SSL_set_fd(ssl.get(), connection.fd());
  std::string said;
  if (SSL_connect(ssl.get()) == 1) {
    said = trust.tls() ? WhatIsWrongWith(ssl.get(), trust)
                       : "speaks TLS, and there is no authority's certificate to know it by: put "
                         "its ca.crt into /etc/triad/tls/ or ~/.config/triad/, or give --tls-ca";
    if (said.empty()) said = WhatItSaysOfOurs(ssl.get(), trust);
  } else if (trust.tls() && ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_WRONG_VERSION_NUMBER) {
    said = "speaks no TLS, and with an authority's certificate nothing is said in plaintext";
  }
  ERR_clear_error();
  return said;
}

}  // namespace triad::cli
