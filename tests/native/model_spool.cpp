// The life's disk, and its ends.
#include <algorithm>

#include "model_life.hpp"
#include "target.hpp"

namespace model {

using namespace atomwire;
using namespace atomwire::bus;

namespace {

constexpr int64_t kReadAtOnce = 4;
constexpr int kClosed = -197;
// At least what a buffer is kept for beside the linger, and what no linger is.
constexpr int64_t kLinger = 2'000'000;
constexpr int64_t kLong = 60'000'000'000;
// Far more turns than a schedule has events.
constexpr int kTurns = 10'000;

Row row_of(const Event& event) {
  return {read(event.bytes).id(), event.tenant, event.bytes, event.headers};
}

}  // namespace

// ---- The writer.

void Life::check_taken(const std::vector<Event*>& events) {
  std::set<Id> taken;
  for (const Event* event : events) {
    const Read seen = read(event->bytes);
    Known* const known = books_.find(seen.id());
    CHECK(known != nullptr && !known->with_writer);
    CHECK(known->where == backlog || known->where == awaiting);
    CHECK(known->tenant == tenant_of(event->tenant) && known->row == event->row);
    if (!seen.cells) CHECK(event->headers == headers_of(seen.id()));
    // The oldest of its tenant that is not taken yet.
    for (const auto& [id, other] : books_.all) {
      if (id >= known->id) break;
      if (other.tenant == known->tenant && other.tail) CHECK(other.with_writer);
    }
    books_.set_cost(*known, event->cost());
    known->with_writer = true;
  }
}

void Life::take_for_disk() {
  if (!taken_.empty()) return;
  queue_->take_for_disk(static_cast<size_t>(1 + random_.below(6)), 1 + random_.below(5'000),
                        taken_);
  for (const Event* event : taken_) CHECK(books_.find(read(event->bytes).id())->tail);
  check_taken(taken_);
}

void Life::commit() {
  if (taken_.empty()) return;
  if (random_.chance(70)) {
    written();
  } else {
    not_written();
  }
  taken_.clear();
}

void Life::written() {
  std::vector<int64_t> rows;
  std::vector<Id> ids;
  for (const Event* event : taken_) {
    rows.push_back(disk_.append(row_of(*event)));
    ids.push_back(disk_.rows[rows.back()].id);
  }
  const size_t stayed = queue_->written(rows);
  CHECK(stayed <= ids.size());
  if (stayed > 0) {
    CHECK(books_.count(spooled) == 0);
    read_up_to_ = rows[stayed - 1];
  }
  for (size_t at = 0; at < ids.size(); ++at) {
    Known& known = *books_.find(ids[at]);
    known.row = rows[at];
    known.with_writer = known.tail = false;
    books_.move(known, at < stayed ? backlog : spooled);
  }
}

void Life::not_written() {
  for (const Event* event : taken_) books_.find(read(event->bytes).id())->with_writer = false;
  refuse_awaiting();
  queue_->not_written();
}

void Life::refuse_awaiting() {
  for (auto at = books_.all.begin(); at != books_.all.end();) {
    Known& known = at->second;
    ++at;
    if (known.where != awaiting) continue;
    for (const Publisher& publisher : publishers_) {
      if (publisher.id == known.id) refused_.insert(publisher.number);
    }
    books_.vanish(known);
  }
}

void Life::remove_rows(bool succeed) {
  std::vector<int64_t> rows;
  queue_->take_removals(rows);
  for (const int64_t row : rows) {
    const auto found = disk_.rows.find(row);
    // Only what was delivered or given up; what was damaged is not there any more.
    CHECK(found != disk_.rows.end());
    CHECK(books_.find(found->second.id) == nullptr);
  }
  if (!succeed) {
    queue_->not_removed(rows);
    return;
  }
  for (const int64_t row : rows) disk_.rows.erase(row);
}

void Life::read_back() {
  if (!queue_->await_disk_work(0).read) return;
  auto at = disk_.rows.upper_bound(read_up_to_);
  if (at == disk_.rows.end()) {
    const int64_t lost = queue_->counts().spooled;
    for (auto each = books_.all.begin(); each != books_.all.end();) {
      Known& known = each->second;
      ++each;
      if (known.where != spooled) continue;
      CHECK(known.damaged);
      give_up(known, 0);
    }
    queue_->lose_rows(lost);
    return;
  }
  for (int64_t most = 1 + random_.below(kReadAtOnce); most > 0 && at != disk_.rows.end(); --most) {
    const Row& row = at->second;
    EventView view{row.tenant, row.bytes, row.headers.empty() ? nullptr : &row.headers, 0, false};
    CHECK(queue_->read_back(view, at->first));
    Known* const known = books_.find(row.id);
    CHECK(known != nullptr && known->where == spooled && known->row == at->first);
    books_.move(*known, backlog);
    read_up_to_ = at->first;
    ++at;
  }
}

void Life::adopt() {
  // As the outbox does: only when nothing else is to be done.
  const DiskWork work = queue_->await_disk_work(0);
  if (work.store || work.remove || work.read || !taken_.empty()) return;
  const int64_t count = 1 + random_.below(3);
  for (int64_t made = 0; made < count; ++made) {
    Known known;
    known.id = next_id_++;
    known.tenant = kOldTenant;
    const std::string bytes = content_of(known.id, 100);
    known.cost = cost_of(bytes.size(), 1) + cost_of(headers_of(known.id));
    known.row = disk_.append({known.id, tenant_name(kOldTenant), bytes, headers_of(known.id)});
    known.where = spooled;
    books_.add(known);
  }
  queue_->adopt(count);
}

void Life::damage() {
  for (auto& [id, known] : books_.all) {
    if (known.where != spooled || known.damaged || !random_.chance(30)) continue;
    disk_.rows.erase(known.row);
    books_.damage(known);
    return;
  }
}

// ---- The ends.

bool Life::all_arrived() const {
  return books_.all.empty() && books_.cells_of_all() == 0 && publishers_.empty();
}

void Life::arrive() {
  for (; flushes_ > 0; --flushes_) queue_->end_flush();
  next_error_ = 0;
  work_until_all_arrived();
  fill();
  work_until_all_arrived();
  CHECK(queue_->await_empty(0) == 0);
  // Of tenants that are quiet nothing is kept, so nothing is due for long.
  pass_time(settings_.linger + kLinger);
  CHECK(queue_->send_due() > settings_.steady() + kLong);
  if (has_disk_) remove_rows(true);
  take_news();
}

void Life::work_until_all_arrived() {
  for (int turn = 0; !all_arrived(); ++turn) {
    CHECK(turn < kTurns);
    replace();
    if (outlet_ != nullptr) {
      rdkafka::Reports reports;
      for (Partition& partition : outlet_->partitions) {
        acknowledge(partition, kTurns, reports);
        refuse(partition, kTurns, reports);
      }
      if (!attached_) purge(reports);
      tell(reports);
    }
    if (has_disk_) {
      take_for_disk();
      if (!taken_.empty()) written();
      taken_.clear();
      remove_rows(true);
      read_back();
      ask_for_disk();
    }
    pass_time(2 * settings_.linger + 1);
    send_due();
    check();
  }
}

void Life::close() {
  queue_->close();
  closed_ = true;
  publish();
  write();
  const bool hangs = !taken_.empty() && random_.chance(20);
  let_producer_go();
  queue_->end_gathering();
  while (!books_.gathering.empty()) {
    const int tenant = books_.gathering.front();
    books_.merge(tenant, books_.cells[tenant].size());
  }
  check();
  if (!hangs && !taken_.empty()) {
    commit();
    check();
  }
  if (has_disk_ && !hangs) finish_disk();
  give_up_all();
  check();
  if (hangs) {
    // The disk comes back when everything was given up.
    std::vector<int64_t> rows;
    for (size_t at = 0; at < taken_.size(); ++at) rows.push_back(++disk_.last);
    CHECK(queue_->written(rows) == 0);
    check();
  }
  take_news();
  CHECK(books_.in_memory() == 0);
  while (!publishers_.empty()) ask_for_disk();
  for (const auto& [id, known] : books_.all) {
    CHECK(known.where == spooled);
    CHECK(known.damaged || disk_.rows.count(known.row) == 1);
  }
}

void Life::finish_disk() {
  remove_rows(true);
  if (!queue_->head_is_stored()) leave_head_on_disk();
  while (!disk_failed_ && leave_on_disk(nullptr)) {
  }
}

// In front of all rows, from the oldest on.
void Life::leave_head_on_disk() {
  const int64_t in_head = std::count_if(books_.all.begin(), books_.all.end(), [](const auto& each) {
    return each.second.where == backlog && !each.second.tail;
  });
  CHECK(static_cast<int64_t>(queue_->head_size()) == in_head);
  int64_t row = disk_.rows_in_front(in_head);
  while (!disk_failed_ && leave_on_disk(&row)) {
  }
}

// Some events of the head, from that row on, or of the tail.
bool Life::leave_on_disk(int64_t* row) {
  const auto most = static_cast<size_t>(1 + random_.below(6));
  const int64_t most_bytes = 1 + random_.below(5'000);
  taken_.clear();
  if (row != nullptr) {
    queue_->take_head_for_disk(most, most_bytes, taken_);
  } else {
    queue_->take_for_disk(most, most_bytes, taken_);
  }
  if (taken_.empty()) return false;
  check_taken(taken_);
  if (random_.chance(10)) {
    not_written();
    disk_failed_ = true;
    return false;
  }
  for (const Event* event : taken_) {
    disk_.rows.erase(event->row);
    Known& known = *books_.find(read(event->bytes).id());
    if (row != nullptr) {
      known.row = (*row)++;
      CHECK(disk_.rows.emplace(known.row, row_of(*event)).second);
    } else {
      known.row = disk_.append(row_of(*event));
    }
    known.with_writer = false;
    books_.move(known, spooled);
  }
  queue_->left_on_disk();
  return true;
}

void Life::give_up_all() {
  queue_->give_up_all(kClosed);
  refuse_awaiting();
  for (auto at = books_.all.begin(); at != books_.all.end();) {
    Known& known = at->second;
    ++at;
    if (known.where != backlog) continue;
    if (known.row != 0) {
      books_.move(known, spooled);
    } else {
      give_up(known, kClosed);
    }
  }
}

void Life::end_in_kill() {
  for (const auto& [id, known] : books_.all) {
    const bool promised = mode_ == Mode::durable && known.where != awaiting && !known.tail;
    if (promised && !known.damaged) CHECK(disk_.rows.count(known.row) == 1);
  }
}

void Life::forget_stale_rows() {
  disk_.check_order();
  for (auto at = disk_.rows.begin(); at != disk_.rows.end();) {
    at = books_.find(at->second.id) == nullptr ? disk_.rows.erase(at) : std::next(at);
  }
}

}  // namespace model
