/* The same in C. */
#include <stdio.h>

#include "triad/triad.h"

int main(void) {
  triad_client client = 1;
  triad_license license = 1;
  triad_event event;
  const int error = triad_open("/nonexistent.lic", NULL, &client);
  printf("%d: %s\n", error, triad_last_error());
  if (error != -1 || client != 0) return 1;
  if (triad_checkout(client, "f", NULL, 1, 0, &license) != TRIAD_E_USAGE) return 2;
  if (triad_next_event(client, &event, 0) != TRIAD_E_USAGE) return 3;
  return triad_close(client) == TRIAD_E_USAGE ? 0 : 4;
}
