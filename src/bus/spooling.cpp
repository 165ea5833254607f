// The send queue as the disk's writer meets it.
#include "send_queue.hpp"

#include <algorithm>

namespace atomwire::bus {
namespace {

// How long the writer lets work come together, where no publisher waits for it.
constexpr int64_t kGatherNanoseconds = 10'000'000;
// Rows that are removed without waiting for more.
constexpr size_t kManyRemovals = 1'000;
// How long the writer looks out for a publisher before it sleeps, and how long it waits for those that
// the last commit has served, and how many of them.
constexpr int64_t kAwakeNanoseconds = 50'000;
constexpr int64_t kComeBackNanoseconds = 100'000;
constexpr size_t kMostExpected = 64;

}  // namespace

bool SendQueue::wants_rows() const noexcept {
  return backlog_.on_disk > 0 && !backlog_.has_head() && serving() &&
         counts_.in_flight <= settings_.queue_events / 2 &&
         bytes_in_flight_ <= settings_.queue_bytes / 2;
}

bool SendQueue::disk_is_urgent() const noexcept {
  return disk_stops_ || wants_rows() || (settings_.durable && backlog_.for_disk() > 0);
}

void SendQueue::remove_later(int64_t row) {
  if (removals_.empty()) removals_since_ = settings_.steady();
  removals_.push_back(row);
}

bool SendQueue::removals_are_due() const noexcept {
  return removals_.size() >= kManyRemovals ||
         (!removals_.empty() && settings_.steady() - removals_since_ >= kGatherNanoseconds);
}

void SendQueue::gather_publishers(Guard& guard) noexcept {
  const auto until = after(kComeBackNanoseconds);
  while (backlog_.for_disk() > 0 && backlog_.for_disk() < publishers_expected_ && !disk_stops_) {
    const auto left = until - std::chrono::steady_clock::now();
    const int64_t nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    if (nanoseconds <= 0) break;
    watch(guard, joined_, nanoseconds);
  }
}

DiskWork SendQueue::await_disk_work(int64_t nanoseconds) noexcept {
  const auto until = after(nanoseconds);
  auto gathered = until;
  Guard guard(mutex_);
  if (settings_.durable && nanoseconds > 0) {
    if (!disk_is_urgent()) watch(guard, joined_, std::min(nanoseconds, kAwakeNanoseconds));
    gather_publishers(guard);
  }
  disk_waits_ = true;
  while (!disk_is_urgent()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= until || now >= gathered) break;
    if (!disk_gathers_ && (backlog_.for_disk() > 0 || !removals_.empty())) {
      disk_gathers_ = true;
      gathered = std::min(until, after(kGatherNanoseconds));
    }
    guard.wait_until(disk_, disk_gathers_ ? gathered : until);
  }
  disk_waits_ = false;
  disk_gathers_ = false;
  DiskWork work;
  work.store = backlog_.for_disk() > 0;
  // Publishers do not wait for rows to be removed, too, each time.
  work.remove = !removals_.empty() && (!settings_.durable || !work.store || removals_are_due());
  work.read = wants_rows();
  work.stop = disk_stops_;
  return work;
}

void SendQueue::stop_disk() noexcept {
  Guard guard(mutex_);
  disk_stops_ = true;
  disk_.notify_all();
}

void SendQueue::take_for_disk(size_t most, int64_t most_bytes,
                              std::vector<Event*>& events) noexcept {
  Guard guard(mutex_);
  backlog_.leave(most, most_bytes, events);
}

void SendQueue::accept_stored(Event& event) noexcept {
  if (!event.awaited) return;
  event.awaited = false;
  ++counts_.accepted;
  ++counts_.backlog;
  const auto found = stored_.find(event.number);
  if (found != stored_.end()) found->second = Stored::stored;
}

