#include "model_books.hpp"

#include <algorithm>

#include "target.hpp"

namespace model {

std::set<Id>& Books::set_of(const Known& known) {
  return (known.where == in_flight ? flying_ : waiting_)[known.tenant];
}

Known& Books::add(const Known& known) {
  CHECK(all.count(known.id) == 0);
  Known& kept = all[known.id] = known;
  kept.place = ++last_place_;
  kept.since = steady_();
  ++counts_[kept.where];
  bytes_[kept.where] += kept.cost;
  if (kept.where != awaiting) ++accepted;
  set_of(kept).insert(kept.id);
  return kept;
}

Known* Books::find(Id id) {
  const auto found = all.find(id);
  return found == all.end() ? nullptr : &found->second;
}

void Books::move(Known& known, Where to) {
  if (known.where == awaiting) ++accepted;
  if (known.where == in_flight && known.suspect) --suspects_in_flight;
  --counts_[known.where];
  bytes_[known.where] -= known.cost;
  set_of(known).erase(known.id);
  known.where = to;
  known.since = steady_();
  ++counts_[to];
  if (to == delivered || to == failed || to == spooled) ++leavings_;
  if (to == delivered || to == failed) {
    all.erase(known.id);
    return;
  }
  if (to == in_flight && known.suspect) ++suspects_in_flight;
  if (to == spooled || to == in_flight) known.tail = false;
  bytes_[to] += known.cost;
  set_of(known).insert(known.id);
}

void Books::vanish(Known& known) {
  CHECK(known.where == awaiting);
  ++leavings_;
  --counts_[awaiting];
  bytes_[awaiting] -= known.cost;
  set_of(known).erase(known.id);
  all.erase(known.id);
}

void Books::damage(Known& known) {
  CHECK(known.where == spooled);
  known.damaged = true;
  set_of(known).erase(known.id);
}

void Books::set_cost(Known& known, int64_t cost) {
  bytes_[known.where] += cost - known.cost;
  known.cost = cost;
}

void Books::merge(int tenant, size_t count) {
  Known known;
  known.id = cells[tenant].front();
  known.tenant = tenant;
  known.cost = atomwire::bus::kEventOverhead;
  known.tail = true;
  forget_cells(tenant, count);
  add(known);
}

void Books::forget_cells(int tenant, size_t count) {
  auto& own = cells[tenant];
  own.erase(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(count));
  gathering.erase(std::remove(gathering.begin(), gathering.end(), tenant), gathering.end());
  if (!own.empty()) gathering.push_back(tenant);  // with a cell that came just now
}

int64_t Books::cells_of_all() const {
  size_t sum = 0;
  for (const auto& each : cells) sum += each.size();
  return static_cast<int64_t>(sum);
}

int64_t Books::in_front() const {
  int64_t sum = 0;
  for (const auto& [id, known] : all) {
    sum += known.where == in_flight || (known.where == backlog && !known.tail);
  }
  return sum;
}

Known* Books::front() {
  Known* found = nullptr;
  for (auto& [id, known] : all) {
    if (known.where != backlog) continue;
    if (found == nullptr || known.place < found->place) found = &known;
  }
  return found;
}

void Books::check_turn(const Known& known) const {
  CHECK(suspects_in_flight == 0);
  if (known.suspect) CHECK(counts_[in_flight] == 0);
  const auto& before = waiting_[known.tenant];
  CHECK(before.empty() || *before.begin() >= known.id);
  const auto& flying = flying_[known.tenant];
  CHECK(flying.empty() || *flying.rbegin() < known.id);
  if (known.tenant < kTenants && !cells[known.tenant].empty()) {
    CHECK(cells[known.tenant].front() > known.id);
  }
}

void Books::check_acknowledged(const Known& known) const {
  CHECK(known.where == in_flight);
  CHECK(*flying_[known.tenant].begin() == known.id);
  const auto& before = waiting_[known.tenant];
  CHECK(before.empty() || *before.begin() > known.id);
}

void Books::check_counts(const atomwire::bus::Counts& counts) const {
  CHECK(counts.accepted == counts.delivered + counts.failed + counts.waiting());
  CHECK(counts.accepted == accepted);
  CHECK(counts.delivered == counts_[delivered]);
  CHECK(counts.failed == counts_[failed]);
  CHECK(counts.in_flight == counts_[in_flight]);
  CHECK(counts.backlog == counts_[backlog]);
  CHECK(counts.spooled == counts_[spooled]);
  CHECK(counts.dropped == dropped);
  CHECK(counts.gathering == cells_of_all());
}

}  // namespace model
