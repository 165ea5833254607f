// The thread that sends what is due. It never needs the interpreter.
#pragma once

#include <thread>

#include "send_queue.hpp"

namespace atomwire::bus {

class Sender {
 public:
  explicit Sender(SendQueue& queue) noexcept : queue_(queue) {}
  ~Sender() { stop(); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // False when the system has no thread to give; begun already counts as begun.
  bool start() noexcept;
  void stop() noexcept;

 private:
  SendQueue& queue_;
  std::thread thread_;
};

}  // namespace atomwire::bus
