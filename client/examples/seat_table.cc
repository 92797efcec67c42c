#include "client/examples/seat_table.h"

#include <algorithm>

namespace triad::examples {

SeatsWanted SeatsToAskFor(const Count& num_of_licenses, const Count& num_sdn_licenses) {
  const bool any = num_of_licenses.max || num_of_licenses.number == 0;
  if (!num_sdn_licenses.max && num_sdn_licenses.number == 0) return {/*controlled=*/false, {}};
  if (any) return {true, num_sdn_licenses};
  if (num_sdn_licenses.max) return {true, num_of_licenses};
  return {true, {false, std::min(num_of_licenses.number, num_sdn_licenses.number)}};
}

}  // namespace triad::examples
