// The topic's `max.message.bytes`, asked of the broker without waiting.
#pragma once

#include <cstdint>

#include "api.hpp"

namespace atomwire::rdkafka {

// Used by one thread, from `ask` until it is destroyed, while the client lives.
class TopicLimit {
 public:
  TopicLimit() = default;
  ~TopicLimit() { forget(); }
  TopicLimit(const TopicLimit&) = delete;
  TopicLimit& operator=(const TopicLimit&) = delete;

  void ask(Client* client, const char* topic) noexcept;
  // Whether an answer has come by now; `bytes` is 0 when the broker does not tell.
  bool answered(uint64_t& bytes) noexcept;
  void forget() noexcept;

 private:
  static uint64_t limit_in(Event* event) noexcept;

  Queue* queue_ = nullptr;
};

}  // namespace atomwire::rdkafka
