// Gathers cells that come one at a time into the columns of one event.
#pragma once

#include <string>
#include <vector>

#include "cell.hpp"

namespace atomwire {

class Accumulator {
 public:
  // False when there is no memory; the rows are then as they were. Texts are copied.
  bool append(const Cell& cell) noexcept;
  // The rows as columns, until the next append or clear; null when there is no memory.
  const MoleculeColumns* columns() noexcept;
  // Forgets the rows and keeps their memory for the next ones, unless it has grown out of bounds.
  void clear() noexcept;

  uint64_t count() const noexcept { return hashes_.size() / kHashBytes; }
  // At least as many bytes as the rows take in an event, behind its envelope.
  uint64_t bytes() const noexcept { return bytes_of(fields_, count(), text_bytes_); }
  uint64_t bytes_with(const Cell& cell) const noexcept;

 private:
  // Values up to the last row that has one; the rows before and after that lack one are absent.
  template <typename T>
  struct GrowingColumn {
    std::vector<T> values;
    std::vector<uint8_t> absent;
    bool some_absent = false;

    void put(uint64_t row, T value);
    void pad(uint64_t rows);
    void fill(ScalarColumn& to, Kind kind, uint64_t rows);
    void cut(uint64_t rows) noexcept;
    void clear() noexcept;
  };
  struct HeapText {
    uint64_t at = 0;
    uint64_t size = kNoText;
  };
  static constexpr uint64_t kNoText = UINT64_MAX;

  static FieldSet fields_of(const Cell& cell) noexcept;
  static uint64_t text_bytes_of(const Cell& cell) noexcept;
  static uint64_t bytes_of(FieldSet fields, uint64_t count, uint64_t text_bytes) noexcept;
  void put(const Cell& cell);
  void cut(uint64_t rows) noexcept;
  void fill();

  std::vector<uint8_t> hashes_;
  GrowingColumn<double> numbers_;
  GrowingColumn<int64_t> dates_;
  GrowingColumn<int64_t> timestamps_;
  GrowingColumn<uint64_t> masks_;
  GrowingColumn<uint8_t> booleans_;
  std::string heap_;
  std::vector<HeapText> heap_texts_[2];  // as kTextFields
  std::vector<Text> texts_[2];
  FieldSet fields_ = 0;
  uint64_t text_bytes_ = 0;
  MoleculeColumns columns_;
};

}  // namespace atomwire
