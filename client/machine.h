// What the library reads of the machine that it runs on: environment, files, and who is asking.
//
// I/O only; what is made of it is decided in search_path and session. Thread-safe, apart from what
// getenv is.
#pragma once

#include "client/search_path.h"
#include "triad/client.h"
#include "triad/v1/command.pb.h"

namespace triad::client {

Machine RealMachine();

// User, host, display, process id, program, platform and host ids as the system says, except where
// `options` says otherwise.
v1::Identity MakeIdentity(const ClientOptions& options);

}  // namespace triad::client
