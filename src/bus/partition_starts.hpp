// How far a producer has come with each partition.
//
// A broker that has never heard of a producer takes its first batch in a partition whatever its number.
// So if the very first batch is refused for the moment while a second one is under way, the second goes
// into the log before it. Until the first event of a partition is acknowledged it is alone there.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace atomwire::bus {

class PartitionStarts {
 public:
  // Forgets all; false without memory.
  bool reset(int partitions) noexcept {
    left_ = 0;
    try {
      states_.assign(static_cast<size_t>(partitions), State::untouched);
    } catch (...) {
      states_.clear();
      return false;
    }
    left_ = partitions;
    return true;
  }

  bool known() const noexcept { return !states_.empty(); }
  // Whether every partition has begun: then there is nothing to ask.
  bool all_begun() const noexcept { return left_ == 0; }

  // The partition of a key, as librdkafka's fnv1a_random and Sarama's NewHashPartitioner have it.
  int of(std::string_view key) const noexcept {
    uint32_t hash = 0x811C9DC5;
    for (const char each : key) {
      hash ^= static_cast<uint8_t>(each);
      hash *= 0x01000193;
    }
    if ((hash & 0x80000000u) != 0) hash = 0u - hash;
    return static_cast<int>(hash % static_cast<uint32_t>(states_.size()));
  }

  bool is_untouched(int partition) const noexcept { return at(partition) == State::untouched; }
  // Whether its first event is still under way, so that no other may follow.
  bool is_beginning(int partition) const noexcept { return at(partition) == State::beginning; }
  void begin(int partition) noexcept { at(partition) = State::beginning; }
  void undo(int partition) noexcept { at(partition) = State::untouched; }
  // Nothing is under way.
  void undo_all() noexcept {
    if (left_ == 0) return;
    for (State& state : states_) {
      if (state == State::beginning) state = State::untouched;
    }
  }
  void begun(int partition) noexcept {
    if (at(partition) != State::begun) --left_;
    at(partition) = State::begun;
  }

 private:
  enum class State : uint8_t { untouched, beginning, begun };

  State at(int partition) const noexcept { return states_[static_cast<size_t>(partition)]; }
  State& at(int partition) noexcept { return states_[static_cast<size_t>(partition)]; }

  std::vector<State> states_;
  int left_ = 0;  // partitions that have not begun
};

}  // namespace atomwire::bus
