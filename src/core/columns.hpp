// The columns that an encoder reads: memory that somebody else owns, of any stride.
#pragma once

#include "bytes.hpp"
#include "layout.hpp"

namespace atomwire {

enum class Kind : uint8_t { f64, f32, i64, i32, i16, i8, u64, u32, u16, u8 };

// One scalar a row. Without data the column is not given. A stride of 0 is one value for all rows.
struct ScalarColumn {
  const uint8_t* data = nullptr;
  int64_t stride = 0;
  Kind kind = Kind::f64;
  const uint8_t* absent = nullptr;  // one byte a row, not zero where the row has no value
  int64_t absent_stride = 0;

  bool given() const noexcept { return data != nullptr; }
};

// 16 contiguous bytes a row.
struct HashColumn {
  const uint8_t* data = nullptr;
  int64_t stride = 0;
};

// One text a row, or one for all rows. Without rows the column is not given.
struct TextColumn {
  const Text* rows = nullptr;
  bool constant = false;

  bool given() const noexcept { return rows != nullptr; }
  const Text& at(uint64_t row) const noexcept { return rows[constant ? 0 : row]; }
};

struct MoleculeColumns {
  uint64_t count = 0;
  HashColumn hash;
  ScalarColumn wide[4];  // as kWideFields
  ScalarColumn boolean;
  TextColumn text[2];  // as kTextFields

  // Whether rows may have different fields, or texts: then planning walks over them.
  bool may_differ() const noexcept {
    for (const ScalarColumn& column : wide) {
      if (column.absent != nullptr) return true;
    }
    for (const TextColumn& column : text) {
      if (column.given() && !column.constant) return true;
    }
    return boolean.absent != nullptr;
  }
};

// Copies `count` rows from `first` on into contiguous 8-byte values of the field's wire type:
// doubles when `to_double`, 64-bit integers otherwise.
void load_wide(const ScalarColumn& column, bool to_double, uint64_t first, uint64_t count,
               uint8_t* out) noexcept;

}  // namespace atomwire
