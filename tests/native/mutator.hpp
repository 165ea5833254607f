// A mutator that knows what a FlatBuffer is made of: aligned words that are offsets, lengths and
// vtable entries. Plain byte mutation takes long to find two places that agree.
#pragma once

#include <cstring>

#include "target.hpp"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace fuzz {

class Dice {
 public:
  explicit Dice(unsigned seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

  uint64_t below(uint64_t limit) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % limit;
  }

 private:
  uint64_t state_;
};

// An offset to somewhere in the buffer, a small number, or an extreme one.
inline uint32_t interesting(Dice& dice, uint64_t at, uint64_t size) {
  static constexpr uint32_t kExtremes[] = {0,          1,          15,         16,        17,
                                           0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC, 0xFFFF,
                                           0x40000000, 999999,     1000000};
  switch (dice.below(4)) {
    case 0:
      return static_cast<uint32_t>(dice.below(size / 4 + 1) * 4 - at);
    case 1:
      return static_cast<uint32_t>(at - dice.below(size / 2 + 1) * 2);
    case 2:
      return static_cast<uint32_t>(dice.below(64));
    default:
      return kExtremes[dice.below(sizeof kExtremes / sizeof *kExtremes)];
  }
}

inline size_t mutate(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Dice dice(seed);
  if (size < 8 || dice.below(2) == 0) return LLVMFuzzerMutate(data, size, max_size);
  for (uint64_t changes = 1 + dice.below(3); changes > 0; --changes) {
    if (dice.below(3) == 0) {  // a vtable entry or size
      const uint64_t at = dice.below(size / 2) * 2;
      const uint16_t value = static_cast<uint16_t>(
          dice.below(2) == 0 ? dice.below(64) : interesting(dice, at, size));
      std::memcpy(data + at, &value, sizeof value);
    } else {
      const uint64_t at = dice.below(size / 4) * 4;
      const uint32_t value = interesting(dice, at, size);
      std::memcpy(data + at, &value, sizeof value);
    }
  }
  return size;
}

}  // namespace fuzz

#ifdef ATOMWIRE_LIBFUZZER
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return fuzz::mutate(data, size, max_size, seed);
}
#endif
