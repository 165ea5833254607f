// What every fuzz target shares: libFuzzer's entry point and a check that ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "bytes.hpp"
#include "fault.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                 \
    }                                                                               \
  } while (false)

namespace fuzz {

// The sanitizer sees a read that leads outside; the sum keeps the compiler from dropping the reads.
inline void touch(const void* from, uint64_t size) {
  [[maybe_unused]] static volatile uint8_t sink;
  uint8_t sum = 0;
  const uint8_t* const bytes = static_cast<const uint8_t*>(from);
  for (uint64_t i = 0; i < size; ++i) sum = static_cast<uint8_t>(sum + bytes[i]);
  sink = sum;
}

inline void touch(const atomwire::Text& text) {
  if (text.present()) touch(text.data, text.size);
}

// A refusal always says why, and points into the buffer or just behind it.
inline void check_fault(const atomwire::Fault& fault) {
  CHECK(fault.reason != atomwire::Reason::none);
  CHECK(fault.field == atomwire::kWholeTable ||
        fault.field < (fault.in_molecule ? atomwire::kMoleculeFields : atomwire::kEventFields));
}

}  // namespace fuzz
