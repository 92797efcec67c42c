// FlexNet's words for its error numbers (flexnet-facts 5), and ours for the numbers of triad.h.
//
// Pure, thread-safe; the strings live for ever.
#pragma once

#include "triad/client.h"

namespace triad::client {

// Never null.
const char* ErrorText(int number);
// The number that the C interface returns for it; 0 for success.
int ErrorNumber(const Status& status);

}  // namespace triad::client
