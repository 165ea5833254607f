#include "event_head.hpp"

#include <new>
#include <utility>

#include "uuid.hpp"

namespace atomwire {

bool EventHead::prepare(const Envelope& envelope) noexcept {
  constexpr char kBlank[kEventIdChars] = {};
  Envelope shared = envelope;
  shared.event_id = {kBlank, kEventIdChars};
  const uint64_t size = envelope_size(shared);
  std::unique_ptr<uint8_t[]> bytes(new (std::nothrow) uint8_t[size]);
  if (!bytes) return false;
  write_envelope(bytes.get(), shared);
  bytes_ = std::move(bytes);
  size_ = size;
  return true;
}

void EventHead::stamp(uint8_t* to, int64_t now, int64_t timestamp) const noexcept {
  std::memcpy(to, bytes_.get(), size_);
  store(to + envelope::kTimestamp, timestamp);
  write_uuid7(now, reinterpret_cast<char*>(to + envelope::kEventIdText));
}

}  // namespace atomwire
