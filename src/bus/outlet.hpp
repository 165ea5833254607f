// Where events leave the send queue: one producer, from its first event to its last.
#pragma once

#include "event.hpp"
#include "reports.hpp"

namespace atomwire::bus {

struct Message {
  std::string_view tenant;
  std::string_view bytes;
  const HeaderList* headers = nullptr;
  int64_t milliseconds = 0;  // 0 is 'now'
  int64_t sequence = 0;
  bool marked = false;  // its acknowledgement is to be told one by one
};

// librdkafka's, or a fake one in the model test.
class Outlet {
 public:
  virtual ~Outlet() = default;
  // Takes a copy of one message; returns 0, or an error code of librdkafka's. Called under the
  // queue's lock: it never waits.
  virtual int produce(const Message& message) noexcept = 0;
  // Has what lingers sent at once, and waits for at most that long. Never under a lock.
  virtual void send_now(int milliseconds) noexcept = 0;
};

}  // namespace atomwire::bus
