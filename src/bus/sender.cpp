#include "sender.hpp"

namespace atomwire::bus {

bool Sender::start() noexcept {
  if (thread_.joinable()) return true;
  try {
    thread_ = std::thread([this] {
      while (queue_.await_work(queue_.send_due())) {
      }
    });
  } catch (...) {
    return false;
  }
  return true;
}

void Sender::stop() noexcept {
  check_no_lock("waiting for the sender");
  if (!thread_.joinable()) return;
  queue_.stop_sender();
  thread_.join();
}

}  // namespace atomwire::bus
