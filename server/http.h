// The node's HTTP port: /metrics, /livez, /readyz, to be read only. Plaintext, without users' names
// and without secrets. Licensing never waits for it: few threads of its own, and a time limit for
// whoever reads slowly.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace triad::server {

// What a page is made of, on the HTTP port's threads.
struct HttpAnswer {
  bool good = true;  // else 503
  std::string text;
};
struct HttpPages {
  std::function<HttpAnswer()> metrics;
  std::function<HttpAnswer()> live;
  std::function<HttpAnswer()> ready;
};

class HttpPort {
 public:
  // `address`: "HOST:PORT", "[::1]:PORT", ":PORT" for all addresses. The error says what to do.
  static absl::StatusOr<std::unique_ptr<HttpPort>> Listen(const std::string& address,
                                                          HttpPages pages);
  ~HttpPort();  // waits for pages under way
  HttpPort(const HttpPort&) = delete;
  HttpPort& operator=(const HttpPort&) = delete;

 private:
  struct Impl;
  explicit HttpPort(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

// Whether `address` can be given to Listen.
bool IsHttpAddress(const std::string& address);

}  // namespace triad::server
