#include "scan.hpp"

namespace atomwire {
namespace {

// What a vtable says of the molecule fields.
struct Vtable {
  uint64_t position = UINT64_MAX;
  uint16_t place[kMoleculeFields] = {};
  uint64_t extent = 0;  // end of the furthest inline field, from the table's start
};

// Writers share vtables between tables, this project's encoder one for each set of fields: a few
// parsed ones serve nearly all rows.
class Vtables {
 public:
  bool open(Bytes bytes, uint64_t table, uint64_t index, const Vtable*& found,
            Fault& fault) noexcept {
    const Place place = Place::molecule(index);
    if (!bytes.holds(table, 4)) return fail(fault, Reason::offset_outside, place, table);
    const int64_t back = load<int32_t>(bytes.data + table);
    const uint64_t position = table - static_cast<uint64_t>(back);
    if (!bytes.holds(position, 4)) return fail(fault, Reason::vtable_outside, place, table);
    Vtable& vtable = slots_[(position >> 1) * 0x9E3779B97F4A7C15u >> 60];
    if (vtable.position != position && !parse(bytes, table, index, vtable, fault)) return false;
    if (!bytes.holds(table, vtable.extent)) return blame_extent(bytes, table, index, vtable, fault);
    found = &vtable;
    return true;
  }

 private:
  static bool parse(Bytes bytes, uint64_t position, uint64_t index, Vtable& vtable,
                    Fault& fault) noexcept {
    Table table;
    vtable.position = UINT64_MAX;  // a half-filled slot must not be found
    if (!open_table(bytes, position, Place::molecule(index), table, fault)) return false;
    vtable.extent = 4;
    for (unsigned field = 0; field < kMoleculeFields; ++field) {
      const uint16_t place = entry(bytes, table, field);
      vtable.place[field] = place;
      if (place == 0) continue;
      const uint64_t end = place + inline_size(static_cast<MoleculeField>(field));
      if (end > vtable.extent) vtable.extent = end;
    }
    vtable.position = table.vtable;
    return true;
  }

  static bool blame_extent(Bytes bytes, uint64_t table, uint64_t index, const Vtable& vtable,
                           Fault& fault) noexcept {
    for (unsigned field = 0; field < kMoleculeFields; ++field) {
      const MoleculeField each = static_cast<MoleculeField>(field);
      if (vtable.place[field] == 0) continue;
      const uint64_t position = table + vtable.place[field];
      if (!bytes.holds(position, inline_size(each))) {
        return fail(fault, Reason::value_outside, Place::of(each, index), position);
      }
    }
    return fail(fault, Reason::value_outside, Place::molecule(index), table);
  }

  Vtable slots_[16];
};

// Counts, run by run of rows with the same vtable, which fields are present and where.
class FieldCounter {
 public:
  explicit FieldCounter(Scan& scan) noexcept : scan_(scan) {}

  void add(const Vtable& vtable, uint64_t rows) noexcept {
    for (unsigned field = 0; field < kMoleculeFields; ++field) {
      const uint16_t place = vtable.place[field];
      if (place == 0) continue;
      ScannedField& seen = scan_.fields[field];
      if (seen.present == 0) seen.place = place;
      seen.constant_place &= seen.place == place;
      seen.present += rows;
    }
  }

