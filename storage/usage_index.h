// Which usage records a store has, so that what is missing is known without looking at millions: a
// node whose ledger jumped to a snapshot has none of those before, until they are fetched.
//
// Pure. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "license/ledger_store.h"

namespace triad::storage {

class UsageIndex {
 public:
  // Record `number` is added at the end. What lies between the end and it is missing. One that is
  // there already changes nothing.
  void Append(uint64_t number);
  // Records below `next` exist: those that were not added are missing.
  void ExpectBelow(uint64_t next);
  // Records below `first` are gone for good.
  void PruneBelow(uint64_t first);
  // A missing record has come. FALSE: it was not missing.
  bool Fill(uint64_t number);

  const license::UsageHeld& held() const { return held_; }

  // The bytes under the store's key.
  std::string Encode() const;
  // FALSE: these are no such bytes; nothing has changed.
  bool Decode(absl::string_view bytes);

 private:
  license::UsageHeld held_;
};

}  // namespace triad::storage
