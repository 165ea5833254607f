// What is wrong with a message, and where: filled in only on failure.
#pragma once

#include <cstdint>

#include "layout.hpp"

namespace atomwire {

enum class Reason : uint8_t {
  none,
  too_short,            // fewer bytes than the smallest buffer
  too_long,             // 2 GiB or more
  offset_outside,       // an offset leads outside the buffer
  offset_zero,          // a present offset of zero
  vtable_outside,       // the vtable is not inside the buffer
  vtable_size,          // an odd or too small vtable
  value_outside,        // the value, vector or string ends outside the buffer
  misaligned,           // verify only: not aligned to its size
  not_terminated,       // verify only: a string without its NUL
  not_utf8,             // a string that is not UTF-8
  strings_overlap,      // strings that claim each other's bytes: a bomb, no writer makes them
  too_many_molecules,   // more tables than the official verifiers accept
  hash_length,          // a coordinate_hash that is not 16 bytes
  missing,              // a field that every event or molecule must have
  empty,                // an empty tenant_id
  index,                // no molecule with that index
  no_memory,            // the reader's own scratch memory
};

// Ids that stand for no field of a table.
constexpr uint8_t kWholeTable = 0xFF;

struct Fault {
  Reason reason = Reason::none;
  bool in_molecule = false;
  uint8_t field = kWholeTable;  // id within the root table, or within the molecule
  uint64_t index = 0;           // of the molecule
  uint64_t position = 0;        // byte position in the buffer
  uint64_t value = 0;           // what was found there, where that helps
};

// Where a reader stands: names the field in a fault.
struct FieldPath {
  bool in_molecule;
  uint8_t field;
  uint64_t index;

  static constexpr FieldPath root() noexcept { return {false, kWholeTable, 0}; }
  static constexpr FieldPath of(EventField field) noexcept {
    return {false, static_cast<uint8_t>(field), 0};
  }
  static constexpr FieldPath molecule(uint64_t index) noexcept {
    return {true, kWholeTable, index};
  }
  static constexpr FieldPath of(MoleculeField field, uint64_t index) noexcept {
    return {true, static_cast<uint8_t>(field), index};
  }
};

// Always false, so that a check reads: return fail(...).
inline bool fail(Fault& fault, Reason reason, FieldPath path, uint64_t position,
                 uint64_t value = 0) noexcept {
  fault = {reason, path.in_molecule, path.field, path.index, position, value};
  return false;
}

}  // namespace atomwire
