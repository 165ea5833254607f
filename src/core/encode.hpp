// The stamping encoder. An event is planned first (its exact size, its vtables, the place of every
// string) and then written once, front to back, into memory of that size:
//
//   root offset | root vtable | root table | envelope strings
//   | offset vector | molecule vtables | records at constant stride | string heap | padding
#pragma once

#include <memory>

#include "columns.hpp"
#include "layout.hpp"

namespace atomwire {

enum class EncodeError : uint8_t { none, too_many_molecules, too_large, no_memory };

struct Envelope {
  Text event_id;  // kEventIdChars characters
  Text trace_id;
  Text tenant_id;
  Text user_id;
  Text schema_payload;
  Text region;
  int64_t timestamp = 0;
  int8_t type = 0;
  bool has_molecules = false;
};

// Bytes up to where the molecules begin (or the event ends); a multiple of 4.
uint64_t envelope_size(const Envelope& envelope) noexcept;
void write_envelope(uint8_t* out, const Envelope& envelope) noexcept;

// The molecules of one event: plan once, write any number of times.
class MoleculePlan {
 public:
  // `start` is where the offset vector will lie in the event: a multiple of 4. The columns must
  // stay as they are until the last write.
  EncodeError prepare(const MoleculeColumns& columns, uint64_t start) noexcept;
  EncodeError prepare(const MoleculeColumns&& columns, uint64_t start) = delete;
  // Where the event ends.
  uint64_t end() const noexcept { return end_; }
  // `event` is the start of the whole event, end() bytes long.
  void write(uint8_t* event) const noexcept;

 private:
  FieldSet given_fields() const noexcept;
  EncodeError find_presence() noexcept;
  void clear_absent(const ScalarColumn& column, MoleculeField field) noexcept;
  EncodeError place_texts(uint64_t start) noexcept;
  void list_sets() noexcept;
  void write_offsets(uint8_t* event) const noexcept;
  void write_vtables(uint8_t* event) const noexcept;
  void write_records(uint8_t* event) const noexcept;
  void stamp_booleans(uint8_t* event, uint64_t first, uint64_t count) const noexcept;
  void point_to_texts(uint8_t* event, uint64_t first, uint64_t count) const noexcept;
  void write_heap(uint8_t* event) const noexcept;

  const MoleculeColumns* columns_ = nullptr;
  RecordLayout layout_;
  FieldSet fields_ = 0;     // the union over all rows
  bool uniform_ = true;     // every row has all of fields_
  unsigned vtables_ = 0;    // how many distinct sets of fields there are
  FieldSet sets_[256];      // the set of each vtable
  uint32_t vtable_distance_[256];  // from the first vtable, for each set that occurs
  uint64_t vector_ = 0;     // positions in the event
  uint64_t vtable_start_ = 0;
  uint64_t records_ = 0;
  uint64_t heap_ = 0;
  uint64_t heap_bytes_ = 0;
  uint64_t end_ = 0;
  std::unique_ptr<FieldSet[]> presence_;       // a set a row, unless uniform_
  std::unique_ptr<uint32_t[]> text_place_[2];  // where in the heap each row's text lies
  uint32_t constant_place_[2];                 // or the one text of a constant column
};

}  // namespace atomwire
