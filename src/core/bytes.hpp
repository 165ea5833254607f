// Loads, stores and bounds: the only place that touches raw memory by position.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "atomwire needs a little-endian machine: FlatBuffers are read and written in place"
#endif

namespace atomwire {

// memcpy, because positions in foreign bytes have any alignment. Each value that is checked is
// loaded once into a local: the buffer may change under us, the local does not.
template <typename T>
inline T load(const uint8_t* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
inline void store(uint8_t* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

constexpr uint64_t align_up(uint64_t position, uint64_t alignment) noexcept {
  return (position + alignment - 1) & ~(alignment - 1);
}

// A message as received: nothing in it is trusted.
struct Bytes {
  const uint8_t* data;
  uint64_t size;

  bool holds(uint64_t position, uint64_t length) const noexcept {
    return length <= size && position <= size - length;
  }
};

// UTF-8 text that somebody else owns; no data means absent.
struct Text {
  const char* data = nullptr;
  uint64_t size = 0;

  bool present() const noexcept { return data != nullptr; }
};

}  // namespace atomwire
