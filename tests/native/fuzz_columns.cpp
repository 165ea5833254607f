// The scan and the columns: memory is written just as far as it was promised, views that the scan
// offers hold what gathering finds, and a buffer that changes after the scan leads nowhere else.
#include <cstring>
#include <memory>
#include <vector>

#include "gather.hpp"
#include "mutator.hpp"
#include "peek.hpp"
#include "verify.hpp"

namespace {

using atomwire::Bytes;
using atomwire::Fault;
using atomwire::MoleculeField;
using atomwire::Scan;
using atomwire::Text;

// Exactly as long as asked for, so that the sanitizer sees one byte too many.
struct Block {
  explicit Block(uint64_t length) : bytes(new uint8_t[length]), size(length) {
    std::memset(bytes.get(), 0xA5, length);
  }
  std::unique_ptr<uint8_t[]> bytes;
  uint64_t size;
};

bool is_text(unsigned field) {
  for (const MoleculeField text : atomwire::kTextFields) {
    if (field == static_cast<unsigned>(text)) return true;
  }
  return false;
}

// One column by itself, on bytes that may have changed since the scan.
bool gather(Bytes bytes, uint64_t count, unsigned field, const Block& out) {
  Fault fault;
  atomwire::GatheredColumns columns;
  columns.values[field] = out.bytes.get();
  const bool sound = atomwire::gather_columns(bytes, count, columns, fault);
  if (!sound) fuzz::check_fault(fault);
  return sound;
}

bool gather_absent(Bytes bytes, uint64_t count, unsigned field, const Block& out) {
  Fault fault;
  atomwire::GatheredColumns columns;
  columns.absent[field] = out.bytes.get();
  return atomwire::gather_columns(bytes, count, columns, fault);
}

void gather_all(Bytes bytes, uint64_t count) {
  for (unsigned field = 0; field < atomwire::kMoleculeFields; ++field) {
    const MoleculeField each = static_cast<MoleculeField>(field);
    Fault fault;
    const Block absent(count);
    if (gather_absent(bytes, count, field, absent)) {
      for (uint64_t row = 0; row < count; ++row) CHECK(absent.bytes[row] <= 1);
    }
    if (is_text(field)) {
      std::unique_ptr<Text[]> rows(new Text[count]);
      if (!atomwire::gather_texts(bytes, count, each, rows.get(), fault)) {
        fuzz::check_fault(fault);
        continue;
      }
      // All rows may share one long string: read a few of them.
      for (uint64_t row = 0; row < count && row < 8; ++row) fuzz::touch(rows[row]);
    } else {
      gather(bytes, count, field, Block(count * (field == 0 ? 16 : atomwire::inline_size(each))));
    }
  }
}

// What Python hands out as a view on the message.
void check_view(Bytes bytes, const Scan& scan, unsigned field) {
  if (is_text(field) || !scan.constant_stride) return;
  const bool hash = field == 0;
  if (hash ? !scan.constant_hash
           : scan.fields[field].present == 0 || !scan.fields[field].constant_place) {
    return;
  }
  const uint64_t width = hash ? 16 : atomwire::inline_size(static_cast<MoleculeField>(field));
  const uint64_t start = hash ? scan.first_hash : scan.first + scan.fields[field].place;
  const Block gathered(scan.count * width);
  CHECK(gather(bytes, scan.count, field, gathered));
  const Block absent(scan.count);
  CHECK(gather_absent(bytes, scan.count, field, absent));
  uint64_t present = 0;
  for (uint64_t row = 0; row < scan.count; ++row) {
    const uint64_t at = start + row * static_cast<uint64_t>(scan.stride);
    CHECK(bytes.holds(at, width));
    fuzz::touch(bytes.data + at, width);
    if (absent.bytes[row] != 0) continue;
    ++present;
    CHECK(std::memcmp(bytes.data + at, gathered.bytes.get() + row * width, width) == 0);
  }
  CHECK(present == scan.fields[field].present);
}

// What the scan has kept gives the same columns as walking the message again.
void check_kept(Bytes bytes, const Scan& scan, unsigned field) {
  if (is_text(field) || !scan.kept_all()) return;
  const MoleculeField each = static_cast<MoleculeField>(field);
  const uint64_t width = field == 0 ? 16 : atomwire::inline_size(each);
  const Block walked(scan.count * width);
  const Block walked_absent(scan.count);
  CHECK(gather(bytes, scan.count, field, walked));
  CHECK(gather_absent(bytes, scan.count, field, walked_absent));
  const Block kept(scan.count * width);
  const Block kept_absent(scan.count);
  atomwire::GatheredColumns columns;
  columns.values[field] = kept.bytes.get();
  columns.absent[field] = kept_absent.bytes.get();
  atomwire::gather_kept(bytes, scan, columns);
  CHECK(std::memcmp(kept.bytes.get(), walked.bytes.get(), kept.size) == 0);
  CHECK(std::memcmp(kept_absent.bytes.get(), walked_absent.bytes.get(), kept_absent.size) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes{data, size};
  Scan scan;
  Fault fault;
  uint64_t count = 0;
  if (!atomwire::peek_count(bytes, count, fault)) count = size / 64;
  CHECK(count <= size / atomwire::kOffsetBytes);
  gather_all(bytes, count);
  if (!atomwire::verify(bytes, scan, fault)) return 0;

  CHECK(scan.count == count);
  if (count > 0) CHECK(scan.fields[0].present == count);
  for (unsigned field = 0; field < atomwire::kMoleculeFields; ++field) {
    CHECK(scan.fields[field].present <= count);
    check_view(bytes, scan, field);
    check_kept(bytes, scan, field);
  }

  // Somebody writes to the buffer between the verify and the columns.
  std::vector<uint8_t> changed(data, data + size);
  fuzz::Dice dice(atomwire::load<uint32_t>(data + size - 4));
  const uint64_t at = dice.below(size);
  changed[at] = static_cast<uint8_t>(dice.below(256));
  gather_all({changed.data(), size}, count);
  for (unsigned field = 0; scan.kept_all() && field < atomwire::kMoleculeFields; ++field) {
    if (is_text(field)) continue;
    const Block kept(count * 16);
    atomwire::GatheredColumns columns;
    columns.values[field] = kept.bytes.get();
    atomwire::gather_kept({changed.data(), size}, scan, columns);
  }
  return 0;
}
