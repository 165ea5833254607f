// The model: where each event is, told by what was seen from outside of the queue, and kept in
// containers in which there is nothing to get wrong.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "model_content.hpp"
#include "send_queue.hpp"

namespace model {

enum Where { awaiting, backlog, in_flight, spooled, delivered, failed, kPlaces };

struct Known {
  Id id = 0;
  int tenant = 0;
  int64_t cost = 0;  // of cells at least that, until they were seen
  int64_t number = 0;
  int64_t row = 0;
  int64_t place = 0;  // in the order of acceptance, in which all events go
  int64_t since = 0;  // when it came into the backlog
  bool wanted = false;
  bool suspect = false;
  bool tail = false;         // was never handed over, nor on the disk
  bool with_writer = false;  // who has it in hand
  bool damaged = false;      // on the disk, where nobody can read it
  Where where = backlog;
};

class Books {
 public:
  explicit Books(int64_t (*steady)()) : steady_(steady) {}

  // Cells that are no event yet, by tenant, and the tenants in the order of their first cells.
  std::vector<Id> cells[kTenants];
  std::vector<int> gathering;
  int64_t dropped = 0;
  int64_t accepted = 0;

  Known& add(const Known& known);
  Known* find(Id id);
  void move(Known& known, Where to);
  // Withdrawn, or refused by the disk: it was never accepted.
  void vanish(Known& known);
  void damage(Known& known);

  // Cells from the front of a tenant's become an event in the backlog, or are dropped.
  void merge(int tenant, size_t count);
  void forget_cells(int tenant, size_t count);
  int64_t cells_of_all() const;

  int64_t count(Where where) const { return counts_[where]; }
  int64_t in_memory() const { return counts_[awaiting] + counts_[backlog] + counts_[in_flight]; }
  int64_t bytes_in_memory() const { return bytes_[awaiting] + bytes_[backlog] + bytes_[in_flight]; }
  int64_t bytes(Where where) const { return bytes_[where]; }
  void set_cost(Known& known, int64_t cost);
  // Of what is before the disk: in flight, or to go next.
  int64_t in_front() const;

  // The first in the backlog, null when none is there.
  Known* front();
  // How often something has left memory.
  int64_t leavings() const { return leavings_; }

  // That it is the event's turn now.
  void check_turn(const Known& known) const;
  // That nothing of its tenant is left that should have been acknowledged before.
  void check_acknowledged(const Known& known) const;
  void check_counts(const atomwire::bus::Counts& counts) const;

  std::map<Id, Known> all;  // but for the delivered and the failed
  int suspects_in_flight = 0;

 private:
  std::set<Id>& set_of(const Known& known);

  int64_t (*const steady_)();
  int64_t last_place_ = 0;
  int64_t leavings_ = 0;
  int64_t counts_[kPlaces] = {};
  int64_t bytes_[kPlaces] = {};
  std::set<Id> waiting_[kTenants + 1];
  std::set<Id> flying_[kTenants + 1];
};

}  // namespace model
