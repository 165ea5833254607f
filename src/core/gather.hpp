// Columns of a message whose layout is not regular enough for views, copied into new memory. Every
// step is checked anew, so gathering is safe even when the bytes have changed since they were
// verified. `count` rows are written; another number of molecules by then is a fault.
#pragma once

#include "runs.hpp"

namespace atomwire {

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
