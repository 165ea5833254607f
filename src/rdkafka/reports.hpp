// What became of the events that a producer was given: counted at once, and told when asked.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace atomwire::rdkafka {

// An event that the broker did not acknowledge. librdkafka has forgotten its time by now.
struct Failure {
  int64_t number = 0;
  int error = 0;
  std::string reason;
  std::string tenant;
  std::string event;
  bool has_headers = false;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Filled by whichever thread serves the producer, read by any.
class Reports {
 public:
  void handed_over() noexcept { in_flight_.fetch_add(1); }
  void refused() noexcept { in_flight_.fetch_sub(1); }

  // `wanted` asks for the number to come up in `take`.
  void acknowledge(int64_t number, bool wanted) noexcept {
    delivered_.fetch_add(1);  // first, so that no event is in neither count
    in_flight_.fetch_sub(1);
    // Without memory for it, it is published again one day, or its future ends with the bus.
    if (wanted) keep([&] { acknowledged_.push_back(number); });
  }

  void fail(Failure&& failure) noexcept {
    in_flight_.fetch_sub(1);
    if (!keep([&] { failures_.push_back(std::move(failure)); })) forgotten_.fetch_add(1);
  }

  // A failure for which there is no memory: all that can be done is to count it.
  void fail_without_memory() noexcept {
    in_flight_.fetch_sub(1);
    forgotten_.fetch_add(1);
    some_.store(true);
  }

  // Whether `take` would bring something.
  bool some() const noexcept { return some_.load(); }

  // Moves out what has come since the last time; returns how many failures could not be kept.
  int64_t take(std::vector<int64_t>& acknowledged, std::vector<Failure>& failures) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    some_.store(false);
    acknowledged.swap(acknowledged_);
    failures.swap(failures_);
    return forgotten_.exchange(0);
  }

  int64_t in_flight() const noexcept { return in_flight_.load(); }
  int64_t delivered() const noexcept { return delivered_.load(); }

 private:
  template <typename Keep>
  bool keep(Keep append) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    some_.store(true);
    try {
      append();
    } catch (...) {
      return false;
    }
    return true;
  }

  std::atomic<int64_t> in_flight_{0};
  std::atomic<int64_t> delivered_{0};
  std::atomic<int64_t> forgotten_{0};
  std::atomic<bool> some_{false};
  std::mutex mutex_;
  std::vector<int64_t> acknowledged_;
  std::vector<Failure> failures_;
};

}  // namespace atomwire::rdkafka
