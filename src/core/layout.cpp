// The schema is the source: a changed slot, type or enum value fails this file, and so the build,
// instead of writing wrong bytes.
#include "layout.hpp"

#include <type_traits>
#include <utility>

#include "atom_event_generated.h"

namespace atomwire {
namespace {

using Event = event::v1::AtomEvent;
using Molecule = event::v1::FlatMolecule;

constexpr uint64_t slot(EventField field) { return slot_of(static_cast<unsigned>(field)); }
constexpr uint64_t slot(MoleculeField field) { return slot_of(static_cast<unsigned>(field)); }

static_assert(slot(EventField::event_id) == Event::VT_EVENT_ID);
static_assert(slot(EventField::trace_id) == Event::VT_TRACE_ID);
static_assert(slot(EventField::timestamp) == Event::VT_TIMESTAMP);
static_assert(slot(EventField::type) == Event::VT_TYPE);
static_assert(slot(EventField::tenant_id) == Event::VT_TENANT_ID);
static_assert(slot(EventField::user_id) == Event::VT_USER_ID);
static_assert(slot(EventField::molecules) == Event::VT_MOLECULES);
static_assert(slot(EventField::schema_payload) == Event::VT_SCHEMA_PAYLOAD);
static_assert(slot(EventField::region) == Event::VT_REGION);

static_assert(slot(MoleculeField::coordinate_hash) == Molecule::VT_COORDINATE_HASH);
static_assert(slot(MoleculeField::numeric_value) == Molecule::VT_NUMERIC_VALUE);
static_assert(slot(MoleculeField::text_commentary) == Molecule::VT_TEXT_COMMENTARY);
static_assert(slot(MoleculeField::date_value) == Molecule::VT_DATE_VALUE);
static_assert(slot(MoleculeField::boolean_value) == Molecule::VT_BOOLEAN_VALUE);
static_assert(slot(MoleculeField::error_value) == Molecule::VT_ERROR_VALUE);
static_assert(slot(MoleculeField::timestamp) == Molecule::VT_TIMESTAMP);
static_assert(slot(MoleculeField::security_mask) == Molecule::VT_SECURITY_MASK);

template <typename Accessor>
using Value = std::remove_cv_t<
    std::remove_reference_t<decltype((std::declval<const Molecule&>().*std::declval<Accessor>())())>>;

// A cell's value is present or absent; a builder that took a zero for absent would lose zeros.
template <typename T>
using Optional = flatbuffers::Optional<T>;
static_assert(std::is_same_v<Value<decltype(&Molecule::numeric_value)>, Optional<double>>);
static_assert(std::is_same_v<Value<decltype(&Molecule::date_value)>, Optional<int64_t>>);
static_assert(std::is_same_v<Value<decltype(&Molecule::boolean_value)>, Optional<bool>>);
static_assert(std::is_same_v<Value<decltype(&Molecule::timestamp)>, int64_t>);
static_assert(std::is_same_v<Value<decltype(&Molecule::security_mask)>, uint64_t>);
static_assert(std::is_same_v<decltype(std::declval<const Event&>().timestamp()), int64_t>);
static_assert(sizeof(event::v1::EventType) == 1);

// Scalars are aligned to their size from the buffer's start, and no two fields overlap.
static_assert((envelope::kTimestamp & 7) == 0);
static_assert(envelope::kVtable + vtable_bytes(kEventFields) <= envelope::kTable);
static_assert(envelope::kTable + envelope::kTableBytes <= envelope::kHeadBytes);

constexpr bool sound(FieldSet fields) {
  const RecordLayout layout = record_layout(fields);
  for (const MoleculeField field : kWideFields) {
    if ((layout.place[static_cast<unsigned>(field)] & 7) != 0) return false;
  }
  const unsigned between = layout.hash - layout.tail;
  return (layout.hash & 7) == 0 && (layout.stride & 7) == 0 && (layout.tail & 7) == 0 &&
         layout.table_bytes + kVectorHeader <= layout.hash && (between == 8 || between == 16);
}
constexpr bool all_sound() {
  for (unsigned fields = 1; fields < 256; fields += 2) {
    if (!sound(static_cast<FieldSet>(fields))) return false;
  }
  return true;
}
static_assert(all_sound());

}  // namespace
}  // namespace atomwire
