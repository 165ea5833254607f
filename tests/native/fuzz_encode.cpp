// Any columns: planned, written, accepted by both verifiers, and read back by flatc's accessors as
// they were given.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>
#include <vector>

#include "atom_event_generated.h"
#include "encode.hpp"
#include "input.hpp"
#include "verify.hpp"

namespace {

using namespace atomwire;
using fuzz::Input;
using Official = event::v1::AtomEvent;
using OfficialMolecule = event::v1::FlatMolecule;

constexpr unsigned kMostRows = 600;  // more than two of the encoder's blocks
constexpr Kind kNumberKinds[] = {Kind::f64, Kind::f32, Kind::i64, Kind::i32, Kind::i16,
                                 Kind::i8,  Kind::u64, Kind::u32, Kind::u16, Kind::u8};
constexpr unsigned kIntegersFrom = 2;

uint64_t width_of(Kind kind) {
  switch (kind) {
    case Kind::f64:
    case Kind::i64:
    case Kind::u64:
      return 8;
    case Kind::f32:
    case Kind::i32:
    case Kind::u32:
      return 4;
    case Kind::i16:
    case Kind::u16:
      return 2;
    case Kind::i8:
    case Kind::u8:
      return 1;
  }
  return 0;
}

// Memory exactly as long as the column claims, walked forwards, backwards, with gaps or not at all.
struct Strided {
  std::vector<uint8_t> memory;
  int64_t stride = 0;
  const uint8_t* first = nullptr;

  void make(Input& input, uint64_t width, uint64_t rows) {
    const unsigned shape = input.below(4);
    const uint64_t step = shape == 0 ? width : shape == 1 ? width + input.below(24) : width;
    stride = shape == 3 ? 0 : static_cast<int64_t>(step);
    const uint64_t steps = rows == 0 ? 0 : rows - 1;
    memory.resize(shape == 3 ? width : step * steps + width);
    // Few distinct bytes come in; spread them.
    uint64_t state = input.take<uint64_t>();
    for (uint8_t& byte : memory) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      byte = static_cast<uint8_t>(state >> 56);
    }
    if (memory.size() >= width) {
      for (unsigned given = input.below(4); given > 0; --given) {  // extremes, NaNs, infinities
        const uint64_t value = input.take<uint64_t>();
        const uint64_t row = rows == 0 || stride == 0 ? 0 : input.below(255) % rows;
        std::memcpy(memory.data() + row * static_cast<uint64_t>(stride), &value,
                    std::min<uint64_t>(width, sizeof value));
      }
    }
    first = memory.data();
    if (shape == 2 && rows > 0) {
      first += step * steps;
      stride = -stride;
    }
  }

  const uint8_t* at(uint64_t row) const { return first + static_cast<int64_t>(row) * stride; }
};

struct Scalars {
  Strided values;
  Strided absent;
  ScalarColumn column;

  void make(Input& input, uint64_t rows, unsigned kinds_from, unsigned kinds_to) {
    if (!input.flip()) return;
    column.kind = kNumberKinds[kinds_from + input.below(kinds_to - kinds_from)];
    values.make(input, width_of(column.kind), rows);
    column.data = values.first;
    column.stride = values.stride;
    if (!input.flip()) return;
    absent.make(input, 1, rows);
    for (uint8_t& byte : absent.memory) byte &= 1;
    column.absent = absent.first;
    column.absent_stride = absent.stride;
  }

  bool present(uint64_t row) const {
    return column.given() && (column.absent == nullptr || *absent.at(row) == 0);
  }

  template <typename To>
  To value(uint64_t row) const {
    const uint8_t* const from = values.at(row);
    switch (column.kind) {
      case Kind::f64:
        return static_cast<To>(load<double>(from));
      case Kind::f32:
        return static_cast<To>(load<float>(from));
      case Kind::i64:
        return static_cast<To>(load<int64_t>(from));
      case Kind::i32:
        return static_cast<To>(load<int32_t>(from));
      case Kind::i16:
        return static_cast<To>(load<int16_t>(from));
      case Kind::i8:
        return static_cast<To>(load<int8_t>(from));
      case Kind::u64:
        return static_cast<To>(load<uint64_t>(from));
      case Kind::u32:
        return static_cast<To>(load<uint32_t>(from));
      case Kind::u16:
        return static_cast<To>(load<uint16_t>(from));
      case Kind::u8:
        return static_cast<To>(load<uint8_t>(from));
    }
    return To{};
  }
};

struct Texts {
  std::vector<std::string> pool;
  std::vector<Text> rows;
  TextColumn column;

  void make(Input& input, uint64_t count) {
    if (!input.flip()) return;
    for (unsigned texts = 1 + input.below(6); texts > 0; --texts) pool.push_back(input.text());
    column.constant = input.flip();
    rows.resize(std::max<uint64_t>(column.constant ? 1 : count, 1));
    uint64_t state = input.take<uint32_t>();
    for (Text& row : rows) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const uint64_t pick = (state >> 33) % (pool.size() + 1);
      if (pick < pool.size()) row = {pool[pick].data(), pool[pick].size()};
    }
    column.rows = rows.data();
  }

  Text at(uint64_t row) const { return column.given() ? column.at(row) : Text{}; }
};

struct EnvelopeTexts {
  std::string pool[6];
  Text make(Input& input, unsigned number) {
    if (!input.flip()) return {};
    pool[number] = input.text();
    return {pool[number].data(), pool[number].size()};
  }
};

