#include "model_life.hpp"

#include <algorithm>
#include <chrono>

#include "target.hpp"

namespace model {

using namespace atomwire;
using namespace atomwire::bus;

namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kReadAtOnce = 4;
constexpr int64_t kLargest = 3'200;  // an event with all that it costs
constexpr int64_t kMessageOverhead = 64;
constexpr int64_t kHeaderOverhead = 20;
constexpr uint64_t kAroundCell = 500;  // what an event of one cell has beside its text, at most

int64_t now = 0;

int64_t steady() { return now; }
int64_t unix_time() { return now + int64_t{1'700'000'000'000} * kMillisecond; }

}  // namespace

Life::Life(Random& random, FakeDisk& disk, Mode mode, Id first)
    : random_(random),
      disk_(disk),
      mode_(mode),
      has_disk_(mode == Mode::disk || mode == Mode::durable),
      books_(steady),
      next_id_(first) {
  constexpr int64_t kEvents[] = {1, 2, 5, 12, 40};
  constexpr int64_t kBytes[] = {1'500, 6'000, 20'000, 60'000, 1'000'000};
  settings_.linger = random_.chance(25) ? 0 : 10 * kMillisecond;
  // The same for all lives, as what one leaves on the disk the next has to send.
  settings_.max_event_bytes = mode == Mode::drop || mode == Mode::disk ? 1'000 : 2'600;
  settings_.queue_events = kEvents[random_.below(5)];
  settings_.queue_bytes = kBytes[random_.below(5)];
  settings_.disk = has_disk_;
  settings_.durable = mode == Mode::durable;
  settings_.drop = mode == Mode::drop;
  constexpr int64_t kExpireAfter[] = {0, 5 * kMillisecond, 30 * kMillisecond, 300 * kMillisecond};
  if (!has_disk_) settings_.expire_after = kExpireAfter[random_.below(4)];
  if (mode == Mode::drop || mode == Mode::durable) settings_.cell_headers = {{"source", "cells"}};
  settings_.steady = steady;
  settings_.unix_time = unix_time;
  queue_ = std::make_unique<SendQueue>(settings_);
  if (!has_disk_) return;
  queue_->adopt(static_cast<int64_t>(disk_.rows.size()));
  disk_.check_order();
  for (const auto& [at, row] : disk_.rows) {
    Known known;
    known.id = row.id;
    known.tenant = tenant_of(row.tenant);
    known.cost = cost_of(row.bytes.size(), row.tenant.size()) + cost_of(row.headers);
    known.row = at;
    known.where = spooled;
    books_.add(known);
  }
  check();
}

void Life::step() {
  const int64_t chosen = random_.below(100);
  if (chosen < 20) {
    publish();
  } else if (chosen < 36) {
    write();
  } else if (chosen < 46) {
    send_due();
  } else if (chosen < 54) {
    pass_time(random_.below(2 * settings_.linger + 5 * kMillisecond));
  } else if (chosen < 70) {
    report();
  } else if (chosen < 76) {
    replace();
    if (random_.chance(3)) detach();
  } else if (chosen < 77) {
    take_news();
  } else if (chosen < 78) {
    await_room();
  } else if (chosen < 94 && has_disk_) {
    disk_step();
  } else if (chosen < 95) {
    drop();
  } else if (chosen < 96) {
    report_late();
  } else if (chosen < 97) {
    break_off();
  } else if (chosen < 98) {
    constexpr int kErrors[] = {-184, 10, -150, -194, -197};
    next_error_ = kErrors[random_.below(5)];
  } else if (chosen < 99) {
    queue_->set_topic_limit(random_.chance(50) ? 0 : 700);
  } else if (flushes_ > 0 && random_.chance(70)) {
    queue_->end_flush();
    --flushes_;
  } else if (mode_ != Mode::drop || books_.gathering.size() < 2) {
    queue_->begin_flush();
    ++flushes_;
  }
  check();
}

void Life::disk_step() {
  const int64_t chosen = random_.below(100);
  if (chosen < 25) {
    take_for_disk();
  } else if (chosen < 58) {
    commit();
  } else if (chosen < 75) {
    read_back();
  } else if (chosen < 83) {
    remove_rows(random_.chance(80));
  } else if (chosen < 91) {
    ask_for_disk();
  } else if (chosen < 94) {
    withdraw();
  } else if (chosen < 96) {
    accept_unstored();
  } else if (chosen < 98) {
    adopt();
  } else {
    damage();
  }
}

