// How many seat licenses a T-Server asks for: the table of its options num-of-licenses and
// num-sdn-licenses (flexnet-facts 7).
#pragma once

#include "client/examples/configuration.h"

namespace triad::examples {

struct SeatsWanted {
  bool controlled = true;  // false: seat-related DNs are not controlled, none is asked for
  Count count;
};

// 0 for num-of-licenses means max.
SeatsWanted SeatsToAskFor(const Count& num_of_licenses, const Count& num_sdn_licenses);

}  // namespace triad::examples
