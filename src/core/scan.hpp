// How regular the molecules of an event lie. Where tables keep a constant stride, a column is a view
// on the message; elsewhere it is gathered.
#pragma once

#include "runs.hpp"

namespace atomwire {

struct ScannedField {
  uint64_t present = 0;        // rows that have the field
  uint16_t place = 0;          // distance from the table's start
  bool constant_place = true;  // the same in all rows that have it
};

struct Scan {
  uint64_t count = 0;
  uint64_t first = 0;  // position of the first table
  int64_t stride = 0;  // from table to table
  bool constant_stride = true;
  uint64_t first_hash = 0;    // position of the first hash's 16 bytes
  bool constant_hash = true;  // hashes lie at the same stride
  ScannedField fields[kMoleculeFields];
  // The runs themselves while they are few: every place in them was checked, so that they can be
  // copied from without walking the message again.
  static constexpr uint64_t kKept = 16;
  Run runs[kKept];
  uint64_t run_count = 0;

  bool kept_all() const noexcept { return run_count <= kKept; }

  void add(const Run& run) noexcept;
  // To be called after the last run. Rows that lack a field may be too short for it: where a view
  // would lead outside the buffer in such a row, the field's place counts as not constant.
  void close(Bytes bytes) noexcept;

 private:
  uint64_t last_ = 0;  // positions of the last molecule's table and hash
  uint64_t last_hash_ = 0;
};

}  // namespace atomwire
