// Every peek on any bytes: an answer inside the buffer or a fault, and where the whole buffer is
// sound, the answer that flatc's accessors give.
#include <limits>
#include <string_view>

#include "atom_event_generated.h"
#include "mutator.hpp"
#include "peek.hpp"
#include "verify.hpp"

namespace {

using atomwire::Bytes;
using atomwire::EventField;
using atomwire::Fault;
using atomwire::Text;
using Official = event::v1::AtomEvent;
using Accessor = const flatbuffers::String* (Official::*)() const;

const struct {
  EventField field;
  Accessor accessor;
} kTexts[] = {
    {EventField::event_id, &Official::event_id},
    {EventField::trace_id, &Official::trace_id},
    {EventField::tenant_id, &Official::tenant_id},
    {EventField::user_id, &Official::user_id},
    {EventField::schema_payload, &Official::schema_payload},
    {EventField::region, &Official::region},
};

void inside(Bytes bytes, const void* from, uint64_t size) {
  const uint8_t* const start = static_cast<const uint8_t*>(from);
  CHECK(start >= bytes.data);
  CHECK(bytes.holds(static_cast<uint64_t>(start - bytes.data), size));
}

void peek_texts(Bytes bytes, const Official* official) {
  for (const auto& each : kTexts) {
    Fault fault;
    Text text;
    if (!atomwire::peek_text(bytes, each.field, text, fault)) {
      CHECK(official == nullptr);
      fuzz::check_fault(fault);
      continue;
    }
    if (text.present()) inside(bytes, text.data, text.size);
    fuzz::touch(text);
    if (official == nullptr) continue;
    const flatbuffers::String* const expected = (official->*each.accessor)();
    CHECK(text.present() == (expected != nullptr));
    if (expected != nullptr) {
      CHECK(std::string_view(text.data, text.size) == expected->string_view());
    }
  }
}

void peek_scalars(Bytes bytes, const Official* official) {
  Fault fault;
  int64_t timestamp = 0;
  int8_t type = 0;
  const bool has_timestamp = atomwire::peek_scalar(bytes, EventField::timestamp, timestamp, fault);
  if (!has_timestamp) fuzz::check_fault(fault);
  const bool has_type = atomwire::peek_scalar(bytes, EventField::type, type, fault);
  if (!has_type) fuzz::check_fault(fault);
  if (official == nullptr) return;
  CHECK(has_timestamp && timestamp == official->timestamp());
  CHECK(has_type && type == static_cast<int8_t>(official->type()));
}

void peek_hash(Bytes bytes, const Official* official, int64_t index) {
  Fault fault;
  const uint8_t* hash = nullptr;
  if (!atomwire::peek_hash(bytes, index, hash, fault)) {
    fuzz::check_fault(fault);
    const int64_t count =
        official == nullptr || official->molecules() == nullptr ? 0 : official->molecules()->size();
    CHECK(official == nullptr ||
          (fault.reason == atomwire::Reason::index && (index < -count || index >= count)));
    return;
  }
  inside(bytes, hash, atomwire::kHashBytes);
  fuzz::touch(hash, atomwire::kHashBytes);
  if (official == nullptr) return;
  const auto* const molecules = official->molecules();
  const auto at = static_cast<flatbuffers::uoffset_t>(index < 0 ? index + molecules->size() : index);
  CHECK(hash == molecules->Get(at)->coordinate_hash()->data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes{data, size};
  Fault fault;
  atomwire::Scan scan;
  const Official* const official =
      atomwire::verify(bytes, scan, fault) ? flatbuffers::GetRoot<Official>(data) : nullptr;
  peek_texts(bytes, official);
  peek_scalars(bytes, official);
  uint64_t count = 0;
  if (atomwire::peek_count(bytes, count, fault)) {
    CHECK(count <= size / atomwire::kOffsetBytes);
  } else {
    CHECK(official == nullptr);
    fuzz::check_fault(fault);
  }
  const int64_t past = static_cast<int64_t>(count);
  for (const int64_t index :
       {int64_t{0}, int64_t{1}, past / 2, past - 1, past, -past, -past - 1, int64_t{-1},
        std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    peek_hash(bytes, official, index);
  }
  return 0;
}
