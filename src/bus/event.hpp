// An event that the bus keeps itself: on its way to the disk, or to a producer once more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace atomwire::bus {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// What an event costs in memory beside its bytes and its tenant: librdkafka's message and ours.
constexpr int64_t kEventOverhead = 512;

constexpr int64_t cost_of(uint64_t bytes, uint64_t tenant) noexcept {
  return static_cast<int64_t>(bytes + tenant) + kEventOverhead;
}

// What headers cost beside that: nothing where they are as small as usual.
inline int64_t cost_of(const HeaderList& headers) noexcept {
  size_t size = 0;
  for (const auto& [name, value] : headers) size += name.size() + value.size();
  return size <= static_cast<size_t>(kEventOverhead) ? 0 : static_cast<int64_t>(size);
}

struct Event {
  std::string tenant;  // the key, UTF-8
  std::string bytes;
  HeaderList headers;
  int64_t number = 0;    // of its acceptance: its identity
  int64_t sequence = 0;  // of its last handing over, which is its place among those that come back
  int64_t since = 0;     // when it came into the backlog, steady nanoseconds
  int64_t row = 0;       // on the disk; 0 when it is not there
  bool wanted = false;   // somebody asked for its acknowledgement
  bool awaited = false;  // its publisher waits for the disk; not accepted before it is there
  bool suspect = false;  // came back from a refused batch: travels alone now

  int64_t cost() const noexcept {
    return cost_of(bytes.size(), tenant.size()) + cost_of(headers);
  }
};

using EventPointer = std::unique_ptr<Event>;

// An event as its publisher gives it; the memory is the publisher's.
struct EventView {
  std::string_view tenant;
  std::string_view bytes;
  const HeaderList* headers = nullptr;  // null when it has none
  int64_t timestamp = 0;                // Unix nanoseconds
  bool wanted = false;

  int64_t cost_of_headers() const noexcept { return headers == nullptr ? 0 : cost_of(*headers); }
  int64_t cost() const noexcept {
    return cost_of(bytes.size(), tenant.size()) + cost_of_headers();
  }
};

// Null without memory.
inline EventPointer keep(const EventView& view) noexcept {
  try {
    auto event = std::make_unique<Event>();
    event->tenant = view.tenant;
    event->bytes = view.bytes;
    if (view.headers != nullptr) event->headers = *view.headers;
    event->wanted = view.wanted;
    return event;
  } catch (...) {
    return nullptr;
  }
}

}  // namespace atomwire::bus
