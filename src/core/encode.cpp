#include "encode.hpp"

#include <new>
#include <utility>

namespace atomwire {
namespace {

constexpr uint64_t kVtableBytes = vtable_bytes(kMoleculeFields);
constexpr uint64_t kBlockRows = 256;  // a block of records and its sources stay in the L1 cache
constexpr uint32_t kNoText = UINT32_MAX;

// What Rust's verifier counts beside the texts: for each molecule its vtable anew, every slot, field
// and length by itself, at most 115 bytes; and as much more than its bytes for the envelope.
constexpr uint64_t kApparentMolecule = 128;
constexpr uint64_t kApparentEnvelope = 64;
constexpr unsigned kWide = 4;
constexpr unsigned kTexts = 2;

constexpr uint64_t string_bytes(uint64_t length) noexcept {
  return align_up(kVectorHeader + length + 1, 4);
}

constexpr unsigned id(MoleculeField field) noexcept { return static_cast<unsigned>(field); }

// ---- The inner loop: one instance for each set of 8-byte columns and length of the tail, so that
// every distance in it is a constant.

// Which fields each row has, where rows differ.
struct Variation {
  const FieldSet* sets;            // a row
  const uint32_t* vtable_distance;  // of a set's vtable from the first one
};

using Stamp = void (*)(uint8_t* record, uint64_t count, uint32_t soffset,
                       const uint8_t* const* wide, const uint8_t* hash, int64_t hash_stride,
                       Variation variation);

// All ones when the set has the field, else zero.
inline uint64_t keep(FieldSet set, MoleculeField field) noexcept {
  return 0 - (uint64_t{set} >> id(field) & 1);
}

// A field that a row lacks is stamped as zero bytes, so that nothing of a masked value leaves the
// process.
template <unsigned Wide, bool LongTail, bool Varied>
void stamp(uint8_t* record, uint64_t count, uint32_t soffset, const uint8_t* const* wide,
           const uint8_t* hash, int64_t hash_stride, Variation variation) noexcept {
  constexpr uint64_t wides = (Wide & 1) + (Wide >> 1 & 1) + (Wide >> 2 & 1) + (Wide >> 3 & 1);
  constexpr uint64_t tail = 8 + 8 * wides;
  constexpr uint64_t hash_at = tail + (LongTail ? 16 : 8);
  constexpr uint64_t stride = hash_at + kHashBytes;
  constexpr uint64_t hash_offset = hash_at - kVectorHeader - 4;

  // Copies, because a store of bytes could change what `wide` points to, for all the compiler knows.
  const uint8_t* columns[kWide];
  for (unsigned column = 0; column < kWide; ++column) columns[column] = wide[column];
  for (uint64_t row = 0; row < count; ++row) {
    const FieldSet set = Varied ? variation.sets[row] : FieldSet{0};
    const uint32_t back = Varied ? soffset - variation.vtable_distance[set] : soffset;
    store<uint64_t>(record, back | hash_offset << 32);
    uint8_t* to = record + 8;
    for (unsigned column = 0; column < kWide; ++column) {
      if ((Wide >> column & 1) == 0) continue;
      const uint64_t value = load<uint64_t>(columns[column] + 8 * row);
      store(to, Varied ? value & keep(set, kWideFields[column]) : value);
      to += 8;
    }
    if (LongTail) store<uint64_t>(record + tail, 0);
    store<uint64_t>(record + hash_at - 8, kHashBytes << 32);
    std::memcpy(record + hash_at, hash, kHashBytes);
    record += stride;
    soffset += static_cast<uint32_t>(stride);
    hash += hash_stride;
  }
}

constexpr std::size_t stamp_index(unsigned wide, bool long_tail, bool varied) noexcept {
  return wide * 4 + (long_tail ? 2 : 0) + (varied ? 1 : 0);
}

template <std::size_t... Index>
constexpr auto stamps(std::index_sequence<Index...>) noexcept {
  struct Table {
    Stamp of[sizeof...(Index)];
  };
  return Table{{stamp<Index / 4, (Index & 2) != 0, (Index & 1) != 0>...}};
}
constexpr auto kStamps = stamps(std::make_index_sequence<4u << kWide>());

// ---- Sharing equal strings. A small direct-mapped table finds most repeats (categories, error
// codes) at the cost of one compare, and never grows.

class SharedTexts {
 public:
  explicit SharedTexts(uint64_t rows) noexcept {
    while (shift_ > 64 - kMostBits && (uint64_t{1} << (64 - shift_)) < rows) --shift_;
    for (uint64_t slot = 0; slot < uint64_t{1} << (64 - shift_); ++slot) entries_[slot].size = kFree;
  }

