// Walking a vector of molecules run by run. A run is some molecules in a row with one vtable whose
// tables, and hashes with them, lie at a constant stride: what every writer makes of similar cells.
// A run is checked as a whole, so that reading one costs a few compares a molecule.
#pragma once

#include "read.hpp"

namespace atomwire {

// What a vtable says of a molecule's fields.
struct MoleculeVtable {
  uint64_t position = UINT64_MAX;
  uint16_t place[kMoleculeFields] = {};  // distance from the table's start, 0 when absent
  uint64_t extent = 0;                   // end of the furthest inline field
  uint64_t alignment = 4;                // that all strides of a run must keep

  bool has(MoleculeField field) const noexcept {
    return place[static_cast<unsigned>(field)] != 0;
  }
};

struct Run {
  uint64_t row = 0;   // of its first molecule
  uint64_t rows = 0;
  uint64_t table = 0;  // position of the first table
  uint64_t hash = 0;   // position of the 16 bytes of the first hash
  int64_t stride = 0;  // from table to table, and from hash to hash
  MoleculeVtable vtable;

  uint64_t table_at(uint64_t index) const noexcept {
    return table + index * static_cast<uint64_t>(stride);
  }
  uint64_t hash_at(uint64_t index) const noexcept {
    return hash + index * static_cast<uint64_t>(stride);
  }
};

class Runs {
 public:
  // Needs a vector that read_molecules has found in `bytes`.
  Runs(Bytes bytes, const Span& vector) noexcept : bytes_(bytes), vector_(vector) {}

  bool done() const noexcept { return row_ == vector_.length; }
  // Every inline field and every hash of the run lies inside the buffer.
  bool next(Run& run, Fault& fault) noexcept;

 private:
  const uint8_t* element(uint64_t row) const noexcept {
    return bytes_.data + vector_.position + row * kOffsetBytes;
  }
  bool open_first(Run& run, Fault& fault) noexcept;
  void extend(Run& run) const noexcept;

  Bytes bytes_;
  Span vector_;
  uint64_t row_ = 0;
  MoleculeVtable known_[16];  // parsed ones: writers share few vtables between many tables
};

}  // namespace atomwire
