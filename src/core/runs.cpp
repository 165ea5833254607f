#include "runs.hpp"

namespace atomwire {
namespace {

constexpr uint64_t kNoPosition = UINT64_MAX;

bool is_wide(MoleculeField field) noexcept { return inline_size(field) == 8; }

bool parse(Bytes bytes, uint64_t position, uint64_t row, MoleculeVtable& vtable,
           Fault& fault) noexcept {
  Table table;
  vtable.position = kNoPosition;  // a half-filled one must not be found again
  if (!open_table(bytes, position, FieldPath::molecule(row), table, fault)) return false;
  vtable.extent = 4;
  vtable.alignment = 4;
  for (unsigned id = 0; id < kMoleculeFields; ++id) {
    const MoleculeField field = static_cast<MoleculeField>(id);
    const uint16_t place = entry(bytes, table, id);
    vtable.place[id] = place;
    if (place == 0) continue;
    const uint64_t end = place + inline_size(field);
    if (end > vtable.extent) vtable.extent = end;
    if (is_wide(field)) vtable.alignment = 8;
  }
  vtable.position = table.vtable;
  return true;
}

bool blame_field(Bytes bytes, uint64_t table, uint64_t row, const MoleculeVtable& vtable,
                 Fault& fault) noexcept {
  for (unsigned id = 0; id < kMoleculeFields; ++id) {
    const MoleculeField field = static_cast<MoleculeField>(id);
    const uint64_t position = table + vtable.place[id];
    if (vtable.has(field) && !bytes.holds(position, inline_size(field))) {
      return fail(fault, Reason::value_outside, FieldPath::of(field, row), position);
    }
  }
  return fail(fault, Reason::value_outside, FieldPath::molecule(row), table);
}

// How many steps of `stride` something of `length` bytes at `position` can take inside the buffer.
uint64_t steps_inside(Bytes bytes, uint64_t position, uint64_t length, int64_t stride) noexcept {
  if (stride == 0) return UINT64_MAX;
  return stride > 0 ? (bytes.size - length - position) / static_cast<uint64_t>(stride)
                    : position / (0 - static_cast<uint64_t>(stride));
}

// How many steps an offset can take and still lead forward within 32 bits.
uint64_t steps_forward(uint32_t offset, int64_t step) noexcept {
  if (step == 0) return UINT64_MAX;
  return step > 0 ? (UINT32_MAX - offset) / static_cast<uint64_t>(step)
                  : (offset - 1) / (0 - static_cast<uint64_t>(step));
}

uint64_t least(uint64_t a, uint64_t b) noexcept { return a < b ? a : b; }

}  // namespace

// The first molecule of a run, every step checked.
bool Runs::open_first(Run& run, Fault& fault) noexcept {
  const FieldPath path = FieldPath::molecule(row_);
  const uint64_t at = vector_.position + row_ * kOffsetBytes;
  const uint32_t offset = load<uint32_t>(bytes_.data + at);
  if (offset == 0) return fail(fault, Reason::offset_zero, path, at);
  const uint64_t table = at + offset;
  if (!bytes_.holds(table, 4)) return fail(fault, Reason::offset_outside, path, table);
  const int64_t back = load<int32_t>(bytes_.data + table);
  const uint64_t position = table - static_cast<uint64_t>(back);
  if (!bytes_.holds(position, 4)) return fail(fault, Reason::vtable_outside, path, table);
  MoleculeVtable& vtable = known_[(position >> 1) * 0x9E3779B97F4A7C15u >> 60];
  if (vtable.position != position && !parse(bytes_, table, row_, vtable, fault)) return false;
  if (!bytes_.holds(table, vtable.extent)) return blame_field(bytes_, table, row_, vtable, fault);

  const FieldPath hash_path = FieldPath::of(MoleculeField::coordinate_hash, row_);
  const uint16_t distance = vtable.place[0];
  if (distance == 0) return fail(fault, Reason::missing, hash_path, table);
  Span hash;
  if (!read_span_at(bytes_, table + distance, 1, hash_path, hash, fault)) return false;
  if (hash.length != kHashBytes) {
    return fail(fault, Reason::hash_length, hash_path, hash.position - kVectorHeader, hash.length);
  }
  run.row = row_;
  run.rows = 1;
  run.table = table;
  run.hash = hash.position;
  run.stride = 0;
  run.vtable = vtable;
  return true;
}

// Takes in the molecules that follow at a constant stride with the same vtable.
void Runs::extend(Run& run) const noexcept {
  const uint64_t left = vector_.length - run.row - 1;
  if (left == 0) return;
  // Positions are below 2^33, so the differences fit.
  const uint64_t second = vector_.position + (run.row + 1) * kOffsetBytes +
                          load<uint32_t>(element(run.row + 1));
  const int64_t stride = static_cast<int64_t>(second - run.table);
  if ((static_cast<uint64_t>(stride) & (run.vtable.alignment - 1)) != 0) return;
  if (!bytes_.holds(second, 4) ||
      static_cast<uint64_t>(int64_t{load<int32_t>(bytes_.data + second)}) !=
          second - run.vtable.position) {
    return;
  }

  const uint64_t header = run.hash - kVectorHeader;
  uint32_t offset = static_cast<uint32_t>(run.table - (vector_.position + run.row * kOffsetBytes));
  const int64_t offset_step = stride - static_cast<int64_t>(kOffsetBytes);
  uint64_t most = least(left, steps_forward(offset, offset_step));
  most = least(most, steps_inside(bytes_, run.table, run.vtable.extent, stride));
  most = least(most, steps_inside(bytes_, header, kVectorHeader + kHashBytes, stride));

  const uint32_t step = static_cast<uint32_t>(stride);
  const uint64_t hash_place = run.vtable.place[0];
  const uint32_t hash_offset = static_cast<uint32_t>(header - (run.table + hash_place));
  // uoffsets of the elements, and soffsets to the one vtable, are arithmetic progressions.
  uint32_t soffset = static_cast<uint32_t>(run.table - run.vtable.position);
  const uint8_t* table = bytes_.data + run.table;
  const uint8_t* next_element = element(run.row);
  uint64_t taken = 0;
  for (; taken < most; ++taken) {
    offset += static_cast<uint32_t>(offset_step);
    soffset += step;
    table += stride;
    next_element += kOffsetBytes;
    const uint32_t differs = (load<uint32_t>(next_element) ^ offset) |
                             (load<uint32_t>(table) ^ soffset) |
                             (load<uint32_t>(table + hash_place) ^ hash_offset) |
                             (load<uint32_t>(table + hash_place + hash_offset) ^
                              static_cast<uint32_t>(kHashBytes));
    if (differs != 0) break;
  }
  if (taken == 0) return;
  run.rows += taken;
  run.stride = stride;
}

bool Runs::next(Run& run, Fault& fault) noexcept {
  if (!open_first(run, fault)) return false;
  extend(run);
  row_ += run.rows;
  return true;
}

}  // namespace atomwire
