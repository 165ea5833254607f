#include "encode.hpp"

namespace atomwire {
namespace {

constexpr uint64_t string_bytes(const Text& text) noexcept {
  return align_up(kVectorHeader + text.size + 1, 4);
}

struct EnvelopeText {
  EventField field;
  const Text& text;
};

// The strings in the order they are written; event_id first, where its place is a constant.
template <typename Visit>
void each_text(const Envelope& envelope, Visit visit) noexcept {
  const EnvelopeText texts[] = {
      {EventField::event_id, envelope.event_id}, {EventField::tenant_id, envelope.tenant_id},
      {EventField::region, envelope.region},     {EventField::trace_id, envelope.trace_id},
      {EventField::user_id, envelope.user_id},   {EventField::schema_payload, envelope.schema_payload},
  };
  for (const EnvelopeText& each : texts) {
    if (each.text.present()) visit(each.field, each.text);
  }
}

}  // namespace

uint64_t envelope_size(const Envelope& envelope) noexcept {
  uint64_t size = envelope::kHeadBytes;
  each_text(envelope, [&](EventField, const Text& text) { size += string_bytes(text); });
  return size;
}

void write_envelope(uint8_t* out, const Envelope& envelope) noexcept {
  using namespace envelope;
  std::memset(out, 0, kHeadBytes);
  uint8_t* const vtable = out + kVtable;
  uint8_t* const table = out + kTable;

  const auto present = [&](EventField field) {
    store(vtable + slot_of(static_cast<unsigned>(field)), static_cast<uint16_t>(place_of(field)));
    return table + place_of(field);
  };
  const auto point = [&](EventField field, uint64_t target) {
    uint8_t* const from = present(field);
    store(from, static_cast<uint32_t>(target - static_cast<uint64_t>(from - out)));
  };

  store(out, static_cast<uint32_t>(kTable));
  store(vtable, static_cast<uint16_t>(vtable_bytes(kEventFields)));
  store(vtable + 2, static_cast<uint16_t>(kTableBytes));
  store(table, static_cast<int32_t>(kTable - kVtable));
  store(present(EventField::timestamp), envelope.timestamp);
  store(present(EventField::type), envelope.type);

  uint64_t at = kHeadBytes;
  each_text(envelope, [&](EventField field, const Text& text) {
    point(field, at);
    const uint64_t size = string_bytes(text);
    store<uint32_t>(out + at + size - 4, 0);  // the NUL and the padding
    store(out + at, static_cast<uint32_t>(text.size));
    std::memcpy(out + at + kVectorHeader, text.data, text.size);
    at += size;
  });
  if (envelope.has_molecules) point(EventField::molecules, at);
}

}  // namespace atomwire
