// One changed cell, as a keystroke brings it.
#pragma once

#include "columns.hpp"

namespace atomwire {

enum class CellKind : uint8_t { none, number, text, date, boolean, error };

struct Cell {
  uint8_t hash[kHashBytes];
  CellKind kind = CellKind::none;
  bool truth = false;
  bool has_timestamp = false;
  bool has_mask = false;
  double number = 0;
  int64_t date = 0;
  int64_t timestamp = 0;
  uint64_t mask = 0;
  Text text;  // of a text or an error, in memory of the caller's
};

// The cell as columns of one row, which point into it.
MoleculeColumns columns_of(const Cell& cell) noexcept;

}  // namespace atomwire
