#include "cell.hpp"

namespace atomwire {
namespace {

template <typename T>
void give(ScalarColumn& column, const T& value, Kind kind) noexcept {
  column.data = reinterpret_cast<const uint8_t*>(&value);
  column.kind = kind;
}

void give(TextColumn& column, const Text& text) noexcept {
  column.rows = &text;
  column.constant = true;
}

}  // namespace

MoleculeColumns columns_of(const Cell& cell) noexcept {
  static_assert(sizeof cell.truth == 1, "a bool is read as a byte");
  MoleculeColumns columns;
  columns.count = 1;
  columns.hash.data = cell.hash;
  switch (cell.kind) {
    case CellKind::none:
      break;
    case CellKind::number:
      give(columns.wide[0], cell.number, Kind::f64);
      break;
    case CellKind::date:
      give(columns.wide[1], cell.date, Kind::i64);
      break;
    case CellKind::boolean:
      give(columns.boolean, cell.truth, Kind::u8);
      break;
    case CellKind::text:
      give(columns.text[0], cell.text);
      break;
    case CellKind::error:
      give(columns.text[1], cell.text);
      break;
  }
  if (cell.has_timestamp) give(columns.wide[2], cell.timestamp, Kind::i64);
  if (cell.has_mask) give(columns.wide[3], cell.mask, Kind::u64);
  return columns;
}

}  // namespace atomwire