 private:
  Scan& scan_;
};

// Walks the first `count` molecules; `visit(row, table position, vtable)` may fail.
template <typename Visit>
bool walk(Bytes bytes, uint64_t count, Fault& fault, Visit visit) noexcept {
  Span vector;
  if (!read_molecules(bytes, vector, fault)) return false;
  if (vector.length < count) {
    return fail(fault, Reason::index, Place::of(EventField::molecules), vector.position,
                vector.length);
  }
  Vtables vtables;
  const Vtable* vtable = nullptr;
  for (uint64_t row = 0; row < count; ++row) {
    const uint64_t element = vector.position + row * kOffsetBytes;
    const uint32_t offset = load<uint32_t>(bytes.data + element);
    if (offset == 0) return fail(fault, Reason::offset_zero, Place::molecule(row), element);
    const uint64_t table = element + offset;
    if (!vtables.open(bytes, table, row, vtable, fault)) return false;
    if (!visit(row, table, *vtable)) return false;
  }
  return true;
}

bool hash_of(Bytes bytes, uint64_t table, const Vtable& vtable, uint64_t row, uint64_t& position,
             Fault& fault) noexcept {
  const Place place = Place::of(MoleculeField::coordinate_hash, row);
  const uint16_t distance = vtable.place[0];
  if (distance == 0) return fail(fault, Reason::missing, place, table);
  Span hash;
  if (!read_span_at(bytes, table + distance, 1, place, hash, fault)) return false;
  if (hash.length != kHashBytes) {
    return fail(fault, Reason::hash_length, place, hash.position - kVectorHeader, hash.length);
  }
  position = hash.position;
  return true;
}

template <typename T>
bool gather(Bytes bytes, uint64_t count, MoleculeField field, uint8_t* out, Fault& fault) noexcept {
  const unsigned id = static_cast<unsigned>(field);
  return walk(bytes, count, fault, [&](uint64_t row, uint64_t table, const Vtable& vtable) {
    const uint16_t place = vtable.place[id];
    store<T>(out + row * sizeof(T), place == 0 ? T{0} : load<T>(bytes.data + table + place));
    return true;
  });
}

}  // namespace

bool scan_molecules(Bytes bytes, Scan& scan, Fault& fault) noexcept {
  scan = {};
  Span vector;
  if (!read_molecules(bytes, vector, fault)) return false;
  scan.count = vector.length;

  FieldCounter counter(scan);
  Vtable run;
  uint64_t run_start = 0;
  uint64_t last_table = 0;
  uint64_t last_hash = 0;
  const bool sound =
      walk(bytes, scan.count, fault, [&](uint64_t row, uint64_t table, const Vtable& vtable) {
        uint64_t hash = 0;
        if (!hash_of(bytes, table, vtable, row, hash, fault)) return false;
        if (vtable.position != run.position) {
          counter.add(run, row - run_start);
          run = vtable;
          run_start = row;
        }
        if (row == 0) {
          scan.first = table;
          scan.first_hash = hash;
        } else {
          const int64_t step = static_cast<int64_t>(table - last_table);
          if (row == 1) scan.stride = step;
          scan.constant_stride &= step == scan.stride;
          scan.constant_hash &= static_cast<int64_t>(hash - last_hash) == scan.stride;
        }
        last_table = table;
        last_hash = hash;
        return true;
      });
  if (!sound) return false;
  counter.add(run, scan.count - run_start);
  return true;
}

bool gather_hashes(Bytes bytes, uint64_t count, uint8_t* out, Fault& fault) noexcept {
  return walk(bytes, count, fault, [&](uint64_t row, uint64_t table, const Vtable& vtable) {
    uint64_t hash = 0;
    if (!hash_of(bytes, table, vtable, row, hash, fault)) return false;
    std::memcpy(out + row * kHashBytes, bytes.data + hash, kHashBytes);
    return true;
  });
}

bool gather_scalars(Bytes bytes, uint64_t count, MoleculeField field, uint8_t* out,
                    Fault& fault) noexcept {
  return inline_size(field) == 1 ? gather<uint8_t>(bytes, count, field, out, fault)
                                 : gather<uint64_t>(bytes, count, field, out, fault);
}

bool gather_absent(Bytes bytes, uint64_t count, MoleculeField field, uint8_t* out,
                   Fault& fault) noexcept {
  const unsigned id = static_cast<unsigned>(field);
  return walk(bytes, count, fault, [&](uint64_t row, uint64_t, const Vtable& vtable) {
    out[row] = vtable.place[id] == 0;
    return true;
  });
}

bool gather_texts(Bytes bytes, uint64_t count, MoleculeField field, Text* out,
                  Fault& fault) noexcept {
  const unsigned id = static_cast<unsigned>(field);
  return walk(bytes, count, fault, [&](uint64_t row, uint64_t table, const Vtable& vtable) {
    out[row] = {};
    if (vtable.place[id] == 0) return true;
    Span span;
    if (!read_span_at(bytes, table + vtable.place[id], 1, Place::of(field, row), span, fault)) {
      return false;
    }
    out[row] = {reinterpret_cast<const char*>(bytes.data + span.position), span.length};
    return true;
  });
}

}  // namespace atomwire
