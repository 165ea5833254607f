// Checked steps into foreign bytes: table, vtable, field, string, vector. Every step checks just
// what it is about to touch, so a path is safe without verifying the rest of the buffer.
#pragma once

#include "bytes.hpp"
#include "fault.hpp"
#include "layout.hpp"

namespace atomwire {

struct Table {
  uint64_t position;
  uint64_t vtable;
  uint16_t vtable_bytes;
};

// A length-prefixed run of elements: a vector, or a string without its NUL.
struct Span {
  uint64_t position = 0;  // of the first element
  uint64_t length = 0;
  bool present = false;
};

inline bool open_table(Bytes bytes, uint64_t position, FieldPath path, Table& table,
                       Fault& fault) noexcept {
  if (!bytes.holds(position, 4)) return fail(fault, Reason::offset_outside, path, position);
  const int64_t back = load<int32_t>(bytes.data + position);
  // Wraps around when it leads before the buffer, and is then out of bounds all the same.
  const uint64_t vtable = position - static_cast<uint64_t>(back);
  if (!bytes.holds(vtable, 4)) return fail(fault, Reason::vtable_outside, path, position);
  const uint16_t size = load<uint16_t>(bytes.data + vtable);
  if (size < 4 || (size & 1) != 0) return fail(fault, Reason::vtable_size, path, vtable, size);
  if (!bytes.holds(vtable, size)) return fail(fault, Reason::vtable_outside, path, vtable);
  table = {position, vtable, size};
  return true;
}

inline bool open_root(Bytes bytes, Table& table, Fault& fault) noexcept {
  if (bytes.size < 8) return fail(fault, Reason::too_short, FieldPath::root(), 0, bytes.size);
  return open_table(bytes, load<uint32_t>(bytes.data), FieldPath::root(), table, fault);
}

// Distance of a field from its table's start; 0 when it is absent.
inline uint16_t entry(Bytes bytes, const Table& table, unsigned field_id) noexcept {
  const uint64_t slot = slot_of(field_id);
  return slot + 2 <= table.vtable_bytes ? load<uint16_t>(bytes.data + table.vtable + slot)
                                        : uint16_t{0};
}

// An absent scalar leaves `value` as it is: put its default there.
template <typename T>
inline bool read_scalar(Bytes bytes, const Table& table, FieldPath path, T& value,
                        Fault& fault) noexcept {
  const uint16_t distance = entry(bytes, table, path.field);
  if (distance == 0) return true;
  const uint64_t position = table.position + distance;
  if (!bytes.holds(position, sizeof(T))) {
    return fail(fault, Reason::value_outside, path, position);
  }
  value = load<T>(bytes.data + position);
  return true;
}

inline bool read_span_at(Bytes bytes, uint64_t field_position, uint64_t element_bytes,
                         FieldPath path, Span& span, Fault& fault) noexcept {
  if (!bytes.holds(field_position, kOffsetBytes)) {
    return fail(fault, Reason::value_outside, path, field_position);
  }
  const uint32_t offset = load<uint32_t>(bytes.data + field_position);
  if (offset == 0) return fail(fault, Reason::offset_zero, path, field_position);
  const uint64_t header = field_position + offset;
  if (!bytes.holds(header, kVectorHeader)) {
    return fail(fault, Reason::offset_outside, path, field_position, offset);
  }
  const uint64_t length = load<uint32_t>(bytes.data + header);
  if (!bytes.holds(header + kVectorHeader, length * element_bytes)) {
    return fail(fault, Reason::value_outside, path, header, length);
  }
  span = {header + kVectorHeader, length, true};
  return true;
}

// A string or vector; an absent one leaves span.present false.
inline bool read_span(Bytes bytes, const Table& table, uint64_t element_bytes, FieldPath path,
                      Span& span, Fault& fault) noexcept {
  const uint16_t distance = entry(bytes, table, path.field);
  if (distance == 0) {
    span = {};
    return true;
  }
  return read_span_at(bytes, table.position + distance, element_bytes, path, span, fault);
}

// The vector of molecules; an absent one has no elements.
inline bool read_molecules(Bytes bytes, Span& vector, Fault& fault) noexcept {
  Table root;
  if (!open_root(bytes, root, fault)) return false;
  return read_span(bytes, root, kOffsetBytes, FieldPath::of(EventField::molecules), vector, fault);
}

// Needs index < vector.length.
inline bool open_molecule(Bytes bytes, const Span& vector, uint64_t index, Table& molecule,
                          Fault& fault) noexcept {
  const uint64_t element = vector.position + index * kOffsetBytes;
  const uint32_t offset = load<uint32_t>(bytes.data + element);
  if (offset == 0) return fail(fault, Reason::offset_zero, FieldPath::molecule(index), element);
  return open_table(bytes, element + offset, FieldPath::molecule(index), molecule, fault);
}

inline bool read_hash(Bytes bytes, const Table& molecule, uint64_t index, uint64_t& position,
                      Fault& fault) noexcept {
  const FieldPath path = FieldPath::of(MoleculeField::coordinate_hash, index);
  Span hash;
  if (!read_span(bytes, molecule, 1, path, hash, fault)) return false;
  if (!hash.present) return fail(fault, Reason::missing, path, molecule.position);
  if (hash.length != kHashBytes) {
    return fail(fault, Reason::hash_length, path, hash.position - kVectorHeader, hash.length);
  }
  position = hash.position;
  return true;
}

}  // namespace atomwire
