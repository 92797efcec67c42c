// What an administrator does to licenses at run time: `triad reserve`, taking it back with
// `triad unreserve`, and `triad undo-clock` after a server's clock had jumped forward.
#pragma once

#include <string>
#include <vector>

namespace triad::cli {

int ReserveVerb(const std::vector<std::string>& arguments);
int UnreserveVerb(const std::vector<std::string>& arguments);
int UndoClockVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
