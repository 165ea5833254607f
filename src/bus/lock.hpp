// The lock of a bus, and the rule about it: no foreign code while it is held.
//
// With ATOMWIRE_LOCK_CHECKS (the sanitizer builds) each thread remembers where it took a lock, and
// whoever enters Python, logs, touches the disk or waits for the broker meanwhile aborts the process
// with both places named.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#ifdef ATOMWIRE_LOCK_CHECKS
#include <cstdio>
#include <cstdlib>
#endif

namespace atomwire::bus {

#ifdef ATOMWIRE_LOCK_CHECKS

inline thread_local const char* lock_held_in = nullptr;

inline void check_no_lock(const char* doing) noexcept {
  if (lock_held_in == nullptr) return;
  std::fprintf(stderr, "atomwire: %s while the lock that %s took is held\n", doing, lock_held_in);
  std::abort();
}

inline void lock_taken(const char* place) noexcept { lock_held_in = place; }

inline void lock_released() noexcept { lock_held_in = nullptr; }

#else

inline void check_no_lock(const char*) noexcept {}
inline void lock_taken(const char*) noexcept {}
inline void lock_released() noexcept {}

#endif

// Holds a lock for as long as it lives, or until `unlock`.
class Guard {
 public:
  explicit Guard(std::mutex& mutex, const char* place = __builtin_FUNCTION()) noexcept
      : lock_(mutex, std::defer_lock), place_(place) {
    lock();
  }
  ~Guard() {
    if (lock_.owns_lock()) unlock();
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  void lock() noexcept {
    check_no_lock(place_);  // before it waits for itself
    lock_.lock();
    lock_taken(place_);
  }
  void unlock() noexcept {
    lock_released();
    lock_.unlock();
  }
  // Waits without the lock, and has it again afterwards.
  void wait_until(std::condition_variable& condition,
                  std::chrono::steady_clock::time_point time) noexcept {
    lock_released();
    condition.wait_until(lock_, time);
    lock_taken(place_);
  }

 private:
  std::unique_lock<std::mutex> lock_;
  const char* place_;
};

}  // namespace atomwire::bus
