// The tenants that gather cells, and the few that have just done so: each is in one of two lists, both
// in the order of their times, so what is due stands in front.
#pragma once

#include <list>
#include <string_view>
#include <unordered_map>

#include "tenant_buffer.hpp"

namespace atomwire::bus {

class Gathering {
 public:
  using Place = std::list<TenantBuffer>::iterator;

  // The tenant's buffer; false when it has none.
  bool find(const Label& label, Place& place) noexcept;
  // A new one, with `last` as the time of its last event; false without memory.
  bool make(const Label& label, int64_t last, Place& place) noexcept;
  // False when the tenant has no cells.
  bool find_with_cells(std::string_view tenant, Place& place) noexcept;

  bool append(Place place, const Cell& cell, int64_t now) noexcept;
  // After its cells went out, or were dropped.
  void clear(Place place, int64_t now) noexcept;

  bool some() const noexcept { return !gathering_.empty(); }
  // The tenant that has waited longest; only when there is one.
  Place oldest() noexcept { return gathering_.begin(); }
  // Gives back up to `most` buffers of tenants whose last event went out before `time`.
  void give_back(int64_t time, unsigned most) noexcept;
  // When the next buffer is to be given back: its `last`; false when there is none.
  bool quietest(int64_t& last) const noexcept;

  int64_t cells() const noexcept { return cells_; }
  // An estimate of the memory that all of it takes.
  int64_t bytes() const noexcept { return bytes_; }
  size_t tenants() const noexcept { return places_.size(); }

 private:
  std::list<TenantBuffer> gathering_;  // with cells, by the time of the first
  std::list<TenantBuffer> quiet_;      // without, by the time of the last event
  // The keys lie in the buffers.
  std::unordered_map<std::string_view, Place> places_;
  Place latest_;  // whom the last cell was for: mostly the next one is for him too
  bool has_latest_ = false;
  int64_t cells_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace atomwire::bus
