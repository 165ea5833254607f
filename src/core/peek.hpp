// One field of a raw message, by the checked path to it and nothing else.
#pragma once

#include "read.hpp"

namespace atomwire {

// Absent scalars peek as the schema's default, zero.
template <typename T>
inline bool peek_scalar(Bytes bytes, EventField field, T& value, Fault& fault) noexcept {
  Table root;
  value = 0;
  return open_root(bytes, root, fault) &&
         read_scalar(bytes, root, FieldPath::of(field), value, fault);
}

inline bool peek_text(Bytes bytes, EventField field, Text& text, Fault& fault) noexcept {
  Table root;
  Span span;
  if (!open_root(bytes, root, fault)) return false;
  if (!read_span(bytes, root, 1, FieldPath::of(field), span, fault)) return false;
  text = span.present ? Text{reinterpret_cast<const char*>(bytes.data + span.position), span.length}
                      : Text{};
  return true;
}

inline bool peek_count(Bytes bytes, uint64_t& count, Fault& fault) noexcept {
  Span vector;
  if (!read_molecules(bytes, vector, fault)) return false;
  count = vector.length;
  return true;
}

// Where the 16 bytes of a molecule's hash lie. A negative index counts from the end.
inline bool peek_hash(Bytes bytes, int64_t index, const uint8_t*& hash, Fault& fault) noexcept {
  Span vector;
  if (!read_molecules(bytes, vector, fault)) return false;
  const uint64_t at = static_cast<uint64_t>(index < 0 ? index + static_cast<int64_t>(vector.length)
                                                      : index);
  if (at >= vector.length) {
    return fail(fault, Reason::index, FieldPath::of(EventField::molecules), 0, vector.length);
  }
  Table molecule;
  uint64_t position = 0;
  if (!open_molecule(bytes, vector, at, molecule, fault)) return false;
  if (!read_hash(bytes, molecule, at, position, fault)) return false;
  hash = bytes.data + position;
  return true;
}

}  // namespace atomwire
