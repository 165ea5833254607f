// Event ids: UUIDv7 (RFC 9562), monotonic within a process, different after a fork.
#pragma once

#include <cstdint>

namespace atomwire {

// Nanoseconds since the Unix epoch.
int64_t unix_nanoseconds() noexcept;

// Writes the 36 characters of a new UUIDv7 made at `now` (Unix nanoseconds).
void write_uuid7(int64_t now, char* text) noexcept;

}  // namespace atomwire
