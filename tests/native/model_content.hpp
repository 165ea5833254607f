// What the model's events and cells look like: all but the tenant follows from the id, which whoever
// has the bytes reads again.
#pragma once

#include <string>
#include <vector>

#include "cell.hpp"
#include "event.hpp"

namespace model {

// In order of creation, of events and cells alike: of a tenant, the order in which they are to arrive.
using Id = int64_t;

constexpr int kTenants = 5;
constexpr int kOldTenant = kTenants;  // whose events are adopted in the middle of a life

std::string tenant_name(int tenant);
int tenant_of(std::string_view name);

std::string content_of(Id id, size_t size);
atomwire::bus::HeaderList headers_of(Id id);
// The broker refuses it.
inline bool is_poison(Id id) noexcept { return id % 23 == 0; }

// Cells of one user only share an event.
inline bool has_user(Id cell) noexcept { return cell / 7 % 3 == 0; }
atomwire::Cell cell_of(Id id, const std::string& text);

struct Read {
  std::vector<Id> ids;  // one, or those of the cells
  bool cells = false;

  Id id() const noexcept { return ids.front(); }
};

// Checks the content as well.
Read read(std::string_view bytes);

}  // namespace model
