// The send queue as publishers meet it: room, order, gathering.
#include "send_queue.hpp"

#include <algorithm>
#include <thread>

#include "peek.hpp"

namespace atomwire::bus {
namespace {

// What a message needs beside its key and value, at most (Kafka's message format 2), and each header.
constexpr uint64_t kMessageOverhead = 64;
constexpr uint64_t kHeaderOverhead = 20;
// An event of gathered cells goes out at this size at the latest.
constexpr uint64_t kGatherBytes = uint64_t{1} << 16;
// Events on their way to the disk.
constexpr int64_t kRoomForDisk = 10'000;
// librdkafka's own queue is without bound here; should it be full all the same, that is no failure.
constexpr int kQueueFull = -184;
// How long one publisher waits for the disk before it sleeps.
constexpr int64_t kAwakeNanoseconds = 200'000;
// Buffers given back by a call that makes a new one.
constexpr unsigned kGivenBackByCall = 2;
constexpr int64_t kNanosecondsPerMillisecond = 1'000'000;

uint64_t size_of_headers(const HeaderList& headers) noexcept {
  uint64_t size = 0;
  for (const auto& [name, value] : headers) size += name.size() + value.size() + kHeaderOverhead;
  return size;
}

}  // namespace

SendQueue::SendQueue(QueueSettings settings) noexcept : settings_(std::move(settings)) {}

std::chrono::steady_clock::time_point SendQueue::after(int64_t nanoseconds) noexcept {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(
             std::chrono::nanoseconds(nanoseconds));
}

uint64_t SendQueue::event_limit() const noexcept {
  const uint64_t topic = topic_limit_.load();
  return topic != 0 && topic < settings_.max_event_bytes ? topic : settings_.max_event_bytes;
}

int64_t SendQueue::milliseconds(int64_t timestamp) const noexcept {
  // A broker refuses a time far ahead, and the whole batch with it. 0 is the outlet's 'now', and what
  // it gets for a time before 1970.
  if (timestamp <= 0 || timestamp > settings_.unix_time()) return 0;
  return timestamp / kNanosecondsPerMillisecond;
}

int64_t SendQueue::milliseconds(const Event& event) const noexcept {
  const Bytes bytes{reinterpret_cast<const uint8_t*>(event.bytes.data()), event.bytes.size()};
  int64_t timestamp = 0;
  Fault fault;
  peek_scalar(bytes, EventField::timestamp, timestamp, fault);
  return milliseconds(timestamp);
}

// ---- Room.

bool SendQueue::room_in_flight(int64_t cost) const noexcept {
  if (counts_.in_flight >= settings_.queue_events) return false;
  // With a disk, a quarter is left for what is on its way there.
  const int64_t bytes = settings_.disk ? settings_.queue_bytes / 4 * 3 : settings_.queue_bytes;
  return counts_.in_flight == 0 || bytes_in_flight_ + cost <= bytes;
}

bool SendQueue::room_in_front(int64_t cost) const noexcept {
  return counts_.in_flight + static_cast<int64_t>(backlog_.in_memory()) < settings_.queue_events &&
         bytes_in_flight_ + backlog_.bytes() + cost <= settings_.queue_bytes / 4 * 3;
}

bool SendQueue::room_in_backlog(int64_t cost) const noexcept {
  // Without a disk the queue's bound is that of all events in memory; with one, of those on the way.
  const auto events = settings_.disk ? static_cast<int64_t>(backlog_.for_disk())
                                     : static_cast<int64_t>(backlog_.in_memory()) + counts_.in_flight;
  if (events >= (settings_.disk ? kRoomForDisk : settings_.queue_events)) return false;
  return events == 0 || bytes_in_flight_ + backlog_.bytes() + cost <= settings_.queue_bytes;
}

void SendQueue::await_room(int64_t number, int64_t nanoseconds) noexcept {
  const auto until = after(nanoseconds);
  Guard guard(mutex_);
  ++waiting_publishers_;
  while (times_of_room_ == number && std::chrono::steady_clock::now() < until) {
    guard.wait_until(publishers_, until);
  }
  --waiting_publishers_;
}

void SendQueue::room_came() noexcept {
  ++times_of_room_;
  if (waiting_publishers_ > 0) publishers_.notify_all();
}

// ---- Events.

Outcome SendQueue::publish(const EventView& view, int64_t after_number) noexcept {
  const uint64_t size = view.bytes.size() + view.tenant.size() + kMessageOverhead +
                        (view.headers == nullptr ? 0 : size_of_headers(*view.headers));
  if (size > event_limit()) return {Verdict::too_large, 0, size};
  EventPointer kept;  // made outside of the lock, when it is needed
  for (;;) {
    Guard guard(mutex_);
    if (closed_) return {Verdict::closed};
    if (gathering_.some()) {
      Gathering::Place place;
      if (gathering_.find_with_cells(view.tenant, place)) {
        const Outcome outcome = flush_cells(place, /*force=*/false);
        if (outcome.verdict != Verdict::taken) return outcome;
      }
    }
    if (direct()) {
      const int64_t number = next_number_++;
      const Mark mark{number, 0, view.wanted, false, view.cost_of_headers(), -1};
      const Message message{view.tenant, view.bytes, view.headers, milliseconds(view.timestamp)};
      if (room_in_flight(view.cost()) && give(message, mark, view.cost()) == Given::taken) {
        ++counts_.accepted;
        return {Verdict::taken, number};
      }
    }
    if (!room_in_backlog(view.cost())) return full();
    if (kept == nullptr) {
      guard.unlock();
      kept = keep(view);
      if (kept == nullptr) return {Verdict::no_memory};
      continue;  // and look again: much may have happened
    }
    if (settings_.durable && after_number != 0) {
      const auto found = stored_.find(after_number);
      if (found != stored_.end() && found->second == Stored::refused) return {Verdict::refused};
    }
    kept->awaited = settings_.durable;
    return join(std::move(kept));
  }
}

Outcome SendQueue::join(EventPointer event) noexcept {
  const bool awaited = event->awaited;
  const int64_t number = event->number = next_number_++;
  event->since = settings_.steady();
  if (awaited) {
    try {
      stored_.emplace(number, Stored::waiting);
    } catch (...) {
      return {Verdict::no_memory};
    }
  }
  if (!backlog_.join(event)) {
    if (awaited) stored_.erase(number);
    return {Verdict::no_memory};
  }
  if (!awaited) {
    ++counts_.accepted;
    ++counts_.backlog;
  }
  joined_.fetch_add(1);
  if (settings_.disk && disk_waits_ && (settings_.durable || !disk_gathers_)) disk_.notify_one();
  // The sender sees to it that what waits goes, or is given up in time; and that what the first of
  // them waits for does not linger.
  if (settings_.expire_after > 0 || (backlog_.in_memory() == 1 && waits_for_start()) ||
      (sender_waits_ && can_hand_over())) {
    call_sender();
  }
  return {awaited ? Verdict::awaits_disk : Verdict::taken, number};
}

SendQueue::Given SendQueue::give(const Message& message, const Mark& mark, int64_t cost) noexcept {
  Mark own = mark;
  if (!starts_.all_begun()) {
    const int partition = starts_.of(message.tenant);
    if (starts_.is_beginning(partition)) return Given::no_room;
    if (starts_.is_untouched(partition)) own.first_of = partition;
  }
  Message numbered = message;
  numbered.sequence = next_sequence_++;
  numbered.marked = own.row != 0 || own.wanted || own.alone || own.headers > 0 ||
                    own.first_of >= 0;
  if (numbered.marked) {
    try {
      marks_.emplace(numbered.sequence, own);
    } catch (...) {
      return Given::no_room;
    }
  }
  const int error = outlet_->produce(numbered);
  if (error == 0) {
    if (own.first_of >= 0) starts_.begin(own.first_of);
    ++counts_.in_flight;
    bytes_in_flight_ += cost;
    return Given::taken;
  }
  if (numbered.marked) marks_.erase(numbered.sequence);
  if (error == kQueueFull || error == kMessageTooLarge) return Given::no_room;
  break_session(error);
  return Given::broken;
}

void SendQueue::break_session(int error) noexcept {
  if (broken_) return;
  broken_ = true;
  told_.broken = true;
  told_.error = error;
  some_news_ = true;
  if (news_waits_) news_.notify_all();
}

// ---- Cells.

Outcome SendQueue::write(const Label& label, const Cell& cell) noexcept {
  Guard guard(mutex_);
  if (closed_) return {Verdict::closed};
  Gathering::Place place;
  Outcome outcome = find_buffer(label, place);
  if (outcome.verdict != Verdict::taken) return outcome;
  outcome = make_room_for(cell, place);
  if (outcome.verdict != Verdict::taken) return outcome;
  if (place->count() > 0) {
    return {gathering_.append(place, cell, 0) ? Verdict::taken : Verdict::no_memory};
  }
  return begin_gathering(cell, place);
}

bool SendQueue::is_crowded() const noexcept {
  return gathering_.bytes() > settings_.queue_bytes / 2;
}

// The tenant's buffer, with nothing in it that has another label.
Outcome SendQueue::find_buffer(const Label& label, Gathering::Place& place) noexcept {
  if (!gathering_.find(label, place)) {
    const int64_t now = settings_.steady();
    // Who is forgotten before the linger is over has its next cell sent at once, and that is all.
    if (is_crowded()) gathering_.give_back(now + 1, kGivenBackByCall);
    if (!gathering_.make(label, now - settings_.linger - 1, place)) return {Verdict::no_memory};
  }
  if (place->has_label(label)) return {};
  if (place->count() > 0) {
    const Outcome outcome = flush_cells(place, /*force=*/false);
    if (outcome.verdict != Verdict::taken) return outcome;
  }
  return {place->label(label) ? Verdict::taken : Verdict::no_memory};
}

// Sends the cells before this one, if they and it are too much for one event.
Outcome SendQueue::make_room_for(const Cell& cell, Gathering::Place place) noexcept {
  const uint64_t beside =
      place->tenant().size() + kMessageOverhead + size_of_headers(settings_.cell_headers);
  const uint64_t limit = event_limit();
  uint64_t bytes = place->bytes_with(cell);
  const bool too_much = bytes > kGatherBytes || bytes + beside > limit || is_crowded();
  if (place->count() > 0 && too_much) {
    const Outcome outcome = flush_cells(place, /*force=*/false);
    if (outcome.verdict != Verdict::taken) return outcome;
    bytes = place->bytes_with(cell);
  }
  // Alone it may be as large as a message may be.
  if (bytes + beside > limit) return {Verdict::too_large, 0, bytes + beside};
  return {};
}

// Takes the first cell: it goes at once after a quiet spell, and waits for others otherwise, as long
// as not too much waits.
Outcome SendQueue::begin_gathering(const Cell& cell, Gathering::Place place) noexcept {
  const int64_t now = settings_.steady();
  const int64_t last = place->last;
  const bool waits = settings_.linger != 0 && now - last <= settings_.linger && !is_crowded();
  if (!gathering_.append(place, cell, now)) return {Verdict::no_memory};
  if (waits) {
    if (gathering_.oldest() == place) call_sender();
    return {};
  }
  const Outcome outcome = flush_cells(place, /*force=*/false);
  // A cell that goes out alone is not taken when there is no room for it.
  if (outcome.verdict != Verdict::taken) gathering_.clear(place, last);
  if (gathering_.tenants() == 1) call_sender();
  return outcome;
}

Outcome SendQueue::flush_cells(Gathering::Place place, bool force) noexcept {
  // Nothing is encoded for which there is no room anyway.
  const int64_t least = cost_of(0, place->tenant().size());
  if (!force && !(direct() && room_in_flight(least)) && !room_in_backlog(least)) return full();
  const int64_t now = settings_.unix_time();
  EventPointer event(new (std::nothrow) Event);
  if (event == nullptr || !place->make_event(now, event->bytes)) return {Verdict::no_memory};
  const HeaderList* const headers =
      settings_.cell_headers.empty() ? nullptr : &settings_.cell_headers;
  const int64_t cost = cost_of(event->bytes.size(), place->tenant().size());
  Given given = Given::no_room;
  if (!force && direct() && room_in_flight(cost)) {
    given = give({place->tenant(), event->bytes, headers, milliseconds(now)},
                 Mark{0, 0, false, false, 0, -1}, cost);
    if (given == Given::taken) {
      ++next_number_;
      ++counts_.accepted;
    }
  }
  if (given != Given::taken) {
    if (!force && !room_in_backlog(cost)) return full();
    try {
      event->tenant = place->tenant();
      event->headers = settings_.cell_headers;
    } catch (...) {
      return {Verdict::no_memory};
    }
    const Outcome outcome = join(std::move(event));
    if (outcome.verdict != Verdict::taken) return outcome;
  }
  gathering_.clear(place, settings_.steady());
  return {Verdict::taken};
}

void SendQueue::drop() noexcept {
  Guard guard(mutex_);
  ++counts_.dropped;
}

void SendQueue::drop_cells(std::string_view tenant) noexcept {
  Guard guard(mutex_);
  Gathering::Place place;
  if (gathering_.find_with_cells(tenant, place)) gathering_.clear(place, settings_.steady());
  ++counts_.dropped;
}

// ---- Waiting.

void SendQueue::watch(Guard& guard, const std::atomic<int64_t>& count,
                      int64_t nanoseconds) noexcept {
  const int64_t seen = count.load();
  const auto until = after(nanoseconds);
  guard.unlock();
  // Whoever is waited for may need this processor.
  while (count.load() == seen && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  guard.lock();
}

Outcome SendQueue::publish_and_wait(const EventView& view, int64_t nanoseconds) noexcept {
  Outcome outcome = publish(view);
  if (outcome.verdict != Verdict::awaits_disk) return outcome;
  const Stored found = await_stored(outcome.number, nanoseconds);
  if (found == Stored::stored) outcome.verdict = Verdict::taken;
  if (found == Stored::refused) outcome.verdict = Verdict::refused;
  return outcome;
}

size_t SendQueue::awaiting() noexcept {
  Guard guard(mutex_);
  return stored_.size();
}

Stored SendQueue::await_stored(int64_t number, int64_t nanoseconds) noexcept {
  const auto until = after(nanoseconds);
  Guard guard(mutex_);
  ++waiting_publishers_;
  Stored found = Stored::stored;
  // One stays awake: to sleep and to be woken takes longer than the disk does.
  bool awake = waiting_publishers_ == 1;
  for (;;) {
    const auto place = stored_.find(number);
    if (place == stored_.end()) break;  // asked for already
    found = place->second;
    if (found != Stored::waiting) {
      stored_.erase(place);
      break;
    }
    if (std::chrono::steady_clock::now() >= until) break;
    if (awake) {
      awake = false;
      watch(guard, stored_times_, std::min(nanoseconds, kAwakeNanoseconds));
    } else {
      guard.wait_until(publishers_, until);
    }
  }
  --waiting_publishers_;
  return found;
}

bool SendQueue::withdraw(int64_t number) noexcept {
  EventPointer withdrawn;  // freed after the lock
  Guard guard(mutex_);
  stored_.erase(number);
  withdrawn = backlog_.withdraw(number);
  room_came();
  return withdrawn != nullptr;
}

void SendQueue::accept_unstored(int64_t number) noexcept {
  Guard guard(mutex_);
  stored_.erase(number);
  if (!backlog_.accept_unstored(number)) return;
  ++counts_.accepted;
  ++counts_.backlog;
}

void SendQueue::begin_flush() noexcept {
  Guard guard(mutex_);
  ++flushing_;
  call_sender();
}

void SendQueue::end_flush() noexcept {
  Guard guard(mutex_);
  --flushing_;
}

int SendQueue::flushing() noexcept {
  Guard guard(mutex_);
  return flushing_;
}

int64_t SendQueue::await_empty(int64_t nanoseconds) noexcept {
  const auto until = after(nanoseconds);
  Guard guard(mutex_);
  ++waiting_publishers_;
  int64_t left = 0;
  for (;;) {
    left = counts_.on_the_way() + (gathering_.cells() > 0 ? 1 : 0);
    if (left == 0 || std::chrono::steady_clock::now() >= until) break;
    guard.wait_until(publishers_, until);
  }
  --waiting_publishers_;
  return left;
}

Counts SendQueue::counts() noexcept {
  Guard guard(mutex_);
  Counts counts = counts_;
  counts.gathering = gathering_.cells();
  return counts;
}

}  // namespace atomwire::bus
