// The send queue at the end of a bus: every event goes to the disk, or is given up by name.
#include "send_queue.hpp"

namespace atomwire::bus {

void SendQueue::close() noexcept {
  Guard guard(mutex_);
  closed_ = true;
}

void SendQueue::end_gathering() noexcept {
  for (;;) {
    Guard guard(mutex_);
    if (!gathering_.some()) return;
    const Gathering::Place place = gathering_.oldest();
    if (flush_cells(place, /*force=*/true).verdict == Verdict::taken) continue;
    // Without memory for it: one event less, and it is said.
    ++counts_.accepted;
    ++counts_.failed;
    ++told_.given_up_beside;
    gathering_.clear(place, settings_.steady());
  }
}

bool SendQueue::head_is_stored() noexcept {
  Guard guard(mutex_);
  return backlog_.head_is_stored();
}

size_t SendQueue::head_size() noexcept {
  Guard guard(mutex_);
  return backlog_.head_size();
}

void SendQueue::take_head_for_disk(size_t most, int64_t most_bytes,
                                   std::vector<Event*>& events) noexcept {
  Guard guard(mutex_);
  backlog_.leave_head(most, most_bytes, events);
}

void SendQueue::left_on_disk() noexcept {
  for (;;) {
    EventPointer event;  // freed after the lock
    Guard guard(mutex_);
    if (backlog_.leaving() == 0) break;
    event = backlog_.take_written();
    accept_stored(*event);
    --counts_.backlog;
    ++counts_.spooled;
    ++backlog_.on_disk;
  }
  Guard guard(mutex_);
  stored_times_.fetch_add(1);
  room_came();
}

void SendQueue::give_up_all(int error) noexcept {
  for (;;) {
    EventPointer event;  // freed after the lock
    Guard guard(mutex_);
    event = backlog_.take_any();
    if (event == nullptr) break;
    if (event->awaited) {
      const auto found = stored_.find(event->number);
      if (found != stored_.end()) found->second = Stored::refused;
      continue;
    }
    --counts_.backlog;
    if (event->row != 0) {
      ++counts_.spooled;
      ++backlog_.on_disk;
      continue;
    }
    give_up(std::move(event), error);
  }
  Guard guard(mutex_);
  stored_times_.fetch_add(1);
  room_came();
}

}  // namespace atomwire::bus
