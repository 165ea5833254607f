// Where the fields of AtomEvent live. Slots are those of schema/event/v1/atom_event.fbs; layout.cpp
// ties each of them to flatc's generated header.
#pragma once

#include <cstdint>

#include "bytes.hpp"

namespace atomwire {

// Field ids of the root table, in the order of the schema.
enum class EventField : uint8_t {
  event_id,
  trace_id,
  timestamp,
  type,
  tenant_id,
  user_id,
  molecules,
  schema_payload,
  region,
};
constexpr unsigned kEventFields = 9;

// Field ids of a molecule, in the order of the schema.
enum class MoleculeField : uint8_t {
  coordinate_hash,
  numeric_value,
  text_commentary,
  date_value,
  boolean_value,
  error_value,
  timestamp,
  security_mask,
};
constexpr unsigned kMoleculeFields = 8;

// A set of molecule fields, bit n for field id n.
using FieldSet = uint8_t;
constexpr FieldSet bit(MoleculeField field) noexcept {
  return static_cast<FieldSet>(1u << static_cast<unsigned>(field));
}

constexpr uint64_t kHashBytes = 16;
constexpr uint64_t kVectorHeader = 4;  // the uint32 length before the elements
constexpr uint64_t kOffsetBytes = 4;
constexpr uint64_t kEventIdChars = 36;

// The official verifiers stop at 1,000,000 tables, root included.
constexpr uint64_t kMaxMolecules = 999'999;
// Offsets are signed 32-bit on the reader's side. Rust's verifier also counts shared strings anew
// for every table that points to them, up to the same number of bytes.
constexpr uint64_t kMaxEventBytes = (uint64_t{1} << 31) - 1;

// Distance of a field's entry from the start of its vtable: two uint16 sizes come first.
constexpr uint64_t slot_of(unsigned field_id) noexcept { return 4 + 2 * uint64_t{field_id}; }
constexpr uint64_t vtable_bytes(unsigned fields) noexcept { return slot_of(fields); }

// Bytes that a field takes inside its table; offsets (strings, vectors) take four.
constexpr uint64_t inline_size(MoleculeField field) noexcept {
  switch (field) {
    case MoleculeField::numeric_value:
    case MoleculeField::date_value:
    case MoleculeField::timestamp:
    case MoleculeField::security_mask:
      return 8;
    case MoleculeField::boolean_value:
      return 1;
    case MoleculeField::coordinate_hash:
    case MoleculeField::text_commentary:
    case MoleculeField::error_value:
      return 4;
  }
  return 0;
}

constexpr uint64_t inline_size(EventField field) noexcept {
  return field == EventField::timestamp ? 8 : field == EventField::type ? 1 : 4;
}

// The envelope as this encoder writes it: everything before the strings has a constant place, so
// an event is stamped from constants. A string that is not given leaves its four bytes unused.
namespace envelope {
constexpr uint64_t kVtable = 4;  // behind the root offset
constexpr uint64_t kTable = 28;  // vtable_bytes(9) = 22, and the timestamp falls on a multiple of 8
constexpr uint64_t kHeadBytes = 72;

// Distance of a field from the start of the root table.
constexpr uint64_t place_of(EventField field) noexcept {
  switch (field) {
    case EventField::timestamp:
      return 4;
    case EventField::event_id:
      return 12;
    case EventField::tenant_id:
      return 16;
    case EventField::region:
      return 20;
    case EventField::trace_id:
      return 24;
    case EventField::user_id:
      return 28;
    case EventField::schema_payload:
      return 32;
    case EventField::molecules:
      return 36;
    case EventField::type:
      return 40;
  }
  return 0;
}
constexpr uint64_t kTableBytes = place_of(EventField::type) + 1;
// event_id is the first string, and of constant length, so that it can be stamped anew in place.
constexpr uint64_t kEventIdText = kHeadBytes + kVectorHeader;
constexpr uint64_t kTimestamp = kTable + place_of(EventField::timestamp);
}  // namespace envelope

// One record: a molecule's table and, behind it, its hash vector. All molecules of an event share
// one layout, so records lie at a constant stride and offsets inside a record are constants.
//
//   soffset | offset of the hash | 8-byte scalars | string offsets | bool | pad | 16 | hash
//
// The hash lies on a multiple of 8 and ends the record, so columns of hashes are aligned views.
struct RecordLayout {
  uint16_t place[kMoleculeFields] = {};  // distance from the table's start, 0 when not in the set
  uint16_t table_bytes = 0;
  uint16_t tail = 0;    // start of the 8 or 16 bytes between the 8-byte scalars and the hash
  uint16_t hash = 0;    // the 16 bytes themselves
  uint16_t stride = 0;  // a multiple of 8
};

constexpr MoleculeField kWideFields[] = {MoleculeField::numeric_value, MoleculeField::date_value,
                                         MoleculeField::timestamp, MoleculeField::security_mask};
constexpr MoleculeField kTextFields[] = {MoleculeField::text_commentary,
                                         MoleculeField::error_value};

constexpr RecordLayout record_layout(FieldSet fields) noexcept {
  RecordLayout layout;
  uint64_t at = 4;  // behind the soffset to the vtable
  const auto put = [&](MoleculeField field) {
    if ((fields & bit(field)) == 0) return;
    layout.place[static_cast<unsigned>(field)] = static_cast<uint16_t>(at);
    at += inline_size(field);
  };
  layout.place[static_cast<unsigned>(MoleculeField::coordinate_hash)] = static_cast<uint16_t>(at);
  at += kOffsetBytes;
  for (const MoleculeField field : kWideFields) put(field);
  layout.tail = static_cast<uint16_t>(at);
  for (const MoleculeField field : kTextFields) put(field);
  put(MoleculeField::boolean_value);
  layout.table_bytes = static_cast<uint16_t>(at);
  layout.hash = static_cast<uint16_t>(align_up(at + kVectorHeader, 8));
  layout.stride = static_cast<uint16_t>(layout.hash + kHashBytes);
  return layout;
}

}  // namespace atomwire
