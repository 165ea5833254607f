#include "uuid.hpp"

#include <atomic>
#include <chrono>
#include <random>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/random.h>
#endif
#endif

namespace atomwire {
namespace {

// Counts the forks behind this process, so that each thread of a child seeds itself anew.
std::atomic<uint32_t> generation{1};

#if defined(__unix__) || defined(__APPLE__)
[[maybe_unused]] const int fork_hook =
    pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
#endif

void fill_with_entropy(uint64_t* words, unsigned count) noexcept {
#if defined(__unix__) || defined(__APPLE__)
  if (getentropy(words, count * sizeof *words) == 0) return;
#endif
  try {
    std::random_device device;
    for (unsigned i = 0; i < count; ++i) {
      words[i] = uint64_t{device()} << 32 | device();
    }
  } catch (...) {
    // No source of entropy at all: the clock and this stack's address still tell processes apart.
    for (unsigned i = 0; i < count; ++i) {
      words[i] = static_cast<uint64_t>(unix_nanoseconds()) * (2 * i + 1) ^
                 reinterpret_cast<uintptr_t>(&words[i]);
    }
  }
}

// xoshiro256**, one a thread, seeded from the system's entropy.
class Random {
 public:
  uint64_t next() noexcept {
    const uint32_t current = generation.load(std::memory_order_relaxed);
    if (seeded_ != current) {
      fill_with_entropy(state_, 4);
      state_[0] |= 1;  // the state must not be all zero
      seeded_ = current;
    }
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

 private:
  static uint64_t rotate(uint64_t word, unsigned by) noexcept {
    return word << by | word >> (64 - by);
  }
  uint64_t state_[4] = {};
  uint32_t seeded_ = 0;
};

thread_local Random random_of_thread;

// The 60 ordered bits: 48 of milliseconds and 12 of the fraction of the millisecond (RFC 9562,
// section 6.2, method 3). They never repeat: within one tick, or when the clock goes back, the
// last value plus one is taken.
uint64_t next_tick(int64_t now) noexcept {
  static std::atomic<uint64_t> last{0};
  const uint64_t nanoseconds = now < 0 ? 0 : static_cast<uint64_t>(now);
  const uint64_t milliseconds = nanoseconds / 1'000'000;
  const uint64_t fraction = (nanoseconds % 1'000'000) * 4096 / 1'000'000;
  const uint64_t tick = milliseconds << 12 | fraction;
  uint64_t before = last.load(std::memory_order_relaxed);
  uint64_t next;
  do {
    next = tick > before ? tick : before + 1;
  } while (!last.compare_exchange_weak(before, next, std::memory_order_relaxed));
  return next;
}

void write_hex(uint64_t value, unsigned digits, char*& to) noexcept {
  static const char kDigits[] = "0123456789abcdef";
  for (unsigned digit = digits; digit-- > 0;) *to++ = kDigits[value >> (4 * digit) & 15];
}

}  // namespace

int64_t unix_nanoseconds() noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void write_uuid7(int64_t now, char* text) noexcept {
  constexpr uint64_t kVersion = 7;
  constexpr uint64_t kVariant = 2;
  const uint64_t tick = next_tick(now);
  const uint64_t random = random_of_thread.next();
  write_hex(tick >> 28, 8, text);
  *text++ = '-';
  write_hex(tick >> 12, 4, text);
  *text++ = '-';
  write_hex(kVersion << 12 | (tick & 0xFFF), 4, text);
  *text++ = '-';
  write_hex(kVariant << 14 | (random >> 48 & 0x3FFF), 4, text);
  *text++ = '-';
  write_hex(random, 12, text);
}

}  // namespace atomwire