void same(const flatbuffers::String* found, const Text& expected) {
  CHECK((found != nullptr) == expected.present());
  if (found != nullptr) CHECK(found->string_view() == std::string_view(expected.data, expected.size));
}

// Presence is private to the accessors.
bool has(const OfficialMolecule& molecule, flatbuffers::voffset_t slot) {
  return reinterpret_cast<const flatbuffers::Table&>(molecule).CheckField(slot);
}

template <typename T>
void same_optional(const flatbuffers::Optional<T>& found, bool present, T expected) {
  CHECK(found.has_value() == present);
  if (present) CHECK(*found == expected);
}

template <typename T>
void same_integer(const OfficialMolecule& molecule, flatbuffers::voffset_t slot, T found,
                  const Scalars& expected, uint64_t row) {
  CHECK(has(molecule, slot) == expected.present(row));
  CHECK(found == (expected.present(row) ? expected.value<T>(row) : T{0}));
}

struct Case {
  Strided hashes;
  Scalars wide[4];
  Scalars boolean;
  Texts texts[2];
  MoleculeColumns columns;

  explicit Case(Input& input) {
    // Most often a few rows, now and then more than a block.
    const unsigned size = input.below(64);
    columns.count = size < 63 ? input.below(9) : input.take<uint16_t>() % kMostRows;
    hashes.make(input, kHashBytes, columns.count);
    columns.hash = {hashes.first, hashes.stride};
    for (unsigned column = 0; column < 4; ++column) {
      wide[column].make(input, columns.count, column == 0 ? 0 : kIntegersFrom, 10);
      columns.wide[column] = wide[column].column;
    }
    boolean.make(input, columns.count, 9, 10);
    columns.boolean = boolean.column;
    for (unsigned column = 0; column < 2; ++column) {
      texts[column].make(input, columns.count);
      columns.text[column] = texts[column].column;
    }
  }

  void compare(const OfficialMolecule& found, uint64_t row) const {
    CHECK(found.coordinate_hash() != nullptr && found.coordinate_hash()->size() == kHashBytes);
    CHECK(std::memcmp(found.coordinate_hash()->data(), hashes.at(row), kHashBytes) == 0);

    CHECK(found.numeric_value().has_value() == wide[0].present(row));
    if (wide[0].present(row)) {
      const double number = *found.numeric_value();
      const double expected = wide[0].value<double>(row);
      const bool same_bits = std::memcmp(&number, &expected, sizeof number) == 0;
      CHECK(same_bits || (std::isnan(number) && std::isnan(expected) &&
                          wide[0].column.kind == Kind::f32));
    }
    const bool dated = wide[1].present(row);
    same_optional(found.date_value(), dated, dated ? wide[1].value<int64_t>(row) : 0);
    same_integer(found, OfficialMolecule::VT_TIMESTAMP, found.timestamp(), wide[2], row);
    same_integer(found, OfficialMolecule::VT_SECURITY_MASK, found.security_mask(), wide[3], row);
    const bool judged = boolean.present(row);
    same_optional(found.boolean_value(), judged, judged && *boolean.values.at(row) != 0);
    same(found.text_commentary(), texts[0].at(row));
    same(found.error_value(), texts[1].at(row));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  EnvelopeTexts pool;
  Envelope envelope;
  envelope.timestamp = input.take<int64_t>();
  envelope.type = input.take<int8_t>();
  const std::string event_id(kEventIdChars, 'e');
  envelope.event_id = {event_id.data(), event_id.size()};
  const std::string tenant = "t" + input.text();
  envelope.tenant_id = {tenant.data(), tenant.size()};
  envelope.trace_id = pool.make(input, 0);
  envelope.user_id = pool.make(input, 1);
  envelope.schema_payload = pool.make(input, 2);
  envelope.region = pool.make(input, 3);
  envelope.has_molecules = true;

  const Case given(input);
  MoleculePlan plan;
  CHECK(plan.prepare(given.columns, envelope_size(envelope)) == EncodeError::none);
  const uint64_t bytes = plan.end();
  CHECK(bytes % 8 == 0);

  // Written twice over different rubbish: equal only when every byte is written.
  std::unique_ptr<uint8_t[]> events[2];
  for (unsigned copy = 0; copy < 2; ++copy) {
    events[copy].reset(new uint8_t[bytes]);
    std::memset(events[copy].get(), copy == 0 ? 0xA5 : 0x5A, bytes);
    write_envelope(events[copy].get(), envelope);
    plan.write(events[copy].get());
  }
  const uint8_t* const event = events[0].get();
  CHECK(std::memcmp(event, events[1].get(), bytes) == 0);

  Fault fault;
  Scan scan;
  CHECK(verify({event, bytes}, scan, fault));
  flatbuffers::Verifier verifier(event, bytes);
  CHECK(event::v1::VerifyAtomEventBuffer(verifier));

  const Official& found = *flatbuffers::GetRoot<Official>(event);
  CHECK(found.timestamp() == envelope.timestamp);
  CHECK(static_cast<int8_t>(found.type()) == envelope.type);
  same(found.event_id(), envelope.event_id);
  same(found.tenant_id(), envelope.tenant_id);
  same(found.trace_id(), envelope.trace_id);
  same(found.user_id(), envelope.user_id);
  same(found.schema_payload(), envelope.schema_payload);
  same(found.region(), envelope.region);
  CHECK(found.molecules() != nullptr && found.molecules()->size() == given.columns.count);
  for (uint64_t row = 0; row < given.columns.count; ++row) {
    given.compare(*found.molecules()->Get(static_cast<flatbuffers::uoffset_t>(row)), row);
  }
  return 0;
}
