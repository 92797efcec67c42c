// An application that has a C++17 compiler, the standard library and libtriad.
#include <iostream>

#include "triad/client.h"
#include "triad/seat_pool.h"
#include "triad/triad.h"

int main() {
  triad::ClientOptions options;
  options.license_path = "/nonexistent.lic";
  const triad::Result<triad::Client> client = triad::Client::Open(options);
  if (client) return 1;
  std::cout << client.status().ToString() << "\n" << triad_strerror(-5) << "\n";
  return client.status().kind == triad::ErrorKind::kSearchPath ? 0 : 2;
}
