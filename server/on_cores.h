// Work in equal pieces, shared among the machine's cores while the caller waits. For what a daemon
// does beside its loop: reading license files, at its start and for a reread.
//
// Thread-safe. What it is not: a pool; its threads live as long as one call.
#pragma once

#include <cstddef>
#include <functional>

namespace triad::server {

// Calls work(0) to work(count - 1), each once, on a few threads, and comes back when all are done:
// license::BuildHelp's for_each. `work` may be called by several threads at once.
void OnCores(size_t count, const std::function<void(size_t)>& work);

}  // namespace triad::server
