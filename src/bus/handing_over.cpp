// The send queue as the sender and the producers meet it: what goes next, and what comes back.
#include <algorithm>
#include <new>

#include "send_queue.hpp"

namespace atomwire::bus {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kFarAhead = int64_t{3'600'000} * kMillisecond;
// Cells that found no room are tried again after this.
constexpr int64_t kPause = kMillisecond;
// What waits for a partition's first event has it sent again after this.
constexpr int64_t kHurry = 20 * kMillisecond;
// What librdkafka is given to send what lingers in it.
constexpr int kSendNowMilliseconds = 1;
constexpr int kFlushMilliseconds = 10;
// Failures that are told one by one, until they are taken; beyond that only futures are.
constexpr size_t kMostGivenUp = 1'000;
// Tenants whose failures are counted by name.
constexpr size_t kMostTenants = 10'000;
constexpr unsigned kGivenBackByLook = 64;

}  // namespace

// ---- The sender.

int64_t SendQueue::send_due() noexcept {
  int64_t next = 0;
  // One event for each taking of the lock: publishers come in between.
  while (send_due_cells(settings_.steady(), next)) {
  }
  while (hand_over()) {
  }
  while (settings_.expire_after > 0 && give_up_expired(settings_.steady(), next)) {
  }
  std::shared_ptr<Outlet> outlet;
  int milliseconds = kSendNowMilliseconds;
  {
    Guard guard(mutex_);
    const bool flushing = flushing_ > 0 && counts_.in_flight > 0;
    if ((send_now_ || flushing) && !broken_) outlet = outlet_;
    send_now_ = false;
    if (hurries_) next = std::min(next, settings_.steady() + kHurry);
    hurries_ = false;
    if (stuck_) next = std::min(next, settings_.steady() + kPause);
    if (flushing && outlet != nullptr) {
      milliseconds = kFlushMilliseconds;
      next = settings_.steady();
    }
  }
  if (outlet != nullptr) outlet->send_now(milliseconds);
  return next;
}

bool SendQueue::send_due_cells(int64_t now, int64_t& next) noexcept {
  Guard guard(mutex_);
  gathering_.give_back(now - settings_.linger, kGivenBackByLook);
  next = now + kFarAhead;
  int64_t last = 0;
  if (gathering_.quietest(last)) next = last + settings_.linger + kMillisecond;
  if (!gathering_.some()) return false;
  const Gathering::Place place = gathering_.oldest();
  const int64_t due = place->first + settings_.linger;
  if (due > now && flushing_ == 0) {
    if (due < next) next = due;
    return false;
  }
  if (flush_cells(place, /*force=*/false).verdict == Verdict::taken) {
    send_now_ = true;
    return true;
  }
  if (settings_.drop) {
    gathering_.clear(place, now);
    ++counts_.dropped;
    return true;
  }
  next = now + kPause;
  return false;
}

Event* SendQueue::next_for_outlet() noexcept {
  if (!serving() || alone_) return nullptr;
  Event* const event = backlog_.next(settings_.durable);
  if (event == nullptr) return nullptr;
  if (event->suspect) return counts_.in_flight == 0 ? event : nullptr;
  if (waits_for_start()) return nullptr;
  return room_in_flight(event->cost()) ? event : nullptr;
}

bool SendQueue::can_hand_over() noexcept { return next_for_outlet() != nullptr; }

bool SendQueue::waits_for_start() noexcept {
  if (!serving() || alone_ || starts_.all_begun()) return false;
  const Event* const event = backlog_.next(settings_.durable);
  return event != nullptr && !event->suspect && starts_.is_beginning(starts_.of(event->tenant));
}

bool SendQueue::hand_over() noexcept {
  EventPointer gone;  // freed after the lock
  Guard guard(mutex_);
  if (outlet_ != nullptr && !broken_) backlog_.order_returned();  // what memory did not suffice for
  Event* const event = next_for_outlet();
  stuck_ = false;
  if (event == nullptr) {
    // Again and again: librdkafka hurries only those whose connection is there.
    if (waits_for_start()) send_now_ = hurries_ = true;
    return false;
  }
  const Mark mark{event->number,  event->row, event->wanted, event->suspect,
                  cost_of(event->headers), -1};
  const Message message{event->tenant, event->bytes,
                        event->headers.empty() ? nullptr : &event->headers, milliseconds(*event)};
  const Given given = give(message, mark, event->cost());
  stuck_ = given == Given::no_room;
  if (given != Given::taken) return false;
  gone = backlog_.take_next();
  --counts_.backlog;
  if (mark.alone) {
    alone_ = true;
    send_now_ = true;
  }
  // Only what waits in front of the disk makes room there; the disk's rows are read when it is empty.
  if (disk_waits_ && wants_rows()) disk_.notify_one();
  room_came();
  return true;
}

