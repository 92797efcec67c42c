// Memory on the stack for messages that are made, written down and forgotten: without it each
// string of a message is a piece of heap of its own, also an empty one. Not for what outlives its
// block.
#pragma once

#include <array>

#include "google/protobuf/arena.h"
#include "license/limits.h"

namespace triad::license {

class Scratch {
 public:
  // Empty; lives as long as this. What does not fit takes more from the heap.
  template <typename Message>
  Message& New() {
    return *google::protobuf::Arena::CreateMessage<Message>(&arena_);
  }

 private:
  alignas(8) std::array<char, kScratchBytes> block_;  // not zeroed: that would cost what it saves
  google::protobuf::Arena arena_{block_.data(), block_.size()};
};

}  // namespace triad::license
