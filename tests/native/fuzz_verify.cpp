// Our verifier against flatc's generated one. What ours accepts, flatc's must accept. What ours
// refuses, flatc's must refuse too, apart from where ours is meant to be stricter:
//
//   hash_length, missing, empty   the contract: 16-byte hashes in every molecule, a tenant
//   not_utf8                      the contract; Rust's verifier and Python's str need it too
//   strings_overlap               strings that together are longer than the buffer: a bomb
//   vtable_size                   of 0 or 2 bytes: flatc's accepts them as 'no fields', no writer
//                                 makes them (an odd size is refused by both)
//   vtable_outside                the same at the buffer's very end, where the four bytes that every
//                                 vtable has do not fit
//   offset_zero                   of an element of the molecules: flatc's checks the zero offsets
//                                 of fields only, and reads the table at the element itself
//
// The same list is in docs/hostile-input.md.
#include "atom_event_generated.h"
#include "mutator.hpp"
#include "verify.hpp"

namespace {

using atomwire::Fault;
using atomwire::Reason;

// A fault about a vtable gives the position of its table.
uint64_t vtable_of(const uint8_t* data, uint64_t table) {
  return table - static_cast<uint64_t>(int64_t{atomwire::load<int32_t>(data + table)});
}

bool ours_is_stricter(const uint8_t* data, size_t size, const Fault& fault) {
  switch (fault.reason) {
    case Reason::hash_length:
    case Reason::missing:
    case Reason::empty:
    case Reason::not_utf8:
    case Reason::strings_overlap:
      return true;
    case Reason::vtable_size:
      return fault.value < 4 && fault.value % 2 == 0;
    case Reason::vtable_outside:
      return vtable_of(data, fault.position) + 4 > size;
    case Reason::offset_zero:
      return fault.in_molecule && fault.field == atomwire::kWholeTable;
    default:
      return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Fault fault;
  atomwire::Scan scan;
  const bool ours = atomwire::verify({data, size}, scan, fault);
  flatbuffers::Verifier verifier(data, size);
  const bool official = event::v1::VerifyAtomEventBuffer(verifier);
  if (ours) {
    CHECK(official);
    return 0;
  }
  fuzz::check_fault(fault);
  if (official && !ours_is_stricter(data, size, fault)) {
    std::fprintf(stderr, "reason %d, field %d of molecule %d, position %llu\n",
                 static_cast<int>(fault.reason), fault.field, fault.in_molecule,
                 static_cast<unsigned long long>(fault.position));
    CHECK(!official);
  }
  return 0;
}
