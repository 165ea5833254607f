// Columns of a message whose layout is not regular enough for views, copied into new memory. Every
// step is checked anew, so gathering is safe even when the bytes have changed since they were
// verified. `count` rows are written; another number of molecules by then is a fault.
#pragma once

#include "scan.hpp"

namespace atomwire {

// Where the columns go; null where one is not wanted.
struct GatheredColumns {
  uint8_t* values[kMoleculeFields] = {};  // 16 bytes a row for the hash, else inline_size(field);
                                          // zero where absent; not for texts
  uint8_t* absent[kMoleculeFields] = {};  // one byte a row, 1 where absent
};

// All columns in one walk.
bool gather_columns(Bytes bytes, uint64_t count, const GatheredColumns& out, Fault& fault) noexcept;

// The same of bytes that a scan was made of and that has kept all runs: nothing is walked, and as
// only values are read, no change since then can lead outside.
void gather_kept(Bytes bytes, const Scan& scan, const GatheredColumns& out) noexcept;

// One text a row, pointing into `bytes`. Not checked for UTF-8 or overlaps.
bool gather_texts(Bytes bytes, uint64_t count, MoleculeField field, Text* out,
                  Fault& fault) noexcept;

}  // namespace atomwire
