#include "verify.hpp"

#include <memory>
#include <new>

#include "runs.hpp"

namespace atomwire {
namespace {

bool aligned(uint64_t position, uint64_t alignment, FieldPath path, Fault& fault) noexcept {
  return (position & (alignment - 1)) == 0 || fail(fault, Reason::misaligned, path, position);
}

// The strings met so far, one bit for each place where one can start. Writers may share a string
// between tables; distinct strings never overlap, so together they are no longer than the buffer.
// Without that limit a small buffer could claim gigabytes of text.
class SeenStrings {
 public:
  enum class Answer { seen, fresh, overlap, no_memory };

  explicit SeenStrings(Bytes bytes) noexcept : budget_(bytes.size), bits_(bytes.size / 4 / 8 + 1) {}

  // `header` is the position of the length, a multiple of 4.
  Answer meet(uint64_t header, uint64_t length) noexcept {
    if (!seen_) seen_.reset(new (std::nothrow) uint8_t[bits_]());
    if (!seen_) return Answer::no_memory;
    const uint64_t number = header / 4;
    const uint8_t mask = static_cast<uint8_t>(1u << (number & 7));
    if ((seen_[number / 8] & mask) != 0) return Answer::seen;
    seen_[number / 8] |= mask;
    if (kVectorHeader + length + 1 > budget_) return Answer::overlap;
    budget_ -= kVectorHeader + length + 1;
    return Answer::fresh;
  }

 private:
  uint64_t budget_;
  uint64_t bits_;
  std::unique_ptr<uint8_t[]> seen_;
};

class Verifier {
 public:
  Verifier(Bytes bytes, Scan& scan, Fault& fault) noexcept
      : bytes_(bytes), scan_(scan), fault_(fault), strings_(bytes) {}

  bool run() noexcept {
    if (bytes_.size > kMaxEventBytes) {
      return fail(fault_, Reason::too_long, FieldPath::root(), 0, bytes_.size);
    }
    Table root;
    Span molecules;
    return open_root(bytes_, root, fault_) && table(root, FieldPath::root()) &&
           text(root, FieldPath::of(EventField::event_id)) &&
           text(root, FieldPath::of(EventField::trace_id)) &&
           scalar<int64_t>(root, FieldPath::of(EventField::timestamp)) &&
           scalar<int8_t>(root, FieldPath::of(EventField::type)) && tenant(root) &&
           text(root, FieldPath::of(EventField::user_id)) &&
           text(root, FieldPath::of(EventField::schema_payload)) &&
           text(root, FieldPath::of(EventField::region)) &&
           vector(root, kOffsetBytes, FieldPath::of(EventField::molecules), molecules) &&
           all_molecules(molecules);
  }

 private:
  bool table(const Table& table, FieldPath path) noexcept {
    return aligned(table.position, 4, path, fault_) && aligned(table.vtable, 2, path, fault_);
  }

  template <typename T>
  bool scalar(const Table& table, FieldPath path) noexcept {
    const uint16_t distance = entry(bytes_, table, path.field);
    if (distance == 0) return true;
    const uint64_t position = table.position + distance;
    return aligned(position, sizeof(T), path, fault_) &&
           (bytes_.holds(position, sizeof(T)) ||
            fail(fault_, Reason::value_outside, path, position));
  }

  bool vector(const Table& table, uint64_t element_bytes, FieldPath path, Span& span) noexcept {
    const uint16_t distance = entry(bytes_, table, path.field);
    span = {};
    return distance == 0 ||
           (aligned(table.position + distance, 4, path, fault_) &&
            read_span_at(bytes_, table.position + distance, element_bytes, path, span, fault_) &&
            aligned(span.position, 4, path, fault_));
  }

  bool text(const Table& table, FieldPath path) noexcept {
    Span span;
    return vector(table, 1, path, span) && (!span.present || text_at(span, path));
  }

  bool text_at(const Span& span, FieldPath path) noexcept {
    const uint64_t end = span.position + span.length;
    switch (strings_.meet(span.position - kVectorHeader, span.length)) {
      case SeenStrings::Answer::seen:
        return true;
      case SeenStrings::Answer::overlap:
        return fail(fault_, Reason::strings_overlap, path, span.position, span.length);
      case SeenStrings::Answer::no_memory:
        return fail(fault_, Reason::no_memory, path, span.position);
      case SeenStrings::Answer::fresh:
        break;
    }
    if (!bytes_.holds(end, 1) || bytes_.data[end] != 0) {
      return fail(fault_, Reason::not_terminated, path, end);
    }
    return is_utf8(bytes_.data + span.position, span.length) ||
           fail(fault_, Reason::not_utf8, path, span.position);
  }

  bool tenant(const Table& root) noexcept {
    const FieldPath path = FieldPath::of(EventField::tenant_id);
    Span span;
    if (!vector(root, 1, path, span)) return false;
    if (!span.present) return fail(fault_, Reason::missing, path, root.position);
    if (span.length == 0) return fail(fault_, Reason::empty, path, span.position);
    return text_at(span, path);
  }

  bool all_molecules(const Span& molecules) noexcept {
    if (molecules.length > kMaxMolecules) {
      return fail(fault_, Reason::too_many_molecules, FieldPath::of(EventField::molecules),
                  molecules.position - kVectorHeader, molecules.length);
    }
    Runs runs(bytes_, molecules);
    Run run;
    while (!runs.done()) {
      if (!runs.next(run, fault_) || !alignment(run) || !texts(run)) return false;
      scan_.add(run);
    }
    scan_.close(bytes_);
    return true;
  }

  // The strides of a run keep alignment, so what holds for its first molecule holds for all.
  bool alignment(const Run& run) noexcept {
    const FieldPath path = FieldPath::molecule(run.row);
    if (!aligned(run.table, 4, path, fault_)) return false;
    if (!aligned(run.vtable.position, 2, path, fault_)) return false;
    for (unsigned id = 0; id < kMoleculeFields; ++id) {
      const MoleculeField field = static_cast<MoleculeField>(id);
      if (run.vtable.has(field) && !aligned(run.table + run.vtable.place[id], inline_size(field),
                                            FieldPath::of(field, run.row), fault_)) {
        return false;
      }
    }
    return aligned(run.hash, 4, FieldPath::of(MoleculeField::coordinate_hash, run.row), fault_);
  }

  bool texts(const Run& run) noexcept {
    for (const MoleculeField field : kTextFields) {
      if (!run.vtable.has(field)) continue;
      const uint64_t place = run.vtable.place[static_cast<unsigned>(field)];
      for (uint64_t index = 0; index < run.rows; ++index) {
        if (!molecule_text(run.table_at(index) + place, FieldPath::of(field, run.row + index))) {
          return false;
        }
      }
    }
    return true;
  }

  bool molecule_text(uint64_t field_position, FieldPath path) noexcept {
    Span span;
    return read_span_at(bytes_, field_position, 1, path, span, fault_) &&
           aligned(span.position, 4, path, fault_) && text_at(span, path);
  }

  Bytes bytes_;
  Scan& scan_;
  Fault& fault_;
  SeenStrings strings_;
};

}  // namespace

bool verify(Bytes bytes, Scan& scan, Fault& fault) noexcept {
  scan = {};
  return Verifier(bytes, scan, fault).run();
}

}  // namespace atomwire
