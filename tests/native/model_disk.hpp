// A disk that keeps rows in order, and of which the schedule says when it fails.
#pragma once

#include <algorithm>
#include <map>

#include "model_content.hpp"
#include "target.hpp"

namespace model {

struct Row {
  Id id = 0;
  std::string tenant;
  std::string bytes;
  atomwire::bus::HeaderList headers;
};

struct FakeDisk {
  std::map<int64_t, Row> rows;
  int64_t last = 0;

  // Returns the row.
  int64_t append(const Row& row) {
    rows.emplace(++last, row);
    return last;
  }
  // The first of so many rows in front of all others. None is 0, which is no row to the queue.
  int64_t rows_in_front(int64_t count) const {
    return (rows.empty() ? 0 : std::min<int64_t>(rows.begin()->first, 0)) - count;
  }
  // What is lost in between leaves a gap, but nothing lies before what is older.
  void check_order() const {
    std::map<std::string, Id> latest;
    for (const auto& [number, row] : rows) {
      Id& before = latest[row.tenant];
      CHECK(row.id > before);
      before = row.id;
    }
  }
};

}  // namespace model
