#include "server/http.h"

#include <civetweb.h>

#include <array>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace triad::server {
namespace {

// One scrapes, one looks at health, and two are stuck with slow readers.
constexpr char kThreads[] = "4";
constexpr char kTimeoutMs[] = "3000";
constexpr char kPlainText[] = "text/plain; charset=utf-8";
constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";

struct Page {
  std::function<HttpAnswer()> make;
  const char* type;
};

int Serve(mg_connection* connection, void* data) {
  const auto* page = static_cast<const Page*>(data);
  const absl::string_view method = mg_get_request_info(connection)->request_method;
  if (method != "GET" && method != "HEAD") {
    mg_send_http_error(connection, 405, "%s", "only GET");
    return 405;
  }
  const HttpAnswer answer = page->make();
  const int code = answer.good ? 200 : 503;
  const std::string head =
      absl::StrCat("HTTP/1.1 ", code, answer.good ? " OK" : " Service Unavailable",
                   "\r\nContent-Type: ", page->type, "\r\nContent-Length: ", answer.text.size(),
                   "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
  mg_write(connection, head.data(), head.size());
  if (method == "GET") mg_write(connection, answer.text.data(), answer.text.size());
  return code;
}

}  // namespace

struct HttpPort::Impl {
  Page metrics;
  Page live;
  Page ready;
  mg_context* server = nullptr;
};

HttpPort::HttpPort(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
}

HttpPort::~HttpPort() {
  if (impl_->server != nullptr) mg_stop(impl_->server);
}

bool IsHttpAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  return colon != std::string::npos && absl::SimpleAtoi(address.substr(colon + 1), &port) &&
         port > 0 && port <= 65'535;
}

absl::StatusOr<std::unique_ptr<HttpPort>> HttpPort::Listen(const std::string& address,
                                                           HttpPages pages) {
  auto impl = std::make_unique<Impl>();
  impl->metrics = {std::move(pages.metrics), kMetricsText};
  impl->live = {std::move(pages.live), kPlainText};
  impl->ready = {std::move(pages.ready), kPlainText};
  const std::string port = address[0] == ':' ? address.substr(1) : address;
  const std::array<const char*, 9> options = {
      "listening_ports", port.c_str(),        "num_threads", kThreads, "request_timeout_ms",
      kTimeoutMs,        "enable_keep_alive", "no",          nullptr};
  mg_init_library(0);
  mg_callbacks callbacks = {};
  callbacks.log_message = [](const mg_connection*, const char*) { return 1; };  // it prints nothing
  impl->server = mg_start(&callbacks, nullptr, const_cast<const char**>(options.data()));
  if (impl->server == nullptr) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on --http=", address,
        ": the port is in use, or the address is not this machine's (an address, not a name)"));
  }
  mg_set_request_handler(impl->server, "/metrics$", Serve, &impl->metrics);
  mg_set_request_handler(impl->server, "/livez$", Serve, &impl->live);
  mg_set_request_handler(impl->server, "/readyz$", Serve, &impl->ready);
  return std::unique_ptr<HttpPort>(new HttpPort(std::move(impl)));
}

}  // namespace triad::server
