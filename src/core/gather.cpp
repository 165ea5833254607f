#include "gather.hpp"

namespace atomwire {
namespace {

// A run is copied in blocks of this many rows, so that its records come to the L1 cache once for all
// columns.
constexpr uint64_t kBlockRows = 256;

template <typename Visit>
bool each_run(Bytes bytes, uint64_t count, Fault& fault, Visit visit) noexcept {
  Span vector;
  if (bytes.size > kMaxEventBytes) {
    return fail(fault, Reason::too_long, FieldPath::root(), 0, bytes.size);
  }
  if (!read_molecules(bytes, vector, fault)) return false;
  if (vector.length != count) {
    return fail(fault, Reason::index, FieldPath::of(EventField::molecules), vector.position,
                vector.length);
  }
  Runs runs(bytes, vector);
  Run run;
  while (!runs.done()) {
    if (!runs.next(run, fault) || !visit(run)) return false;
  }
  return true;
}

template <uint64_t Width>
void copy_strided(const uint8_t* from, int64_t stride, uint64_t rows, uint8_t* to) noexcept {
  for (uint64_t row = 0; row < rows; ++row, to += Width, from += stride) {
    std::memcpy(to, from, Width);
  }
}

void copy_values(Bytes bytes, const Run& run, unsigned id, uint8_t* out) noexcept {
  const MoleculeField field = static_cast<MoleculeField>(id);
  if (field == MoleculeField::coordinate_hash) {
    copy_strided<kHashBytes>(bytes.data + run.hash, run.stride, run.rows,
                             out + run.row * kHashBytes);
    return;
  }
  const uint64_t width = inline_size(field);
  uint8_t* const to = out + run.row * width;
  const uint8_t* const from = bytes.data + run.table + run.vtable.place[id];
  if (!run.vtable.has(field)) {
    std::memset(to, 0, run.rows * width);
  } else if (width == 1) {
    copy_strided<1>(from, run.stride, run.rows, to);
  } else {
    copy_strided<8>(from, run.stride, run.rows, to);
  }
}

void copy_block(Bytes bytes, const Run& run, const GatheredColumns& out) noexcept {
  for (unsigned id = 0; id < kMoleculeFields; ++id) {
    if (out.values[id] != nullptr) copy_values(bytes, run, id, out.values[id]);
    if (out.absent[id] != nullptr) {
      const bool present = run.vtable.has(static_cast<MoleculeField>(id));
      std::memset(out.absent[id] + run.row, present ? 0 : 1, run.rows);
    }
  }
}

void copy_run(Bytes bytes, const Run& run, const GatheredColumns& out) noexcept {
  Run block = run;
  for (uint64_t done = 0; done < run.rows; done += block.rows) {
    block.row = run.row + done;
    block.rows = run.rows - done < kBlockRows ? run.rows - done : kBlockRows;
    block.table = run.table_at(done);
    block.hash = run.hash_at(done);
    copy_block(bytes, block, out);
  }
}

}  // namespace

bool gather_columns(Bytes bytes, uint64_t count, const GatheredColumns& out,
                    Fault& fault) noexcept {
  return each_run(bytes, count, fault, [&](const Run& run) {
    copy_run(bytes, run, out);
    return true;
  });
}

void gather_kept(Bytes bytes, const Scan& scan, const GatheredColumns& out) noexcept {
  for (uint64_t index = 0; index < scan.run_count; ++index) copy_run(bytes, scan.runs[index], out);
}

bool gather_texts(Bytes bytes, uint64_t count, MoleculeField field, Text* out,
                  Fault& fault) noexcept {
  return each_run(bytes, count, fault, [&](const Run& run) {
    for (uint64_t index = 0; index < run.rows; ++index) {
      const uint64_t row = run.row + index;
      out[row] = {};
      if (!run.vtable.has(field)) continue;
      const uint64_t at = run.table_at(index) + run.vtable.place[static_cast<unsigned>(field)];
      Span span;
      if (!read_span_at(bytes, at, 1, FieldPath::of(field, row), span, fault)) return false;
      out[row] = {reinterpret_cast<const char*>(bytes.data + span.position), span.length};
    }
    return true;
  });
}

}  // namespace atomwire
