// Little-endian numbers in byte strings, the order of every file that storage/ writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace triad::storage {

// Appends the low `bytes` bytes of `value`, lowest first.
inline void AppendNumber(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// Reads `bytes` bytes at `offset`, which must be within `data`.
inline uint64_t ReadNumber(absl::string_view data, size_t offset, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(data[offset + i])) << (8 * i);
  }
  return value;
}

}  // namespace triad::storage
