// Numbers from a seed: the same schedule each time.
#pragma once

#include <cstdint>

namespace model {

class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

  // Of 0 to `count` - 1.
  int64_t below(int64_t count) noexcept {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<int64_t>((state_ >> 11) % static_cast<uint64_t>(count));
  }
  bool chance(int percent) noexcept { return below(100) < percent; }

 private:
  uint64_t state_;
};

}  // namespace model
