// Why TLS with a license server does not come about: gRPC tells a tool only that it did not.
//
// Blocks for at most the timeout. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "client/search_path.h"
#include "client/trust.h"

namespace triad::cli {

// One line without the address, such as "its certificate has expired"; "" where nothing is wrong
// with TLS, or no TLS is spoken there.
std::string WhatTlsSays(const client::Address& address, const client::Trust& trust,
                        int64_t timeout_ms);

}  // namespace triad::cli
