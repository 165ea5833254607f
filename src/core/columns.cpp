#include "columns.hpp"

namespace atomwire {
namespace {

template <typename From, typename To>
void convert(const ScalarColumn& column, uint64_t first, uint64_t count, uint8_t* out) noexcept {
  const uint8_t* from = column.data + static_cast<int64_t>(first) * column.stride;
  for (uint64_t row = 0; row < count; ++row, from += column.stride, out += sizeof(To)) {
    store<To>(out, static_cast<To>(load<From>(from)));
  }
}

template <typename To>
void convert_to(const ScalarColumn& column, uint64_t first, uint64_t count, uint8_t* out) noexcept {
  switch (column.kind) {
    case Kind::f64:
      return convert<double, To>(column, first, count, out);
    case Kind::f32:
      return convert<float, To>(column, first, count, out);
    case Kind::i64:
      return convert<int64_t, To>(column, first, count, out);
    case Kind::i32:
      return convert<int32_t, To>(column, first, count, out);
    case Kind::i16:
      return convert<int16_t, To>(column, first, count, out);
    case Kind::i8:
      return convert<int8_t, To>(column, first, count, out);
    case Kind::u64:
      return convert<uint64_t, To>(column, first, count, out);
    case Kind::u32:
      return convert<uint32_t, To>(column, first, count, out);
    case Kind::u16:
      return convert<uint16_t, To>(column, first, count, out);
    case Kind::u8:
      return convert<uint8_t, To>(column, first, count, out);
  }
}

}  // namespace

void load_wide(const ScalarColumn& column, bool to_double, uint64_t first, uint64_t count,
               uint8_t* out) noexcept {
  // Integer fields take integer columns only (the boundary refuses others), and a uint64 of more
  // than 63 bits keeps its bits on the way through int64.
  if (to_double) return convert_to<double>(column, first, count, out);
  if (column.kind == Kind::f64 || column.kind == Kind::f32) {
    std::memset(out, 0, count * 8);
    return;
  }
  convert_to<int64_t>(column, first, count, out);
}

}  // namespace atomwire
