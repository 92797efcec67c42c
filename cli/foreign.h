// Is it a license server of ours that listens at a port where no answer came from? FlexNet's lmgrd
// and others listen too, and an administrator who aims at the wrong one should be told so.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/search_path.h"

namespace triad::cli {

// One line with FlexNet's number when something takes connections there that does not speak our
// protocol (HTTP/2): FlexNet's lmgrd says nothing until it hears its own. "": nobody listens, or a
// node of ours that does not answer. Blocks for at most `timeout_ms`.
std::string WhatElseListens(const client::Address& address, int64_t timeout_ms);

}  // namespace triad::cli