size_t SendQueue::written(const std::vector<int64_t>& rows) noexcept {
  std::vector<EventPointer> gone;  // freed after the lock
  try {
    gone.reserve(rows.size());
  } catch (...) {
    // Then they are freed under it.
  }
  size_t stayed = 0;
  Guard guard(mutex_);
  for (const int64_t row : rows) {
    // Given up meanwhile, by a bus that was closed while the disk hung.
    if (backlog_.leaving() == 0) break;
    EventPointer event = backlog_.take_written();
    event->row = row;
    accept_stored(*event);
    // It need not be read again where nothing older is only on the disk.
    if (backlog_.on_disk == 0 && !broken_ && room_in_front(event->cost()) &&
        backlog_.join_head(event)) {
      ++stayed;
      continue;
    }
    try {
      if (event->wanted) wanted_rows_.emplace(row, event->number);
    } catch (...) {
      // Its future ends with the bus.
    }
    --counts_.backlog;
    ++counts_.spooled;
    ++backlog_.on_disk;
    if (gone.size() < gone.capacity()) gone.push_back(std::move(event));
  }
  publishers_expected_ = std::min(rows.size() + backlog_.for_disk(), kMostExpected);
  stored_times_.fetch_add(1);
  room_came();
  const bool some_to_hand_over = sender_waits_ && (can_hand_over() || waits_for_start());
  guard.unlock();  // which publishers want next
  if (some_to_hand_over) sender_.notify_one();
  return stayed;
}

void SendQueue::not_written() noexcept {
  std::vector<EventPointer> refused;  // freed after the lock
  Guard guard(mutex_);
  backlog_.return_leaving();
  backlog_.take_awaited(refused);
  for (const EventPointer& event : refused) {
    const auto found = stored_.find(event->number);
    if (found != stored_.end()) found->second = Stored::refused;
  }
  stored_times_.fetch_add(1);
  room_came();
  if (sender_waits_ && can_hand_over()) sender_.notify_one();
}

void SendQueue::take_removals(std::vector<int64_t>& rows) noexcept {
  Guard guard(mutex_);
  rows.swap(removals_);
}

void SendQueue::not_removed(const std::vector<int64_t>& rows) noexcept {
  Guard guard(mutex_);
  try {
    if (removals_.empty()) removals_since_ = settings_.steady();
    removals_.insert(removals_.end(), rows.begin(), rows.end());
  } catch (...) {
    // The rows stay, and are sent once more one day.
  }
}

void SendQueue::adopt(int64_t events) noexcept {
  Guard guard(mutex_);
  counts_.accepted += events;
  counts_.spooled += events;
  backlog_.on_disk += events;
}

bool SendQueue::read_back(EventView view, int64_t row) noexcept {
  EventPointer event = keep(view);
  if (event == nullptr) return false;
  event->row = row;
  Guard guard(mutex_);
  const auto wanted = wanted_rows_.find(row);
  const bool event_wanted = event->wanted = wanted != wanted_rows_.end();
  event->number = event_wanted ? wanted->second : next_number_++;
  if (!backlog_.join_head(event)) return false;
  if (event_wanted) wanted_rows_.erase(wanted);
  --backlog_.on_disk;
  --counts_.spooled;
  ++counts_.backlog;
  if (sender_waits_ && (can_hand_over() || waits_for_start())) sender_.notify_one();
  return true;
}

void SendQueue::lose_rows(int64_t events) noexcept {
  Guard guard(mutex_);
  events = std::min(events, backlog_.on_disk);
  backlog_.on_disk -= events;
  counts_.spooled -= events;
  counts_.failed += events;
  // The rows themselves are not named; when none is left, it was all that somebody waited for.
  if (backlog_.on_disk == 0) {
    for (const auto& [row, number] : wanted_rows_) {
      GivenUp given_up;
      given_up.number = number;
      given_up.wanted = true;
      count_given_up(std::move(given_up));
      --events;
    }
    wanted_rows_.clear();
  }
  told_.given_up_beside += events;
  some_news_ = true;
  if (news_waits_) news_.notify_all();
  room_came();
}

}  // namespace atomwire::bus
