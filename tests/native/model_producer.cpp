// The life's producer: what it is given, and what it reports.
#include <algorithm>

#include "model_life.hpp"
#include "target.hpp"

namespace model {

using namespace atomwire;
using namespace atomwire::bus;

namespace {

constexpr int kPurged = -151;
constexpr int kMostPartitions = 4;
constexpr int kDifferentRecord = -138;

// As fate.hpp has it, said once more.
bool refuses_batch(int error) {
  for (const int each : {4, 10, 32, 87, kDifferentRecord}) {
    if (error == each) return true;
  }
  return false;
}

uint64_t size_of(const Message& message) {
  uint64_t size = message.bytes.size() + message.tenant.size() + 64;
  if (message.headers == nullptr) return size;
  for (const auto& [name, value] : *message.headers) size += name.size() + value.size() + 20;
  return size;
}

}  // namespace

int Life::look(FakeOutlet& outlet, const Message& message, const Read& seen) {
  CHECK(attached_ && &outlet == outlet_.get());
  CHECK(message.sequence > last_sequence_);
  last_sequence_ = message.sequence;
  CHECK(message.milliseconds >= 0 &&
        message.milliseconds <= settings_.unix_time() / 1'000'000);
  if (seen.cells) {
    CHECK((message.headers != nullptr) == !settings_.cell_headers.empty());
    CHECK(message.headers == nullptr || *message.headers == settings_.cell_headers);
  }
  const int tenant = tenant_of(message.tenant);
  const int64_t cost = cost_of(message.bytes.size(), message.tenant.size()) +
                       (message.headers == nullptr ? 0 : cost_of(*message.headers));
  CHECK(size_of(message) <= settings_.max_event_bytes);
  if (next_error_ != 0) {
    const int error = next_error_;
    next_error_ = 0;
    outlet.dead = error != -184 && error != 10;
    return error;
  }
  Known* known = books_.find(seen.id());
  if (known == nullptr) {
    // Given directly: the event of the call, or cells.
    Known given;
    given.id = seen.id();
    given.tenant = tenant;
    given.cost = cost;
    if (seen.cells) {
      const auto& cells = books_.cells[tenant];
      CHECK(cells.size() >= seen.ids.size());
      CHECK(std::equal(seen.ids.begin(), seen.ids.end(), cells.begin()));
      books_.forget_cells(tenant, seen.ids.size());
    } else {
      CHECK(seen.id() == offered_ && cost == offered_cost_);
    }
    CHECK(!settings_.durable && books_.count(backlog) == 0 && books_.count(spooled) == 0);
    books_.check_turn(given);
    given.where = in_flight;
    books_.add(given);
    return 0;
  }
  CHECK(known->where == backlog && known->tenant == tenant);
  CHECK(!settings_.durable || known->row != 0);
  books_.check_turn(*known);
  books_.set_cost(*known, cost);
  CHECK(message.marked || (known->row == 0 && !known->wanted && !known->suspect));
  books_.move(*known, in_flight);
  return 0;
}

void Life::attach() {
  outlet_ = std::make_shared<FakeOutlet>(
      [this](FakeOutlet& outlet, const Message& message, const Read& seen) {
        return look(outlet, message, seen);
      });
  CHECK(!queue_->set_partitions(1, *outlet_));
  queue_->attach(outlet_);
  attached_ = true;
  broken_told_ = false;
}

void Life::find_partitions() {
  outlet_->partitions.resize(static_cast<size_t>(1 + random_.below(kMostPartitions)));
  CHECK(queue_->set_partitions(static_cast<int>(outlet_->partitions.size()), *outlet_));
}

// One step on the way from a producer to the next.
void Life::replace() {
  if (outlet_ == nullptr) {
    attach();
    return;
  }
  if (!attached_) {
    if (outlet_->empty() || random_.chance(20)) let_producer_go();
    return;
  }
  if (outlet_->partitions.empty()) find_partitions();
  take_news();
  if (outlet_->dead) detach();
}

void Life::detach() {
  if (!attached_) return;
  queue_->detach();
  attached_ = false;
}

// What is still with it is given up, or comes back.
void Life::let_producer_go() {
  if (outlet_ == nullptr) return;
  detach();
  // Rows of what was never reported would stay on the disk for the next life.
  if (has_disk_ || random_.chance(50)) {
    rdkafka::Reports reports;
    purge(reports);
    tell(reports);
  }
  const int64_t never_reported = books_.count(in_flight);
  const int64_t told_before = given_up_;
  for (const Partition& partition : outlet_->partitions) {
    for (const Sent& sent : partition.flying) {
      Known& known = *books_.find(sent.id);
      if (known.wanted) {
        expected_[known.number] = 0;
        ++given_up_;
      }
      books_.move(known, failed);
    }
  }
  for (const int64_t number : unsaid_) expected_[number] = 0;
  given_up_ += static_cast<int64_t>(unsaid_.size());
  // Of those for which there was no memory the wanted ones are among these, and not told twice.
  given_up_ += std::max(lost_untold_ - (given_up_ - told_before), int64_t{0});
  lost_untold_ = 0;
  unsaid_.clear();
  unsaid_bytes_ = 0;
  some_returned_ = false;
  CHECK(queue_->settle_returned() == never_reported);
  if (never_reported > 0) late_.push_back(outlet_);
  outlet_ = nullptr;
}

void Life::report() {
  if (outlet_ == nullptr || outlet_->partitions.empty()) return;
  rdkafka::Reports reports;
  const auto count = static_cast<int64_t>(outlet_->partitions.size());
  Partition& partition = outlet_->partitions[static_cast<size_t>(random_.below(count))];
  const int64_t chosen = random_.below(100);
  if (chosen < 70) {
    acknowledge(partition, 1 + random_.below(8), reports);
    if (random_.chance(50)) acknowledge(outlet_->partitions[0], 1 + random_.below(8), reports);
  } else if (chosen < 78) {
    refuse(partition, 1 + random_.below(4), reports);
  } else if (chosen < 84) {
    constexpr int kErrors[] = {29, 3, -193, kTimedOut};
    if (partition.flying.empty()) return;
    fail(partition.take(), kErrors[random_.below(4)], reports);
    if (outlet_->dead) partition.stopped = true;
  } else if (chosen < 86) {
    lose(partition, reports);
  } else if (chosen < 88 && outlet_->dead) {
    purge(reports);
  } else if (chosen < 94 && !attached_) {
    purge_queue(partition, reports);
  }
  tell(reports);
}

void Life::report_late() {
  if (late_.empty()) return;
  FakeOutlet& outlet = *late_.back();
  rdkafka::Reports reports;
  for (Partition& partition : outlet.partitions) {
    while (!partition.flying.empty()) {
      const Sent sent = partition.take();
      if (random_.chance(50)) {
        reports.failures.push_back(failure_of(Sent(sent), kPurged));
      } else {
        ++reports.delivered;
        reports.delivered_bytes += bytes_of(sent);
        if (sent.marked) reports.acknowledged.push_back({sent.sequence, 0, 0});
      }
    }
  }
  queue_->take(std::move(reports), outlet);
  queue_->break_off(-150, outlet);
  CHECK(!queue_->set_partitions(kMostPartitions, outlet));
  late_.pop_back();
}

void Life::acknowledge(Partition& partition, int64_t most, rdkafka::Reports& reports) {
  auto& flying = partition.flying;
  if (partition.stopped) return;
  while (most-- > 0 && !flying.empty() && !is_poison(flying.front().id)) {
    const Sent sent = partition.take();
    Known& known = *books_.find(sent.id);
    books_.check_acknowledged(known);
    ++reports.delivered;
    reports.delivered_bytes += bytes_of(sent);
    if (sent.marked && may_be_unsaid(known)) {
      leave_unsaid(sent, known, partition);
    } else if (sent.marked) {
      if (known.wanted) expected_[known.number] = Told();
      reports.acknowledged.push_back({sent.sequence, 0, sent.id});
      partition.begun = true;
    }
    books_.move(known, delivered);
  }
}

// Whether there is no memory to say what became of it. Its row would stay for the next life.
bool Life::may_be_unsaid(const Known& known) const {
  return known.row == 0 && random_.chance(3);
}

void Life::leave_unsaid(const Sent& sent, const Known& known, Partition& partition) {
  if (!partition.begun) partition.unsure = true;
  if (known.wanted) unsaid_.push_back(known.number);
  unsaid_bytes_ += cost_of(sent.headers);
}

// A batch with a culprit in it comes back whole.
void Life::refuse(Partition& partition, int64_t batch, rdkafka::Reports& reports) {
  auto& flying = partition.flying;
  if (partition.stopped) return;
  const auto size = static_cast<size_t>(std::min(batch, static_cast<int64_t>(flying.size())));
  if (std::none_of(flying.begin(), flying.begin() + static_cast<std::ptrdiff_t>(size),
                   [](const Sent& sent) { return is_poison(sent.id); })) {
    return;
  }
  constexpr int kErrors[] = {4, 10, 32, 87};
  const int error = kErrors[random_.below(4)];
  const bool differs = random_.chance(50);
  for (size_t at = 0; at < size; ++at) {
    const bool culprit = is_poison(flying.front().id);
    fail(partition.take(), differs && !culprit ? kDifferentRecord : error, reports);
    if (outlet_->dead) partition.stopped = true;
  }
}

void Life::fail(Sent&& sent, int error, rdkafka::Reports& reports) {
  come_back(*books_.find(sent.id), error);
  reports.failures.push_back(failure_of(std::move(sent), error));
}

// A failure for which there was no memory.
void Life::lose(Partition& partition, rdkafka::Reports& reports) {
  if (partition.flying.empty()) return;
  Known& known = *books_.find(partition.flying.front().id);
  if (known.row != 0) return;  // it would stay for the next life
  const Sent sent = partition.take();
  leave_unsaid(sent, known, partition);
  ++reports.lost;
  reports.lost_bytes += bytes_of(sent);
  ++lost_untold_;
  books_.move(known, failed);
}

// What was not sent yet comes back before what was, which may still arrive.
void Life::purge_queue(Partition& partition, rdkafka::Reports& reports) {
  const auto& flying = partition.flying;
  const auto sent = static_cast<size_t>(random_.below(1 + static_cast<int64_t>(flying.size())));
  std::vector<Sent> queued;
  while (flying.size() > sent) queued.push_back(partition.take_newest());
  while (!queued.empty()) {
    fail(std::move(queued.back()), kPurged, reports);
    queued.pop_back();
  }
}

void Life::purge(rdkafka::Reports& reports) {
  for (Partition& partition : outlet_->partitions) purge_queue(partition, reports);
  for (Partition& partition : outlet_->partitions) {
    while (!partition.flying.empty()) fail(partition.take(), kPurged, reports);
  }
}

void Life::come_back(Known& known, int error) {
  const bool refused = refuses_batch(error);
  if ((refused && known.suspect && error != kDifferentRecord) ||
      (error == kTimedOut && settings_.expire_after > 0)) {
    if (refused) CHECK(is_poison(known.id) && books_.count(in_flight) == 1);
    give_up(known, error);
    return;
  }
  books_.move(known, backlog);
  known.suspect = known.suspect || refused;
  some_returned_ = outlet_->dead = true;
}

void Life::give_up(Known& known, int error) {
  if (known.wanted) expected_[known.number] = error;
  ++given_up_;
  books_.move(known, failed);
}

void Life::tell(rdkafka::Reports& reports) {
  if (reports.empty()) return;
  queue_->take(std::move(reports), *outlet_);
  if (books_.count(in_flight) > 0) return;
  // Now it is known of all.
  unsaid_bytes_ = 0;
  for (Partition& partition : outlet_->partitions) partition.unsure = false;
}

void Life::break_off() {
  if (outlet_ == nullptr) return;
  queue_->break_off(-150, *outlet_);
  outlet_->dead = true;
}

void Life::take_news() {
  queue_->await_news(0);
  News news;
  queue_->take_news(news);
  for (const Acknowledgement& each : news.acknowledged) {
    const auto found = expected_.find(each.number);
    CHECK(found != expected_.end() && !found->second.has_value());
    expected_.erase(found);
  }
  for (const GivenUp& each : news.given_up) {
    if (!each.wanted) continue;
    const auto found = expected_.find(each.number);
    CHECK(found != expected_.end() && found->second == each.error);
    expected_.erase(found);
  }
  CHECK(expected_.empty());
  told_ += static_cast<int64_t>(news.given_up.size()) + news.given_up_beside;
  CHECK(told_ == given_up_);
  if (news.broken) broken_told_ = true;
  if (outlet_ != nullptr) CHECK(broken_told_ == outlet_->dead);
}

}  // namespace model
