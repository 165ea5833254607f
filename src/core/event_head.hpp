// What all events of one sender share, laid out once; id and time are stamped anew into each event.
#pragma once

#include <memory>

#include "encode.hpp"

namespace atomwire {

class EventHead {
 public:
  // Room is made for an event id, whether the envelope has one or not. The texts are copied. False
  // without memory: the head is then as it was.
  bool prepare(const Envelope& envelope) noexcept;
  // Bytes, a multiple of 4: where the molecules begin. 0 before `prepare`.
  uint64_t size() const noexcept { return size_; }
  // Writes the head at `to`, with a fresh UUIDv7 made at `now` and with the time of the event; both
  // are Unix nanoseconds.
  void stamp(uint8_t* to, int64_t now, int64_t timestamp) const noexcept;

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  uint64_t size_ = 0;
};

}  // namespace atomwire
