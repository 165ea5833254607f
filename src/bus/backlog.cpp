#include "backlog.hpp"

#include <algorithm>

namespace atomwire::bus {

bool Backlog::push(std::deque<EventPointer>& to, EventPointer& event) noexcept {
  const int64_t cost = event->cost();
  try {
    to.push_back(std::move(event));
  } catch (...) {
    return false;
  }
  bytes_ += cost;
  return true;
}

EventPointer Backlog::take(std::deque<EventPointer>& from, bool newest) noexcept {
  EventPointer event = std::move(newest ? from.back() : from.front());
  if (newest) {
    from.pop_back();
  } else {
    from.pop_front();
  }
  bytes_ -= event->cost();
  return event;
}

bool Backlog::order_returned() noexcept {
  if (returned_.empty()) return true;
  std::sort(returned_.begin(), returned_.end(),
            [](const EventPointer& a, const EventPointer& b) { return a->sequence < b->sequence; });
  // The longer of the two stays where it is.
  try {
    if (head_.empty()) {
      head_.swap(returned_);
      return true;
    }
    while (!returned_.empty()) {
      head_.push_front(nullptr);
      head_.front() = std::move(returned_.back());
      returned_.pop_back();
    }
  } catch (...) {
    return false;
  }
  return true;
}

Event* Backlog::next(bool stored_only) noexcept {
  if (!returned_.empty()) return nullptr;
  if (!head_.empty()) return head_.front().get();
  if (on_disk > 0 || !leaving_.empty() || tail_.empty() || stored_only) return nullptr;
  return tail_.front().get();
}

EventPointer Backlog::take_next() noexcept {
  return take(head_.empty() ? tail_ : head_, /*newest=*/false);
}

bool Backlog::leave_from(std::deque<EventPointer>& from, size_t most, int64_t most_bytes,
                         std::vector<Event*>& events) noexcept {
  int64_t bytes = 0;
  return_leaving();
  if (!leaving_.empty()) return false;
  try {
    events.reserve(std::min(most, from.size()));
    while (!from.empty() && events.size() < most && bytes < most_bytes) {
      Event* const event = from.front().get();
      leaving_.emplace_back();
      leaving_.back() = std::move(from.front());
      from.pop_front();
      events.push_back(event);
      bytes += event->cost();
    }
  } catch (...) {
    return !events.empty();
  }
  return true;
}

void Backlog::return_leaving() noexcept {
  while (!leaving_.empty()) {
    try {
      tail_.emplace_front();
    } catch (...) {
      return;  // they stay with the writer, who comes again
    }
    tail_.front() = std::move(leaving_.back());
    leaving_.pop_back();
  }
}

void Backlog::take_awaited(std::vector<EventPointer>& events) noexcept {
  for (std::deque<EventPointer>* from : {&leaving_, &tail_}) {
    auto kept = from->begin();
    for (EventPointer& event : *from) {
      if (event->awaited) {
        try {
          events.emplace_back();
        } catch (...) {
          event->awaited = false;  // without memory to say so it counts as taken
        }
      }
      if (event->awaited) {
        bytes_ -= event->cost();
        events.back() = std::move(event);
      } else {
        EventPointer staying = std::move(event);
        *kept++ = std::move(staying);
      }
    }
    from->erase(kept, from->end());
  }
}

std::deque<EventPointer>::iterator Backlog::find_in_tail(int64_t number) noexcept {
  return std::find_if(tail_.begin(), tail_.end(),
                      [&](const EventPointer& event) { return event->number == number; });
}

EventPointer Backlog::withdraw(int64_t number) noexcept {
  const auto found = find_in_tail(number);
  if (found == tail_.end() || !(*found)->awaited) return nullptr;  // or it was accepted unstored
  EventPointer event = std::move(*found);
  tail_.erase(found);
  bytes_ -= event->cost();
  return event;
}

bool Backlog::accept_unstored(int64_t number) noexcept {
  const auto found = find_in_tail(number);
  if (found == tail_.end()) return false;
  (*found)->awaited = false;
  return true;
}

EventPointer Backlog::take_any() noexcept {
  for (std::deque<EventPointer>* from : {&returned_, &head_, &leaving_, &tail_}) {
    if (!from->empty()) return take(*from, /*newest=*/false);
  }
  return nullptr;
}

bool Backlog::head_is_stored() const noexcept {
  return std::all_of(head_.begin(), head_.end(),
                     [](const EventPointer& event) { return event->row != 0; });
}

}  // namespace atomwire::bus
