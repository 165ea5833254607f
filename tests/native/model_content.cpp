#include "model_content.hpp"

#include <cstring>

#include "peek.hpp"
#include "target.hpp"

namespace model {
namespace {

using namespace atomwire;

constexpr uint32_t kNoRoot = 0xFFFFFFFF;  // no event begins like that
constexpr size_t kIdAt = 8;
// Their hashes are taken for negative numbers and for positive ones.
constexpr std::string_view kNames = "a0b1c2";
static_assert(kNames.size() == kOldTenant + 1);

}  // namespace

std::string tenant_name(int tenant) { return std::string(1, kNames[static_cast<size_t>(tenant)]); }

int tenant_of(std::string_view name) {
  CHECK(name.size() == 1);
  const size_t tenant = kNames.find(name[0]);
  CHECK(tenant != std::string_view::npos);
  return static_cast<int>(tenant);
}

std::string content_of(Id id, size_t size) {
  std::string bytes(size, static_cast<char>(id));
  std::memcpy(&bytes[0], &kNoRoot, sizeof kNoRoot);
  std::memcpy(&bytes[kIdAt], &id, sizeof id);
  return bytes;
}

bus::HeaderList headers_of(Id id) {
  if (id % 3 != 0 && !is_poison(id)) return {};
  // Some are worth counting.
  const size_t size = id % 5 == 0 || is_poison(id) ? 700 : 1;
  return {{"id", std::to_string(id)}, {"filling", std::string(size, 'h')}};
}

Cell cell_of(Id id, const std::string& text) {
  Cell cell;
  std::memcpy(cell.hash, &id, sizeof id);
  std::memset(cell.hash + sizeof id, 0, sizeof cell.hash - sizeof id);
  cell.kind = text.empty() ? CellKind::number : CellKind::text;
  cell.number = static_cast<double>(id);
  if (!text.empty()) cell.text = {text.data(), text.size()};
  return cell;
}

Read read(std::string_view bytes) {
  Read found;
  CHECK(bytes.size() >= kIdAt + sizeof(Id));
  if (std::memcmp(bytes.data(), &kNoRoot, sizeof kNoRoot) == 0) {
    Id id = 0;
    std::memcpy(&id, bytes.data() + kIdAt, sizeof id);
    found.ids.push_back(id);
    CHECK(bytes == content_of(id, bytes.size()));
    return found;
  }
  found.cells = true;
  const Bytes event{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  Fault fault;
  uint64_t count = 0;
  Text user;
  CHECK(peek_count(event, count, fault) && count > 0);
  CHECK(peek_text(event, EventField::user_id, user, fault));
  for (uint64_t at = 0; at < count; ++at) {
    const uint8_t* hash = nullptr;
    Id id = 0;
    CHECK(peek_hash(event, static_cast<int64_t>(at), hash, fault));
    std::memcpy(&id, hash, sizeof id);
    CHECK(user.present() == has_user(id));
    found.ids.push_back(id);
  }
  return found;
}

}  // namespace model
