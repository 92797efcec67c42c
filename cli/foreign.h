// Is it a license server of ours that listens at a port where no answer came from? FlexNet's lmgrd
// and others listen too, and an administrator who aims at the wrong one should be told so.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/search_path.h"

namespace triad::cli {

// A connected socket, closed with the object; fd() is -1 when there is none by the timeout. It does
// not block.
class Connection {
 public:
  Connection(const client::Address& address, int64_t timeout_ms);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// One line with FlexNet's number when something takes connections there that does not speak our
// protocol (HTTP/2): FlexNet's lmgrd says nothing until it hears its own. "": nobody listens, or a
// node of ours that does not answer. Blocks for at most `timeout_ms`.
std::string WhatElseListens(const client::Address& address, int64_t timeout_ms);

}  // namespace triad::cli