  // The place of an equal text seen before, or kNoText after remembering this one.
  uint32_t find_or_add(const Text& text, uint32_t place) noexcept {
    if (!pays()) return kNoText;
    Entry& entry = entries_[slot_for(text)];
    ++lookups_;
    if (entry.size == text.size && std::memcmp(entry.data, text.data, text.size) == 0) {
      ++hits_;
      return entry.place;
    }
    entry = {text.data, text.size, place};
    return kNoText;
  }

 private:
  static constexpr unsigned kMostBits = 10;
  static constexpr uint64_t kFree = UINT64_MAX;
  struct Entry {
    const char* data;
    uint64_t size;
    uint32_t place;
  };

  // Texts that hardly ever repeat (comments) are not worth looking at twice.
  bool pays() const noexcept { return lookups_ < 1024 || hits_ * 16 > lookups_; }

  uint64_t slot_for(const Text& text) const noexcept {
    uint64_t head = 0;
    uint64_t last = 0;
    if (text.size >= 8) {
      std::memcpy(&head, text.data, 8);
      std::memcpy(&last, text.data + text.size - 8, 8);
    } else {
      std::memcpy(&head, text.data, text.size);
    }
    const uint64_t mixed = (head ^ (last * 0x9E3779B97F4A7C15u) ^ text.size) * 0xD6E8FEB86659FD93u;
    return mixed >> shift_;
  }

