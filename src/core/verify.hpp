// The whole buffer: everything the official C++ verifier checks, and what the wire contract adds
// (16-byte hashes, a tenant, UTF-8).
#pragma once

#include "fault.hpp"
#include "bytes.hpp"

namespace atomwire {

// Time and scratch memory are linear in the size of the buffer, whatever is in it.
bool verify(Bytes bytes, Fault& fault) noexcept;

bool is_utf8(const uint8_t* text, uint64_t size) noexcept;

}  // namespace atomwire
