#include "scan.hpp"

namespace atomwire {

void Scan::add(const Run& run) noexcept {
  if (run_count < kKept) runs[run_count] = run;
  ++run_count;
  for (unsigned field = 0; field < kMoleculeFields; ++field) {
    const uint16_t place = run.vtable.place[field];
    if (place == 0) continue;
    ScannedField& seen = fields[field];
    if (seen.present == 0) seen.place = place;
    seen.constant_place &= seen.place == place;
    seen.present += run.rows;
  }

  const auto step_to = [&](uint64_t table, uint64_t hash) {
    const int64_t step = static_cast<int64_t>(table - last_);
    if (count == 1) stride = step;
    constant_stride &= step == stride;
    constant_hash &= static_cast<int64_t>(hash - last_hash_) == stride;
  };
  if (count == 0) {
    first = run.table;
    first_hash = run.hash;
  } else {
    step_to(run.table, run.hash);
  }
  count += 1;
  if (run.rows > 1) {
    last_ = run.table;
    last_hash_ = run.hash;
    step_to(run.table_at(1), run.hash_at(1));
    count += run.rows - 1;
  }
  last_ = run.table_at(run.rows - 1);
  last_hash_ = run.hash_at(run.rows - 1);
}

void Scan::close(Bytes bytes) noexcept {
  for (unsigned id = 0; id < kMoleculeFields; ++id) {
    ScannedField& seen = fields[id];
    if (seen.present == 0 || seen.present == count) continue;
    const uint64_t width = inline_size(static_cast<MoleculeField>(id));
    const uint64_t from = first + seen.place;
    // Wraps around when it leads before the buffer, and is then outside all the same.
    const uint64_t to = from + (count - 1) * static_cast<uint64_t>(stride);
    seen.constant_place &= bytes.holds(from, width) && bytes.holds(to, width);
  }
}

}  // namespace atomwire
