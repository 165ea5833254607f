// The events that the bus has accepted and no producer has: in the order in which they go next,
//
//   returned | head | on the disk, only counted | at the disk's writer | tail
//
// `returned` came back from a failed producer, `head` is what goes next, and new events join the tail.
#pragma once

#include <deque>
#include <vector>

#include "event.hpp"

namespace atomwire::bus {

class Backlog {
 public:
  // False without memory; the event is then still the caller's.
  bool join(EventPointer& event) noexcept { return push(tail_, event); }
  bool come_back(EventPointer& event) noexcept { return push(returned_, event); }
  // Puts what came back, in its order, before all else. False without memory: once more, later.
  bool order_returned() noexcept;

  // The event that goes next, null when there is none in memory that may: it is on the disk, or at its
  // writer. With `stored_only`, events of the tail have to be written first.
  Event* next(bool stored_only) noexcept;
  EventPointer take_next() noexcept;
  // The event that would go next, whether anything goes or not; null when it is not in memory.
  const Event* oldest() const noexcept {
    if (!returned_.empty()) return nullptr;  // not in order yet
    if (!head_.empty()) return head_.front().get();
    return tail_.empty() || on_disk > 0 || !leaving_.empty() ? nullptr : tail_.front().get();
  }

  // ---- To the disk and back.
  // Moves events from the tail to the writer: up to `most` of them, and `most_bytes` but for one.
  bool leave(size_t most, int64_t most_bytes, std::vector<Event*>& events) noexcept {
    return leave_from(tail_, most, most_bytes, events);
  }
  // The oldest of the writer's events, which is on the disk now.
  EventPointer take_written() noexcept { return take(leaving_, /*newest=*/false); }
  // What stays in memory of those written, and what comes back from the disk: to the head's end.
  bool join_head(EventPointer& event) noexcept { return push(head_, event); }
  // All of the writer's events that were not written, back to the tail's front.
  void return_leaving() noexcept;
  // The events whose publishers wait for the disk, out of the tail and from the writer.
  void take_awaited(std::vector<EventPointer>& events) noexcept;
  // An event whose publisher no longer waits; null when the writer has it already, or it is accepted.
  EventPointer withdraw(int64_t number) noexcept;
  // An event whose publisher cannot wait; false when it is not in the tail.
  bool accept_unstored(int64_t number) noexcept;
  // For the end: the oldest events of the head, as `leave` does with the tail's. Those that are not
  // written join the tail; there is nothing more to be ordered then.
  bool leave_head(size_t most, int64_t most_bytes, std::vector<Event*>& events) noexcept {
    return leave_from(head_, most, most_bytes, events);
  }
  // For the end: the oldest event in memory, wherever it is; null when there is none.
  EventPointer take_any() noexcept;
  bool head_is_stored() const noexcept;

  bool empty() const noexcept { return in_memory() == 0 && on_disk == 0; }
  bool has_head() const noexcept { return !head_.empty() || !returned_.empty(); }
  bool has_tail() const noexcept { return !tail_.empty(); }
  size_t in_memory() const noexcept {
    return returned_.size() + head_.size() + leaving_.size() + tail_.size();
  }
  size_t for_disk() const noexcept { return leaving_.size() + tail_.size(); }
  int64_t bytes() const noexcept { return bytes_; }
  size_t leaving() const noexcept { return leaving_.size(); }
  size_t head_size() const noexcept { return head_.size(); }

  int64_t on_disk = 0;  // rows there that nobody has in memory

 private:
  std::deque<EventPointer>::iterator find_in_tail(int64_t number) noexcept;
  bool push(std::deque<EventPointer>& to, EventPointer& event) noexcept;
  bool leave_from(std::deque<EventPointer>& from, size_t most, int64_t most_bytes,
                  std::vector<Event*>& events) noexcept;
  EventPointer take(std::deque<EventPointer>& from, bool newest) noexcept;

  std::deque<EventPointer> returned_;
  std::deque<EventPointer> head_;
  std::deque<EventPointer> leaving_;
  std::deque<EventPointer> tail_;
  int64_t bytes_ = 0;
};

}  // namespace atomwire::bus
