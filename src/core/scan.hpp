// From a vector of molecules back to columns. One scan finds how regular the layout is: where
// tables lie at a constant stride, a column is a view on the message; elsewhere it is gathered.
#pragma once

#include "columns.hpp"
#include "read.hpp"

namespace atomwire {

struct ScannedField {
  uint64_t present = 0;        // rows that have the field
  uint16_t place = 0;          // distance from the table's start
  bool constant_place = true;  // the same in all rows that have it
};

struct Scan {
  uint64_t count = 0;
  uint64_t first = 0;           // position of the first table
  int64_t stride = 0;           // from table to table
  bool constant_stride = true;
  uint64_t first_hash = 0;      // position of the first hash's 16 bytes
  bool constant_hash = true;    // hashes lie at the same stride
  ScannedField fields[kMoleculeFields];
};

// Checks every molecule's table, vtable, inline fields and hash; not the strings.
bool scan_molecules(Bytes bytes, Scan& scan, Fault& fault) noexcept;

// The gathering functions check each step anew, so they are safe even when the bytes were changed
// since the scan. `count` rows are written; fewer molecules than that by then is a fault.

// 16 bytes a row.
bool gather_hashes(Bytes bytes, uint64_t count, uint8_t* out, Fault& fault) noexcept;

// inline_size(field) bytes a row, zero where absent.
bool gather_scalars(Bytes bytes, uint64_t count, MoleculeField field, uint8_t* out,
                    Fault& fault) noexcept;

// One byte a row, 1 where the field is absent.
bool gather_absent(Bytes bytes, uint64_t count, MoleculeField field, uint8_t* out,
                   Fault& fault) noexcept;

// One text a row, pointing into `bytes`. Not checked for UTF-8 or overlaps.
bool gather_texts(Bytes bytes, uint64_t count, MoleculeField field, Text* out,
                  Fault& fault) noexcept;

}  // namespace atomwire