  unsigned shift_ = 63;
  uint64_t lookups_ = 0;
  uint64_t hits_ = 0;
  Entry entries_[1u << kMostBits];  // as many as `shift_` says are in use
};

// Without a branch: masks are as good as random.
inline void clear_bit_where(const uint8_t* absent, int64_t stride, uint64_t count, FieldSet bit,
                            FieldSet* __restrict presence) noexcept {
  for (uint64_t row = 0; row < count; ++row) {
    const unsigned clear = (0u - unsigned{*absent != 0}) & bit;
    presence[row] = static_cast<FieldSet>(presence[row] & ~clear);
    absent += stride;
  }
}

// One byte a row, zero where the row lacks the field (`sets` null when none does).
inline void put_booleans(const uint8_t* from, int64_t from_stride, const FieldSet* sets,
                         uint64_t count, uint8_t* __restrict to, uint64_t to_stride) noexcept {
  for (uint64_t row = 0; row < count; ++row) {
    const unsigned present = sets == nullptr ? 1 : keep(sets[row], MoleculeField::boolean_value) & 1;
    *to = static_cast<uint8_t>(unsigned{*from != 0} & present);
    from += from_stride;
    to += to_stride;
  }
}

}  // namespace

FieldSet MoleculePlan::given_fields() const noexcept {
  const MoleculeColumns& in = *columns_;
  FieldSet given = bit(MoleculeField::coordinate_hash);
  for (unsigned column = 0; column < kWide; ++column) {
    if (in.wide[column].given()) given |= bit(kWideFields[column]);
  }
  if (in.boolean.given()) given |= bit(MoleculeField::boolean_value);
  for (unsigned column = 0; column < kTexts; ++column) {
    const TextColumn& text = in.text[column];
    const bool blank = text.given() && text.constant && !text.rows[0].present();
    if (text.given() && !blank) given |= bit(kTextFields[column]);
  }
  return given;
}

// Sets fields_, uniform_, the sets that occur and, where rows differ, presence_.
EncodeError MoleculePlan::find_presence() noexcept {
  const MoleculeColumns& in = *columns_;
  fields_ = given_fields();
  uniform_ = true;
  presence_.reset();
  vtables_ = 0;
  if (in.count == 0) return EncodeError::none;
  if (!in.may_differ()) {
    sets_[vtables_++] = fields_;
    return EncodeError::none;
  }

  presence_.reset(new (std::nothrow) FieldSet[in.count]);
  if (!presence_) return EncodeError::no_memory;
  FieldSet* const presence = presence_.get();
  std::memset(presence, fields_, in.count);
  for (unsigned column = 0; column < kWide; ++column) {
    clear_absent(in.wide[column], kWideFields[column]);
  }
  clear_absent(in.boolean, MoleculeField::boolean_value);
  for (unsigned column = 0; column < kTexts; ++column) {
    const TextColumn& text = in.text[column];
    if (!text.given() || text.constant) continue;
    const FieldSet without = static_cast<FieldSet>(~bit(kTextFields[column]));
    for (uint64_t row = 0; row < in.count; ++row) {
      presence[row] &= text.rows[row].present() ? FieldSet{0xFF} : without;
    }
  }
  list_sets();
  return EncodeError::none;
}

void MoleculePlan::clear_absent(const ScalarColumn& column, MoleculeField field) noexcept {
  if (!column.given() || column.absent == nullptr) return;
  if (column.absent_stride == 1) {  // a constant, so that the compiler makes vectors of the loop
    clear_bit_where(column.absent, 1, columns_->count, bit(field), presence_.get());
  } else {
    clear_bit_where(column.absent, column.absent_stride, columns_->count, bit(field),
                    presence_.get());
  }
}

// The distinct sets of fields; each gets a vtable.
void MoleculePlan::list_sets() noexcept {
  bool occurs[256] = {};
  for (uint64_t row = 0; row < columns_->count; ++row) occurs[presence_[row]] = true;
  fields_ = 0;
  for (unsigned set = 0; set < 256; ++set) {
    if (!occurs[set]) continue;
    fields_ |= static_cast<FieldSet>(set);
    vtable_distance_[set] = static_cast<uint32_t>(vtables_ * kVtableBytes);
    sets_[vtables_++] = static_cast<FieldSet>(set);
  }
  uniform_ = vtables_ == 1;
}

// Gives every text its place in the heap; equal texts share one.
EncodeError MoleculePlan::place_texts(uint64_t start) noexcept {
  uint64_t at = 0;
  // As a verifier counts it that meets shared strings and vtables again and again.
  uint64_t apparent = start + kApparentEnvelope + columns_->count * kApparentMolecule;
  for (unsigned column = 0; column < kTexts; ++column) {
    const TextColumn& text = columns_->text[column];
    text_place_[column].reset();
    if (!text.given() || columns_->count == 0) continue;
    const uint64_t rows = text.constant ? 1 : columns_->count;
    uint32_t* places = &constant_place_[column];
    if (!text.constant) {
      text_place_[column].reset(places = new (std::nothrow) uint32_t[rows]);
      if (places == nullptr) return EncodeError::no_memory;
    }
    SharedTexts shared(rows);
    for (uint64_t row = 0; row < rows; ++row) {
      const Text& each = text.rows[row];
      uint32_t& place = places[row];
      place = kNoText;
      if (!each.present()) continue;
      apparent += (text.constant ? columns_->count : 1) * string_bytes(each.size);
      if (apparent > kMaxEventBytes) return EncodeError::too_large;
      place = shared.find_or_add(each, static_cast<uint32_t>(at));
      if (place != kNoText) continue;
      place = static_cast<uint32_t>(at);
      at += string_bytes(each.size);
    }
  }
  heap_bytes_ = at;
  return EncodeError::none;
}

EncodeError MoleculePlan::prepare(const MoleculeColumns& columns, uint64_t start) noexcept {
  columns_ = &columns;
  if (columns.count > kMaxMolecules) return EncodeError::too_many_molecules;
  if (const EncodeError error = find_presence(); error != EncodeError::none) return error;
  if (const EncodeError error = place_texts(start); error != EncodeError::none) return error;

  layout_ = record_layout(fields_);
  vector_ = start;
  vtable_start_ = vector_ + kVectorHeader + kOffsetBytes * columns.count;
  records_ = align_up(vtable_start_ + kVtableBytes * vtables_, 8);
  heap_ = records_ + layout_.stride * columns.count;
  end_ = align_up(heap_ + heap_bytes_, 8);
  return end_ > kMaxEventBytes ? EncodeError::too_large : EncodeError::none;
}

void MoleculePlan::write(uint8_t* event) const noexcept {
  write_offsets(event);
  write_vtables(event);
  write_records(event);
  write_heap(event);
}

void MoleculePlan::write_offsets(uint8_t* event) const noexcept {
  const uint64_t count = columns_->count;
  store(event + vector_, static_cast<uint32_t>(count));
  uint8_t* const elements = event + vector_ + kVectorHeader;
  const uint32_t step = static_cast<uint32_t>(layout_.stride - kOffsetBytes);
  uint32_t offset = static_cast<uint32_t>(records_ - (vector_ + kVectorHeader));
  for (uint64_t row = 0; row < count; ++row, offset += step) {
    store(elements + kOffsetBytes * row, offset);
  }
}

void MoleculePlan::write_vtables(uint8_t* event) const noexcept {
  uint64_t at = vtable_start_;
  for (unsigned vtable = 0; vtable < vtables_; ++vtable, at += kVtableBytes) {
    store(event + at, static_cast<uint16_t>(kVtableBytes));
    store(event + at + 2, layout_.table_bytes);
    for (unsigned field = 0; field < kMoleculeFields; ++field) {
      const bool present = (sets_[vtable] >> field & 1) != 0;
      store(event + at + slot_of(field), present ? layout_.place[field] : uint16_t{0});
    }
  }
  std::memset(event + at, 0, records_ - at);
}

void MoleculePlan::write_records(uint8_t* event) const noexcept {
  const MoleculeColumns& in = *columns_;
  unsigned wide_set = 0;
  for (unsigned column = 0; column < kWide; ++column) {
    if ((fields_ & bit(kWideFields[column])) != 0) wide_set |= 1u << column;
  }
  const bool long_tail = layout_.hash - layout_.tail == 16;
  const Stamp stamp_block = kStamps.of[stamp_index(wide_set, long_tail, !uniform_)];

  alignas(64) uint8_t scratch[kWide][kBlockRows * 8];
  const uint8_t* wide[kWide] = {};
  for (uint64_t first = 0; first < in.count; first += kBlockRows) {
    const uint64_t count = in.count - first < kBlockRows ? in.count - first : kBlockRows;
    for (unsigned column = 0; column < kWide; ++column) {
      if ((wide_set >> column & 1) == 0) continue;
      const ScalarColumn& from = in.wide[column];
      const bool to_double = kWideFields[column] == MoleculeField::numeric_value;
      const bool as_stored =
          to_double ? from.kind == Kind::f64 : from.kind == Kind::i64 || from.kind == Kind::u64;
      if (as_stored && from.stride == 8) {
        wide[column] = from.data + 8 * first;
      } else {
        if (from.stride != 0 || first == 0) load_wide(from, to_double, first, count, scratch[column]);
        wide[column] = scratch[column];
      }
    }
    const uint64_t at = records_ + first * layout_.stride;
    stamp_block(event + at, count, static_cast<uint32_t>(at - vtable_start_), wide,
                in.hash.data + static_cast<int64_t>(first) * in.hash.stride, in.hash.stride,
                {uniform_ ? nullptr : presence_.get() + first, vtable_distance_});
    stamp_booleans(event, first, count);
    point_to_texts(event, first, count);
  }
}

void MoleculePlan::stamp_booleans(uint8_t* event, uint64_t first, uint64_t count) const noexcept {
  if ((fields_ & bit(MoleculeField::boolean_value)) == 0) return;
  const ScalarColumn& column = columns_->boolean;
  const FieldSet* const sets = uniform_ ? nullptr : presence_.get() + first;
  put_booleans(column.data + static_cast<int64_t>(first) * column.stride, column.stride, sets, count,
               event + records_ + first * layout_.stride +
                   layout_.place[id(MoleculeField::boolean_value)],
               layout_.stride);
}

void MoleculePlan::point_to_texts(uint8_t* event, uint64_t first, uint64_t count) const noexcept {
  for (unsigned column = 0; column < kTexts; ++column) {
    if ((fields_ & bit(kTextFields[column])) == 0) continue;
    const bool constant = columns_->text[column].constant;
    const uint32_t* const places = constant ? &constant_place_[column] : text_place_[column].get();
    uint64_t at = records_ + first * layout_.stride + layout_.place[id(kTextFields[column])];
    for (uint64_t row = first; row < first + count; ++row, at += layout_.stride) {
      const uint32_t place = places[constant ? 0 : row];
      if (place != kNoText) store(event + at, static_cast<uint32_t>(heap_ + place - at));
    }
  }
}

void MoleculePlan::write_heap(uint8_t* event) const noexcept {
  uint64_t at = 0;
  for (unsigned column = 0; column < kTexts; ++column) {
    const TextColumn& text = columns_->text[column];
    if (!text.given() || columns_->count == 0) continue;
    const uint32_t* const places =
        text.constant ? &constant_place_[column] : text_place_[column].get();
    const uint64_t rows = text.constant ? 1 : columns_->count;
    for (uint64_t row = 0; row < rows; ++row) {
      if (places[row] != at) continue;  // absent, or shared with a text before
      const Text& each = text.rows[row];
      uint8_t* const to = event + heap_ + at;
      const uint64_t size = string_bytes(each.size);
      store<uint32_t>(to + size - 4, 0);  // the NUL and the padding
      store(to, static_cast<uint32_t>(each.size));
      std::memcpy(to + kVectorHeader, each.data, each.size);
      at += size;
    }
  }
  std::memset(event + heap_ + at, 0, end_ - heap_ - at);
}

}  // namespace atomwire
