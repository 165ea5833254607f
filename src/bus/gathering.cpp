#include "gathering.hpp"

namespace atomwire::bus {
namespace {

// A buffer with its lists, and one cell in the columns of a buffer.
constexpr int64_t kTenantBytes = 2048;
constexpr int64_t kCellBytes = 64;

int64_t bytes_of_cell(const Cell& cell) noexcept {
  return kCellBytes + static_cast<int64_t>(cell.text.size);
}

}  // namespace

bool Gathering::find(const Label& label, Place& place) noexcept {
  const std::string_view tenant(label.tenant.data, label.tenant.size);
  if (!has_latest_ || latest_->tenant() != tenant) {
    const auto found = places_.find(tenant);
    if (found == places_.end()) return false;
    latest_ = found->second;
    has_latest_ = true;
  }
  place = latest_;
  return true;
}

bool Gathering::make(const Label& label, int64_t last, Place& place) noexcept {
  try {
    // In front: it is the one that has been quiet for longest.
    quiet_.emplace_front();
    place = quiet_.begin();
    if (place->label(label)) {
      place->last = last;
      places_.emplace(place->tenant(), place);
      bytes_ += kTenantBytes;
      latest_ = place;
      has_latest_ = true;
      return true;
    }
    quiet_.pop_front();
  } catch (...) {
    if (!quiet_.empty() && places_.find(quiet_.front().tenant()) == places_.end()) {
      quiet_.pop_front();
    }
  }
  return false;
}

bool Gathering::find_with_cells(std::string_view tenant, Place& place) noexcept {
  const auto found = places_.find(tenant);
  if (found == places_.end() || found->second->count() == 0) return false;
  place = found->second;
  return true;
}

bool Gathering::append(Place place, const Cell& cell, int64_t now) noexcept {
  if (!place->append(cell)) return false;
  if (place->count() == 1) {
    place->first = now;
    gathering_.splice(gathering_.end(), quiet_, place);
  }
  ++cells_;
  place->bytes += bytes_of_cell(cell);
  bytes_ += bytes_of_cell(cell);
  return true;
}

void Gathering::clear(Place place, int64_t now) noexcept {
  cells_ -= static_cast<int64_t>(place->count());
  bytes_ -= place->bytes;
  place->bytes = 0;
  place->clear();
  place->last = now;
  quiet_.splice(quiet_.end(), gathering_, place);
}

void Gathering::give_back(int64_t time, unsigned most) noexcept {
  while (most-- > 0 && !quiet_.empty() && quiet_.front().last < time) {
    if (has_latest_ && &*latest_ == &quiet_.front()) has_latest_ = false;
    places_.erase(quiet_.front().tenant());
    quiet_.pop_front();
    bytes_ -= kTenantBytes;
  }
}

bool Gathering::quietest(int64_t& last) const noexcept {
  if (quiet_.empty()) return false;
  last = quiet_.front().last;
  return true;
}

}  // namespace atomwire::bus
