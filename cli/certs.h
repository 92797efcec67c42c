// `triad certs`: makes an authority and the certificates of nodes, administrators and clients, as
// files that are copied to where they are used. Needs no server.
//
// Nothing is ever overwritten: a set of files is made in a directory of its own.
#pragma once

#include <string>
#include <vector>

namespace triad::cli {

int CertsVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
