#include "gather.hpp"

namespace atomwire {
namespace {

template <typename Visit>
bool each_run(Bytes bytes, uint64_t count, Fault& fault, Visit visit) noexcept {
  Span vector;
  if (bytes.size > kMaxEventBytes) {
    return fail(fault, Reason::too_long, Place::root(), 0, bytes.size);
  }
  if (!read_molecules(bytes, vector, fault)) return false;
  if (vector.length != count) {
    return fail(fault, Reason::index, Place::of(EventField::molecules), vector.position,
                vector.length);
  }
  Runs runs(bytes, vector);
  Run run;
  while (!runs.done()) {
    if (!runs.next(run, fault) || !visit(run)) return false;
  }
  return true;
}

template <typename T>
bool gather(Bytes bytes, uint64_t count, MoleculeField field, uint8_t* out, Fault& fault) noexcept {
  return each_run(bytes, count, fault, [&](const Run& run) {
    uint8_t* to = out + run.row * sizeof(T);
    if (!run.vtable.has(field)) {
      std::memset(to, 0, run.rows * sizeof(T));
      return true;
    }
    const uint8_t* from = bytes.data + run.table + run.vtable.place[static_cast<unsigned>(field)];
    for (uint64_t index = 0; index < run.rows; ++index) {
      store(to, load<T>(from));
      to += sizeof(T);
      from += run.stride;
    }
    return true;
  });
}

}  // namespace

bool gather_hashes(Bytes bytes, uint64_t count, uint8_t* out, Fault& fault) noexcept {
  return each_run(bytes, count, fault, [&](const Run& run) {
    uint8_t* to = out + run.row * kHashBytes;
    const uint8_t* from = bytes.data + run.hash;
    for (uint64_t index = 0; index < run.rows; ++index) {
      std::memcpy(to, from, kHashBytes);
      to += kHashBytes;
      from += run.stride;
    }
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
  return each_run(bytes, count, fault, [&](const Run& run) {
    std::memset(out + run.row, run.vtable.has(field) ? 0 : 1, run.rows);
    return true;
  });
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
      if (!read_span_at(bytes, at, 1, Place::of(field, row), span, fault)) return false;
      out[row] = {reinterpret_cast<const char*>(bytes.data + span.position), span.length};
    }
    return true;
  });
}

}  // namespace atomwire
