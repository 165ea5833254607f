#include "accumulate.hpp"

#include <exception>

namespace atomwire {
namespace {

// More than this is given back after an event; a burst of long texts must not stay for good.
constexpr std::size_t kHeapToKeep = std::size_t{1} << 20;
// Rows have at most this many different sets of fields: six kinds, with and without the other two.
constexpr uint64_t kMostSets = 24;

template <typename T>
void append_bytes(std::vector<uint8_t>& to, const T& from) {
  to.insert(to.end(), from, from + kHashBytes);
}

}  // namespace

template <typename T>
void Accumulator::GrowingColumn<T>::put(uint64_t row, T value) {
  if (values.size() != row) pad(row);
  values.push_back(value);
  absent.push_back(0);
}

template <typename T>
void Accumulator::GrowingColumn<T>::pad(uint64_t rows) {
  some_absent |= rows > values.size();
  values.resize(rows);
  absent.resize(rows, 1);
}

template <typename T>
void Accumulator::GrowingColumn<T>::fill(ScalarColumn& to, Kind kind, uint64_t rows) {
  to = {};
  if (values.empty()) return;
  if (values.size() != rows) pad(rows);
  to.data = reinterpret_cast<const uint8_t*>(values.data());
  to.stride = sizeof(T);
  to.kind = kind;
  if (!some_absent) return;
  to.absent = absent.data();
  to.absent_stride = 1;
}

template <typename T>
void Accumulator::GrowingColumn<T>::cut(uint64_t rows) noexcept {
  if (values.size() > rows) values.resize(rows);
  if (absent.size() > rows) absent.resize(rows);
}

template <typename T>
void Accumulator::GrowingColumn<T>::clear() noexcept {
  values.clear();
  absent.clear();
  some_absent = false;
}

FieldSet Accumulator::fields_of(const Cell& cell) noexcept {
  unsigned fields = bit(MoleculeField::coordinate_hash);
  switch (cell.kind) {
    case CellKind::none:
      break;
    case CellKind::number:
      fields |= bit(MoleculeField::numeric_value);
      break;
    case CellKind::text:
      fields |= bit(MoleculeField::text_commentary);
      break;
    case CellKind::date:
      fields |= bit(MoleculeField::date_value);
      break;
    case CellKind::boolean:
      fields |= bit(MoleculeField::boolean_value);
      break;
    case CellKind::error:
      fields |= bit(MoleculeField::error_value);
      break;
  }
  if (cell.has_timestamp) fields |= bit(MoleculeField::timestamp);
  if (cell.has_mask) fields |= bit(MoleculeField::security_mask);
  return static_cast<FieldSet>(fields);
}

uint64_t Accumulator::text_bytes_of(const Cell& cell) noexcept {
  if (cell.kind != CellKind::text && cell.kind != CellKind::error) return 0;
  return align_up(kVectorHeader + cell.text.size + 1, 4);
}

uint64_t Accumulator::bytes_of(FieldSet fields, uint64_t count, uint64_t text_bytes) noexcept {
  const uint64_t sets = count < kMostSets ? count : kMostSets;
  return kVectorHeader + sets * vtable_bytes(kMoleculeFields) +
         count * (kOffsetBytes + record_layout(fields).stride) + text_bytes + 16;
}

uint64_t Accumulator::bytes_with(const Cell& cell) const noexcept {
  return bytes_of(static_cast<FieldSet>(fields_ | fields_of(cell)), count() + 1,
                  text_bytes_ + text_bytes_of(cell));
}

void Accumulator::put(const Cell& cell) {
  const uint64_t row = count();
  switch (cell.kind) {
    case CellKind::none:
      break;
    case CellKind::number:
      numbers_.put(row, cell.number);
      break;
    case CellKind::date:
      dates_.put(row, cell.date);
      break;
    case CellKind::boolean:
      booleans_.put(row, cell.truth ? uint8_t{1} : uint8_t{0});
      break;
    case CellKind::text:
    case CellKind::error: {
      std::vector<HeapText>& texts = heap_texts_[cell.kind == CellKind::error ? 1 : 0];
      texts.resize(row);
      texts.push_back({heap_.size(), cell.text.size});
      heap_.append(cell.text.data, cell.text.size);
      break;
    }
  }
  if (cell.has_timestamp) timestamps_.put(row, cell.timestamp);
  if (cell.has_mask) masks_.put(row, cell.mask);
  // Last: the row exists only now.
  append_bytes(hashes_, cell.hash);
}

bool Accumulator::append(const Cell& cell) noexcept {
  try {
    put(cell);
  } catch (const std::exception&) {
    cut(count());
    return false;
  }
  fields_ = static_cast<FieldSet>(fields_ | fields_of(cell));
  text_bytes_ += text_bytes_of(cell);
  return true;
}

// Takes back what an append without memory has left of its row.
void Accumulator::cut(uint64_t rows) noexcept {
  numbers_.cut(rows);
  dates_.cut(rows);
  timestamps_.cut(rows);
  masks_.cut(rows);
  booleans_.cut(rows);
  for (std::vector<HeapText>& texts : heap_texts_) {
    if (texts.size() > rows) texts.resize(rows);
  }
}

void Accumulator::fill() {
  const uint64_t rows = count();
  columns_.count = rows;
  columns_.hash.data = hashes_.data();
  columns_.hash.stride = kHashBytes;
  numbers_.fill(columns_.wide[0], Kind::f64, rows);
  dates_.fill(columns_.wide[1], Kind::i64, rows);
  timestamps_.fill(columns_.wide[2], Kind::i64, rows);
  masks_.fill(columns_.wide[3], Kind::u64, rows);
  booleans_.fill(columns_.boolean, Kind::u8, rows);
  for (unsigned column = 0; column < 2; ++column) {
    columns_.text[column] = {};
    if (heap_texts_[column].empty()) continue;
    heap_texts_[column].resize(rows);
    texts_[column].assign(rows, Text{});
    for (uint64_t row = 0; row < rows; ++row) {
      const HeapText& text = heap_texts_[column][row];
      if (text.size != kNoText) texts_[column][row] = {heap_.data() + text.at, text.size};
    }
    columns_.text[column].rows = texts_[column].data();
  }
}

const MoleculeColumns* Accumulator::columns() noexcept {
  try {
    fill();
  } catch (const std::exception&) {
    return nullptr;
  }
  return &columns_;
}

void Accumulator::clear() noexcept {
  hashes_.clear();
  numbers_.clear();
  dates_.clear();
  timestamps_.clear();
  masks_.clear();
  booleans_.clear();
  for (std::vector<HeapText>& texts : heap_texts_) texts.clear();
  heap_.clear();
  if (heap_.capacity() > kHeapToKeep) std::string().swap(heap_);
  fields_ = 0;
  text_bytes_ = 0;
}

}  // namespace atomwire