bool SendQueue::give_up_expired(int64_t now, int64_t& next) noexcept {
  EventPointer expired;  // freed after the lock
  Guard guard(mutex_);
  const Event* const oldest = backlog_.oldest();
  if (oldest == nullptr) return false;
  const int64_t end = oldest->since + settings_.expire_after;
  if (end > now) {
    if (end < next) next = end;
    return false;
  }
  expired = backlog_.take_next();
  --counts_.backlog;
  give_up(std::move(expired), kTimedOut);
  room_came();
  return true;
}

bool SendQueue::await_work(int64_t until) noexcept {
  Guard guard(mutex_);
  const int64_t wait = until - settings_.steady();
  const bool work = wait <= 0 || sender_called_ || send_now_ || (can_hand_over() && !stuck_);
  if (!sender_stops_ && !work) {
    stuck_ = false;
    sender_waits_ = true;
    guard.wait_until(sender_, after(wait));
    sender_waits_ = false;
  }
  sender_called_ = false;
  return !sender_stops_;
}

void SendQueue::call_sender() noexcept {
  sender_called_ = true;
  if (sender_waits_) sender_.notify_one();
}

void SendQueue::stop_sender() noexcept {
  Guard guard(mutex_);
  sender_stops_ = true;
  sender_.notify_all();
}

// ---- A producer's life.

void SendQueue::attach(std::shared_ptr<Outlet> outlet) noexcept {
  Guard guard(mutex_);
  outlet_.swap(outlet);
  reporting_ = outlet_.get();
  broken_ = false;
  told_.broken = false;  // that was the last one
  alone_ = false;
  starts_.reset(0);
}

bool SendQueue::set_partitions(int count, const Outlet& from) noexcept {
  Guard guard(mutex_);
  if (outlet_.get() != &from || !starts_.reset(count)) return false;
  call_sender();
  if (disk_waits_) disk_.notify_one();
  return true;
}

void SendQueue::detach() noexcept {
  std::shared_ptr<Outlet> outlet;
  Guard guard(mutex_);
  outlet_.swap(outlet);
}

bool SendQueue::await_reports(int64_t nanoseconds) noexcept {
  const auto until = after(nanoseconds);
  Guard guard(mutex_);
  ++waiting_publishers_;
  while (counts_.in_flight > 0 && std::chrono::steady_clock::now() < until) {
    guard.wait_until(publishers_, until);
  }
  --waiting_publishers_;
  return counts_.in_flight == 0;
}

int64_t SendQueue::settle_returned() noexcept {
  Guard guard(mutex_);
  reporting_ = nullptr;
  const int64_t never_reported = counts_.in_flight;
  int64_t rows = 0;
  for (const auto& [sequence, mark] : marks_) rows += mark.row != 0 && rows < never_reported ? 1 : 0;
  counts_.failed += never_reported - rows;
  counts_.spooled += rows;
  counts_.left += rows;
  counts_.in_flight = 0;
  bytes_in_flight_ = 0;
  tell_unnamed();
  alone_ = false;
  backlog_.order_returned();
  if (settings_.expire_after > 0) call_sender();
  room_came();
  return never_reported;
}

void SendQueue::tell_unnamed() noexcept {
  int64_t told = 0;
  for (const auto& [sequence, mark] : marks_) {
    if (!mark.wanted) continue;
    GivenUp given_up;
    given_up.number = mark.number;
    given_up.wanted = true;
    count_given_up(std::move(given_up));
    ++told;
  }
  marks_.clear();
  told_.given_up_beside += std::max(lost_untold_ - told, int64_t{0});
  some_news_ = some_news_ || lost_untold_ > 0;
  lost_untold_ = 0;
}

// ---- Reports.

