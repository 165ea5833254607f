#include "verify.hpp"

namespace atomwire {
namespace {

// Bytes of the well-formed sequence at `at` (Unicode 15, table 3-7), 0 when there is none.
unsigned sequence_length(const uint8_t* at, uint64_t left) noexcept {
  const auto follows = [&](unsigned i, uint8_t low, uint8_t high) {
    return i < left && at[i] >= low && at[i] <= high;
  };
  const uint8_t lead = at[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return follows(1, 0x80, 0xBF) ? 2 : 0;
  if (lead < 0xF0) {
    const uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;    // no overlong forms
    const uint8_t high = lead == 0xED ? 0x9F : 0xBF;   // no surrogates
    return follows(1, low, high) && follows(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  const uint8_t low = lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;  // up to U+10FFFF
  return follows(1, low, high) && follows(2, 0x80, 0xBF) && follows(3, 0x80, 0xBF) ? 4 : 0;
}

}  // namespace

bool is_utf8(const uint8_t* text, uint64_t size) noexcept {
  constexpr uint64_t kHighBits = 0x8080808080808080u;
  uint64_t at = 0;
  while (at < size) {
    if (size - at >= 8 && (load<uint64_t>(text + at) & kHighBits) == 0) {
      at += 8;
      continue;
    }
    const unsigned length = sequence_length(text + at, size - at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

}  // namespace atomwire