// ---- Publishers.

int64_t Life::still_gathering(int tenant) {
  const auto others =
      books_.cells_of_all() - static_cast<int64_t>(books_.cells[tenant].size());
  return queue_->counts().gathering - others;
}

void Life::settle_cells(int tenant) {
  const auto known = static_cast<int64_t>(books_.cells[tenant].size());
  const int64_t left = still_gathering(tenant);
  CHECK(left == known || left == 0);
  if (left < known) books_.merge(tenant, static_cast<size_t>(known));
}

void Life::publish() {
  publish(static_cast<size_t>(16 + random_.below(random_.chance(10) ? 3'000 : 400)));
}

Verdict Life::publish(size_t event_size) {
  const Id id = next_id_++;
  const int tenant = static_cast<int>(random_.below(kTenants));
  const std::string name = tenant_name(tenant);
  const std::string bytes = content_of(id, event_size);
  const HeaderList headers = headers_of(id);
  EventView view{name, bytes, headers.empty() ? nullptr : &headers, 0, random_.chance(25)};
  view.timestamp = random_.chance(50) ? unix_time() + random_.below(5) * 3'600'000 * kMillisecond
                                      : unix_time() - random_.below(1000);
  int64_t size = static_cast<int64_t>(bytes.size() + name.size()) + kMessageOverhead;
  for (const auto& [key, value] : headers) {
    size += static_cast<int64_t>(key.size() + value.size()) + kHeaderOverhead;
  }
  // Behind one that waits, or one that does not exist.
  int64_t behind = 0;
  if (!publishers_.empty() && random_.chance(50)) behind = publishers_.back().number;
  const bool room = books_.in_memory() == 0 ? books_.cells[tenant].empty() : is_roomy(2);

  offered_ = id;
  offered_cost_ = view.cost();
  const Outcome outcome = queue_->publish(view, behind);
  offered_ = 0;
  settle_cells(tenant);
  Known* const sent = books_.find(id);
  CHECK((outcome.verdict == Verdict::too_large) ==
        (size > static_cast<int64_t>(queue_->event_limit())));
  if (outcome.verdict == Verdict::full) note_full(outcome);
  if (room) CHECK(outcome.verdict != Verdict::full);
  Known known;
  known.id = id;
  known.tenant = tenant;
  known.cost = view.cost();
  known.number = outcome.number;
  known.wanted = view.wanted;
  known.tail = true;
  switch (outcome.verdict) {
    case Verdict::taken:
      CHECK(outcome.number > 0 && mode_ != Mode::durable && !closed_);
      if (sent == nullptr) {
        known.where = backlog;
        books_.add(known);
      } else {
        sent->number = outcome.number;
        sent->wanted = view.wanted;
      }
      return outcome.verdict;
    case Verdict::awaits_disk:
      CHECK(mode_ == Mode::durable && sent == nullptr && refused_.count(behind) == 0);
      known.where = awaiting;
      books_.add(known);
      publishers_.push_back({outcome.number, id});
      return outcome.verdict;
    case Verdict::refused:
      CHECK(mode_ == Mode::durable && refused_.count(behind) == 1);
      break;
    case Verdict::closed:
      CHECK(closed_);
      break;
    default:
      CHECK(outcome.verdict == Verdict::full || outcome.verdict == Verdict::too_large);
  }
  CHECK(sent == nullptr);
  return outcome.verdict;
}

// What there is room for when nothing is there is taken: nothing of what went is still counted.
void Life::fill() {
  constexpr int64_t kSize = 100;
  queue_->set_topic_limit(0);
  while (books_.in_memory() < settings_.queue_events &&
         books_.bytes_in_memory() + cost_of(kSize, 1) + cost_of(headers_of(next_id_)) <=
             settings_.queue_bytes) {
    CHECK(publish(kSize) != Verdict::full);
  }
  check();
}

void Life::write() {
  // Cells of several tenants that go at once would not say which of them were dropped.
  if (mode_ == Mode::drop && flushes_ > 0 && !books_.gathering.empty()) return;
  const Id id = next_id_++;
  const int tenant = static_cast<int>(random_.below(kTenants));
  const std::string name = tenant_name(tenant);
  const std::string text(
      random_.chance(40) ? 0 : static_cast<size_t>(random_.below(random_.chance(5) ? 3'000 : 300)),
      'x');
  Label label;
  label.tenant = {name.data(), name.size()};
  if (has_user(id)) label.user = {"u", 1};
  pass_time(1);  // no two tenants are due at the same time
  auto& cells = books_.cells[tenant];
  if (cells.empty()) books_.gathering.push_back(tenant);
  cells.push_back(id);
  const Outcome outcome = queue_->write(label, cell_of(id, text));
  if (outcome.verdict == Verdict::full) note_full(outcome);
  // Only what is too large alone: the cells before it are no reason.
  if (outcome.verdict == Verdict::too_large) {
    CHECK(text.size() + kAroundCell > queue_->event_limit());
  }
  const int64_t left = still_gathering(tenant);
  const auto count = static_cast<int64_t>(cells.size());
  if (outcome.verdict != Verdict::taken) {
    CHECK(count > 0 && cells.back() == id);
    CHECK(left == count - 1 || left == 0);
    cells.pop_back();
    if (cells.empty()) {
      books_.forget_cells(tenant, 0);
    } else if (left == 0) {
      books_.merge(tenant, cells.size());
    }
    return;
  }
  CHECK(!closed_);
  CHECK(left == count || left == 1 || left == 0);
  // Cells of before, and the new one by itself.
  if (left < count && count > 1) books_.merge(tenant, cells.size() - 1);
  if (left == 0 && !cells.empty()) books_.merge(tenant, 1);
  if (left == 1) first_cell_[tenant] = now;
}

void Life::ask_for_disk() {
  if (publishers_.empty()) return;
  const size_t at = static_cast<size_t>(random_.below(static_cast<int64_t>(publishers_.size())));
  const Publisher publisher = publishers_[at];
  const Stored stored = queue_->await_stored(publisher.number, 0);
  Known* const known = books_.find(publisher.id);
  if (known != nullptr && known->where == awaiting) {
    CHECK(stored == Stored::waiting);
    return;
  }
  // An event that was stored may be delivered already.
  CHECK(stored == (refused_.count(publisher.number) > 0 ? Stored::refused : Stored::stored));
  refused_.erase(publisher.number);
  publishers_.erase(publishers_.begin() + static_cast<std::ptrdiff_t>(at));
}

void Life::withdraw() {
  if (publishers_.empty()) return;
  const Publisher publisher = publishers_.back();
  publishers_.pop_back();
  queue_->withdraw(publisher.number);
  refused_.erase(publisher.number);
  Known* const known = books_.find(publisher.id);
  if (known != nullptr && known->where == awaiting && !known->with_writer) books_.vanish(*known);
}

void Life::accept_unstored() {
  if (publishers_.empty()) return;
  Known* const known = books_.find(publishers_.back().id);
  if (known == nullptr || known->where != awaiting || known->with_writer) return;
  queue_->accept_unstored(publishers_.back().number);
  publishers_.pop_back();
  books_.move(*known, backlog);
}

void Life::drop() {
  const int tenant = static_cast<int>(random_.below(kTenants));
  if (random_.chance(50)) {
    queue_->drop();
  } else {
    queue_->drop_cells(tenant_name(tenant));
    if (!books_.cells[tenant].empty()) {
      books_.forget_cells(tenant, books_.cells[tenant].size());
    }
  }
  ++books_.dropped;
}

// Whoever waits since an outcome without room has to learn of room.
void Life::note_full(const Outcome& outcome) {
  CHECK(outcome.number >= full_number_);
  if (books_.leavings() > leavings_at_full_) CHECK(outcome.number > full_number_);
  full_number_ = outcome.number;
  leavings_at_full_ = books_.leavings();
}

void Life::await_room() {
  if (full_number_ < 0 || books_.leavings() == leavings_at_full_) return;
  constexpr std::chrono::seconds kTooLong(30);
  const auto before = std::chrono::steady_clock::now();
  queue_->await_room(full_number_, kTooLong / std::chrono::nanoseconds(1));
  CHECK(std::chrono::steady_clock::now() - before < kTooLong);
}

// ---- The sender, and time.

void Life::pass_time(int64_t nanoseconds) {
  const int64_t until = now + nanoseconds;
  while (mode_ == Mode::drop && !books_.gathering.empty()) {
    const int64_t due = first_cell_[books_.gathering.front()] + settings_.linger;
    if (due > until) break;
    now = std::max(now, due);
    send_due();
  }
  now = until;
}

void Life::send_due() {
  const bool room = is_roomy(static_cast<int64_t>(books_.gathering.size()));
  const bool trouble = next_error_ != 0;
  const int64_t next = queue_->send_due();
  CHECK(next > now - 1);
  settle_sent_cells();
  const bool expired = settle_expired();
  check_expired(next);
  // What waited behind one that has expired goes the next time, which is at once.
  if (!trouble && !expired) check_handed_over();
  for (const int tenant : books_.gathering) {
    if (room) CHECK(flushes_ == 0 && first_cell_[tenant] + settings_.linger > now);
  }
  CHECK(queue_->await_work(now));
}

void Life::settle_sent_cells() {
  const Counts counts = queue_->counts();
  while (books_.cells_of_all() > counts.gathering) {
    const int tenant = books_.gathering.front();
    const size_t count = books_.cells[tenant].size();
    if (counts.dropped > books_.dropped) {
      CHECK(mode_ == Mode::drop);
      books_.forget_cells(tenant, count);
      ++books_.dropped;
    } else {
      books_.merge(tenant, count);
    }
  }
}

bool Life::settle_expired() {
  const int64_t expired = queue_->counts().failed - books_.count(failed);
  for (int64_t left = expired; left > 0; --left) {
    Known* const known = books_.front();
    CHECK(known != nullptr && !some_returned_);
    CHECK(settings_.expire_after > 0 && known->since + settings_.expire_after <= now);
    give_up(*known, kTimedOut);
  }
  return expired > 0;
}

void Life::check_expired(int64_t next) {
  const Known* const known = books_.front();
  if (settings_.expire_after == 0 || known == nullptr || some_returned_) return;
  CHECK(known->since + settings_.expire_after > now);
  CHECK(next <= known->since + settings_.expire_after);
}

// That what may go is gone.
void Life::check_handed_over() {
  if (!attached_ || outlet_->dead || outlet_->partitions.empty()) return;
  const Known* const known = books_.front();
  if (known == nullptr || books_.suspects_in_flight > 0) return;
  if (known->suspect && books_.count(in_flight) > 0) return;
  if (known->tail && (settings_.durable || books_.count(spooled) > 0 || known->with_writer)) return;
  if (outlet_->partition_of(tenant_name(known->tenant)).is_beginning()) return;
  CHECK(!is_roomy_in_flight());
}

// ---- The checks.

// Whether so many more events have room, whatever their sizes.
bool Life::is_roomy(int64_t events) const {
  return books_.in_memory() + events <= settings_.queue_events &&
         (books_.in_memory() + events) * kLargest + unsaid_bytes_ <= settings_.queue_bytes;
}

// Whether one more may go.
bool Life::is_roomy_in_flight() const {
  const int64_t flying = books_.count(in_flight);
  const int64_t bytes = has_disk_ ? settings_.queue_bytes / 4 * 3 : settings_.queue_bytes;
  return flying == 0 || (flying < settings_.queue_events &&
                         books_.bytes(in_flight) + unsaid_bytes_ + kLargest <= bytes);
}

void Life::check() {
  const Counts counts = queue_->counts();
  books_.check_counts(counts);
  if (!closed_) check_bounds();
}

void Life::check_bounds() {
  const int64_t events = settings_.queue_events;
  const int64_t bytes = settings_.queue_bytes;
  if (!has_disk_) {
    CHECK(books_.in_memory() <= events);
    CHECK(books_.bytes_in_memory() <= bytes || books_.in_memory() == 1);
    return;
  }
  CHECK(books_.count(in_flight) <= events);
  CHECK(books_.bytes(in_flight) <= bytes / 4 * 3 || books_.count(in_flight) == 1);
  CHECK(books_.in_front() <= std::max(events, events / 2 + kReadAtOnce));
  CHECK(books_.bytes_in_memory() <= bytes + (kReadAtOnce + 1) * kLargest);
}

}  // namespace model
