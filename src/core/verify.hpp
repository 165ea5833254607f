// The whole buffer: everything the official C++ verifier checks, and what the wire contract adds
// (16-byte hashes, a tenant, UTF-8).
#pragma once

#include "scan.hpp"

namespace atomwire {

// Time and scratch memory are linear in the size of the buffer, whatever is in it.
// On the way it finds how the molecules lie.
bool verify(Bytes bytes, Scan& scan, Fault& fault) noexcept;

bool is_utf8(const uint8_t* text, uint64_t size) noexcept;

}  // namespace atomwire