void SendQueue::take(rdkafka::Reports&& reports, const Outlet& from) noexcept {
  Guard guard(mutex_);
  if (&from != reporting_) return;
  counts_.delivered += reports.delivered;
  counts_.in_flight -= reports.delivered;
  bytes_in_flight_ -= reports.delivered_bytes + reports.delivered * kEventOverhead;
  for (const rdkafka::Acknowledged& each : reports.acknowledged) {
    const auto found = marks_.find(each.sequence);
    if (found == marks_.end()) continue;
    const Mark mark = found->second;
    marks_.erase(found);
    if (mark.first_of >= 0) starts_.begun(mark.first_of);
    bytes_in_flight_ -= mark.headers;
    try {
      if (mark.wanted) {
        told_.acknowledged.push_back({mark.number, each.partition, each.offset});
        some_news_ = true;
      }
      // Without memory the row stays, and the event is sent once more one day.
      if (mark.row != 0) remove_later(mark.row);
    } catch (...) {
    }
  }
  for (rdkafka::Failure& failure : reports.failures) take_back(failure);
  if (reports.lost > 0) {
    counts_.in_flight -= reports.lost;
    counts_.failed += reports.lost;
    bytes_in_flight_ -= reports.lost_bytes + reports.lost * kEventOverhead;
    lost_untold_ += reports.lost;
  }
  // Not by their reports alone, which may be among those for which there was no memory.
  if (counts_.in_flight == 0) {
    alone_ = false;
    bytes_in_flight_ = 0;
    starts_.undo_all();
  }
  if (some_news_ && news_waits_) news_.notify_all();
  if (sender_waits_ && can_hand_over()) sender_.notify_one();
  if (disk_waits_ && (wants_rows() || (!removals_.empty() && !disk_gathers_))) disk_.notify_one();
  room_came();
}

void SendQueue::take_back(rdkafka::Failure& failure) noexcept {
  Mark mark{0, 0, false, false, 0, -1};
  const auto found = marks_.find(failure.sequence);
  if (found != marks_.end()) {
    mark = found->second;
    marks_.erase(found);
  }
  if (mark.first_of >= 0 && starts_.known()) starts_.undo(mark.first_of);
  --counts_.in_flight;
  bytes_in_flight_ -= cost_of(failure.value.size(), failure.key.size()) + mark.headers;
  const Fate fate = fate_of(failure.error, mark.alone, settings_.expire_after > 0);
  EventPointer event(new (std::nothrow) Event);
  if (event == nullptr) {
    ++counts_.failed;
    GivenUp given_up;
    given_up.number = mark.number;
    given_up.wanted = mark.wanted;
    given_up.tenant = std::move(failure.key);
    given_up.error = failure.error;
    count_given_up(std::move(given_up));
    return;
  }
  event->tenant = std::move(failure.key);
  event->bytes = std::move(failure.value);
  event->headers = std::move(failure.headers);
  event->sequence = failure.sequence;
  event->number = mark.number;
  event->row = mark.row;
  event->wanted = mark.wanted;
  event->since = settings_.steady();
  // Once suspected, alone until it is through: with whom it shared a batch is not known.
  event->suspect = mark.alone || fate == Fate::alone;
  if (fate == Fate::never || !backlog_.come_back(event)) {
    give_up(std::move(event), failure.error);
    return;
  }
  ++counts_.backlog;
  break_session(failure.error);
}

// Of an event that is in no place any more.
void SendQueue::give_up(EventPointer event, int error) noexcept {
  ++counts_.failed;
  if (event->row != 0) {
    try {
      remove_later(event->row);
    } catch (...) {
      // The row stays, and is sent once more one day.
    }
  }
  GivenUp given_up;
  given_up.number = event->number;
  given_up.wanted = event->wanted;
  given_up.tenant = std::move(event->tenant);
  given_up.error = error;
  count_given_up(std::move(given_up));
}

void SendQueue::count_given_up(GivenUp&& given_up) noexcept {
  some_news_ = true;
  try {
    // Of some only the number is known.
    if (!given_up.tenant.empty() && (given_up_by_tenant_.size() < kMostTenants ||
                                     given_up_by_tenant_.count(given_up.tenant) > 0)) {
      ++given_up_by_tenant_[given_up.tenant];
    }
  } catch (...) {
    // The count of all has it.
  }
  if (given_up.wanted || told_.given_up.size() < kMostGivenUp) {
    try {
      told_.given_up.push_back(std::move(given_up));
      return;
    } catch (...) {
    }
  }
  ++told_.given_up_beside;
}

bool SendQueue::await_news(int64_t nanoseconds) noexcept {
  const auto until = after(nanoseconds);
  Guard guard(mutex_);
  news_waits_ = true;
  while (!some_news_ && std::chrono::steady_clock::now() < until) guard.wait_until(news_, until);
  news_waits_ = false;
  return some_news_;
}

void SendQueue::take_news(News& news) noexcept {
  Guard guard(mutex_);
  news = std::move(told_);
  told_ = News();
  some_news_ = false;
}

std::unordered_map<std::string, int64_t> SendQueue::given_up_by_tenant() noexcept {
  Guard guard(mutex_);
  try {
    return given_up_by_tenant_;
  } catch (...) {
    return {};
  }
}

void SendQueue::break_off(int error, const Outlet& from) noexcept {
  Guard guard(mutex_);
  if (&from != reporting_) return;
  break_session(error);
}

void SendQueue::waken() noexcept {
  Guard guard(mutex_);
  some_news_ = true;
  news_.notify_all();
}

}  // namespace atomwire::bus
