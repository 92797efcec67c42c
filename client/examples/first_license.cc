// The shortest application that holds a license, as docs/application-developers.md shows it.
#include <cstdio>

#include "triad/client.h"

int main() {
  auto client = triad::Client::Open({});  // the search path is the environment's
  if (!client) return std::fprintf(stderr, "%s\n", client.status().ToString().c_str()), 1;
  auto license = client->Checkout({"tserver_sdn"});
  if (!license) return std::fprintf(stderr, "%s\n", license.status().ToString().c_str()), 1;
  std::fputs("license granted: press enter to give it back\n", stdout);
  std::getchar();
}  // the license returns itself here
