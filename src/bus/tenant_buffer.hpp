// The cells of one tenant that wait to become an event.
#pragma once

#include <string>

#include "accumulate.hpp"
#include "event_head.hpp"

namespace atomwire::bus {

// What all cells of an event share. `user` and `region` may be absent.
struct Label {
  Text tenant;
  Text user;
  Text region;
};

class TenantBuffer {
 public:
  // False without memory.
  bool label(const Label& label) noexcept;
  bool has_label(const Label& label) const noexcept;
  const std::string& tenant() const noexcept { return tenant_; }

  uint64_t count() const noexcept { return rows_.count(); }
  // At least as many bytes as the event would have with this cell in it.
  uint64_t bytes_with(const Cell& cell) const noexcept {
    return head_.size() + rows_.bytes_with(cell);
  }
  bool append(const Cell& cell) noexcept { return rows_.append(cell); }
  // The cells as an event made at `now`, Unix nanoseconds; false without memory.
  bool make_event(int64_t now, std::string& event) noexcept;
  void clear() noexcept { rows_.clear(); }

  int64_t first = 0;  // when the first of its cells came, steady nanoseconds
  int64_t last = 0;   // when an event of its cells went out
  int64_t bytes = 0;  // an estimate of the memory of its cells

 private:
  static bool same(const Text& text, bool has, const std::string& own) noexcept;

  Accumulator rows_;
  EventHead head_;
  std::string tenant_;
  std::string user_;
  std::string region_;
  bool has_user_ = false;
  bool has_region_ = false;
};

}  // namespace atomwire::bus
