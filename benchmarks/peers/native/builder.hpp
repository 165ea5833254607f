// What a C++ service would write: flatc's generated builder, one FlatBufferBuilder used again and
// again, so that its memory is allocated once.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "atom_event_generated.h"

struct Column {
  const uint8_t* values = nullptr;  // contiguous; null when not given
  const uint8_t* absent = nullptr;  // one byte a row, or null when every row has a value
};

struct Rows {
  uint64_t count = 0;
  const uint8_t* hashes = nullptr;  // 16 bytes a row
  Column numbers;                   // double
  Column dates;                     // int64
  Column booleans;                  // bytes
  Column timestamps;                // int64
  Column masks;                     // uint64
  const char* const* texts = nullptr;  // null where absent
  const uint32_t* text_sizes = nullptr;
};

class EventBuilder {
 public:
  // Returns the size; the event stays in the builder's memory.
  uint64_t build(const char* tenant, const char* event_id, int64_t timestamp, const Rows& rows) {
    using namespace event::v1;
    builder_.Clear();
    molecules_.clear();
    for (uint64_t row = 0; row < rows.count; ++row) {
      flatbuffers::Offset<flatbuffers::String> text;
      if (rows.texts != nullptr && rows.texts[row] != nullptr) {
        text = builder_.CreateString(rows.texts[row], rows.text_sizes[row]);
      }
      const auto hash = builder_.CreateVector(rows.hashes + 16 * row, 16);
      FlatMoleculeBuilder molecule(builder_);
      molecule.add_coordinate_hash(hash);
      if (has(rows.numbers, row)) molecule.add_numeric_value(at<double>(rows.numbers, row));
      if (!text.IsNull()) molecule.add_text_commentary(text);
      if (has(rows.dates, row)) molecule.add_date_value(at<int64_t>(rows.dates, row));
      if (has(rows.timestamps, row)) molecule.add_timestamp(at<int64_t>(rows.timestamps, row));
      if (has(rows.masks, row)) molecule.add_security_mask(at<uint64_t>(rows.masks, row));
      if (has(rows.booleans, row)) molecule.add_boolean_value(at<uint8_t>(rows.booleans, row) != 0);
      molecules_.push_back(molecule.Finish());
    }
    const auto vector = builder_.CreateVector(molecules_);
    const auto id = builder_.CreateString(event_id);
    const auto tenant_id = builder_.CreateString(tenant);
    AtomEventBuilder event(builder_);
    event.add_event_id(id);
    event.add_timestamp(timestamp);
    event.add_type(EventType::MOLECULE_WRITE);
    event.add_tenant_id(tenant_id);
    event.add_molecules(vector);
    builder_.Finish(event.Finish());
    return builder_.GetSize();
  }

  const uint8_t* data() const { return builder_.GetBufferPointer(); }
  uint64_t size() const { return builder_.GetSize(); }

 private:
  static bool has(const Column& column, uint64_t row) {
    return column.values != nullptr && (column.absent == nullptr || column.absent[row] == 0);
  }
  template <typename T>
  static T at(const Column& column, uint64_t row) {
    T value;
    std::memcpy(&value, column.values + row * sizeof value, sizeof value);
    return value;
  }

  flatbuffers::FlatBufferBuilder builder_;
  std::vector<flatbuffers::Offset<event::v1::FlatMolecule>> molecules_;
};
