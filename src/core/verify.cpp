#include "verify.hpp"

#include <memory>
#include <new>

#include "read.hpp"

namespace atomwire {
namespace {

bool aligned(uint64_t position, uint64_t alignment, Place place, Fault& fault) noexcept {
  return (position & (alignment - 1)) == 0 || fail(fault, Reason::misaligned, place, position);
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
  explicit Verifier(Bytes bytes, Fault& fault) noexcept
      : bytes_(bytes), fault_(fault), strings_(bytes) {}

  bool run() noexcept {
    if (bytes_.size > kMaxEventBytes) {
      return fail(fault_, Reason::too_long, Place::root(), 0, bytes_.size);
    }
    Table root;
    Span molecules;
    return open_root(bytes_, root, fault_) && table(root, Place::root()) &&
           text(root, Place::of(EventField::event_id)) &&
           text(root, Place::of(EventField::trace_id)) &&
           scalar<int64_t>(root, Place::of(EventField::timestamp)) &&
           scalar<int8_t>(root, Place::of(EventField::type)) && tenant(root) &&
           text(root, Place::of(EventField::user_id)) &&
           text(root, Place::of(EventField::schema_payload)) &&
           text(root, Place::of(EventField::region)) &&
           vector(root, kOffsetBytes, Place::of(EventField::molecules), molecules) &&
           all_molecules(molecules);
  }

 private:
  bool table(const Table& table, Place place) noexcept {
    return aligned(table.position, 4, place, fault_) && aligned(table.vtable, 2, place, fault_);
  }

  template <typename T>
  bool scalar(const Table& table, Place place) noexcept {
    const uint16_t distance = entry(bytes_, table, place.field);
    if (distance == 0) return true;
    const uint64_t position = table.position + distance;
    return aligned(position, sizeof(T), place, fault_) &&
           (bytes_.holds(position, sizeof(T)) ||
            fail(fault_, Reason::value_outside, place, position));
  }

  bool vector(const Table& table, uint64_t element_bytes, Place place, Span& span) noexcept {
    const uint16_t distance = entry(bytes_, table, place.field);
    span = {};
    return distance == 0 ||
           (aligned(table.position + distance, 4, place, fault_) &&
            read_span_at(bytes_, table.position + distance, element_bytes, place, span, fault_) &&
            aligned(span.position, 4, place, fault_));
  }

  bool text(const Table& table, Place place) noexcept {
    Span span;
    return vector(table, 1, place, span) && (!span.present || text_at(span, place));
  }

  bool text_at(const Span& span, Place place) noexcept {
    const uint64_t end = span.position + span.length;
    switch (strings_.meet(span.position - kVectorHeader, span.length)) {
      case SeenStrings::Answer::seen:
        return true;
      case SeenStrings::Answer::overlap:
        return fail(fault_, Reason::strings_overlap, place, span.position, span.length);
      case SeenStrings::Answer::no_memory:
        return fail(fault_, Reason::no_memory, place, span.position);
      case SeenStrings::Answer::fresh:
        break;
    }
    if (!bytes_.holds(end, 1) || bytes_.data[end] != 0) {
      return fail(fault_, Reason::not_terminated, place, end);
    }
    return is_utf8(bytes_.data + span.position, span.length) ||
           fail(fault_, Reason::not_utf8, place, span.position);
  }

  bool tenant(const Table& root) noexcept {
    const Place place = Place::of(EventField::tenant_id);
    Span span;
    if (!vector(root, 1, place, span)) return false;
    if (!span.present) return fail(fault_, Reason::missing, place, root.position);
    if (span.length == 0) return fail(fault_, Reason::empty, place, span.position);
    return text_at(span, place);
  }

  bool all_molecules(const Span& molecules) noexcept {
    if (molecules.length > kMaxMolecules) {
      return fail(fault_, Reason::too_many_molecules, Place::of(EventField::molecules),
                  molecules.position - kVectorHeader, molecules.length);
    }
    for (uint64_t index = 0; index < molecules.length; ++index) {
      if (!molecule(molecules, index)) return false;
    }
    return true;
  }

  bool molecule(const Span& molecules, uint64_t index) noexcept {
    const auto at = [&](MoleculeField field) { return Place::of(field, index); };
    Table each;
    return open_molecule(bytes_, molecules, index, each, fault_) &&
           table(each, Place::molecule(index)) && hash(each, index) &&
           scalar<double>(each, at(MoleculeField::numeric_value)) &&
           text(each, at(MoleculeField::text_commentary)) &&
           scalar<int64_t>(each, at(MoleculeField::date_value)) &&
           scalar<uint8_t>(each, at(MoleculeField::boolean_value)) &&
           text(each, at(MoleculeField::error_value)) &&
           scalar<int64_t>(each, at(MoleculeField::timestamp)) &&
           scalar<uint64_t>(each, at(MoleculeField::security_mask));
  }

  bool hash(const Table& molecule, uint64_t index) noexcept {
    const Place place = Place::of(MoleculeField::coordinate_hash, index);
    Span span;
    if (!vector(molecule, 1, place, span)) return false;
    if (!span.present) return fail(fault_, Reason::missing, place, molecule.position);
    return span.length == kHashBytes ||
           fail(fault_, Reason::hash_length, place, span.position - kVectorHeader, span.length);
  }

  Bytes bytes_;
  Fault& fault_;
  SeenStrings strings_;
};

}  // namespace

bool verify(Bytes bytes, Fault& fault) noexcept { return Verifier(bytes, fault).run(); }

}  // namespace atomwire
