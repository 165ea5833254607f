// Structure out of a fuzzer's bytes: numbers are taken from the front, zeros when none are left.
#pragma once

#include <cstring>
#include <string>

#include "target.hpp"

namespace fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  template <typename T>
  T take() {
    T value{};
    const size_t bytes = left_ < sizeof value ? left_ : sizeof value;
    std::memcpy(&value, data_, bytes);
    data_ += bytes;
    left_ -= bytes;
    return value;
  }

  unsigned below(unsigned limit) { return take<uint8_t>() % limit; }
  bool flip() { return (take<uint8_t>() & 1) != 0; }

  // Valid UTF-8 of some length: NULs, two, three and four-byte characters among it.
  std::string text() {
    static const char* const kPieces[] = {"a",  "",   "#DIV/0!", "\xC3\xA9", "\xE2\x82\xAC",
                                          "\n", "zz", "category", "\xF0\x9F\x98\x80"};
    constexpr unsigned kCount = sizeof kPieces / sizeof *kPieces;
    std::string text;
    for (unsigned pieces = below(6); pieces > 0; --pieces) {
      const unsigned piece = below(kCount + 2);
      if (piece < kCount) {
        text += kPieces[piece];
      } else {
        text.append(piece == kCount ? 1 : below(40), piece == kCount ? '\0' : 'x');
      }
    }
    return text;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

}  // namespace fuzz
