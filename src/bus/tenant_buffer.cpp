#include "tenant_buffer.hpp"

#include "atom_event_generated.h"
#include "encode.hpp"

namespace atomwire::bus {

bool TenantBuffer::same(const Text& text, bool has, const std::string& own) noexcept {
  return text.present() == has &&
         (!has || (text.size == own.size() && std::memcmp(text.data, own.data(), text.size) == 0));
}

bool TenantBuffer::has_label(const Label& label) const noexcept {
  return same(label.user, has_user_, user_) && same(label.region, has_region_, region_);
}

bool TenantBuffer::label(const Label& label) noexcept {
  Envelope envelope;
  envelope.tenant_id = label.tenant;
  envelope.user_id = label.user;
  envelope.region = label.region;
  envelope.type = static_cast<int8_t>(event::v1::EventType::MOLECULE_WRITE);
  envelope.has_molecules = true;
  std::string user;
  std::string region;
  try {
    // Not anew when it is the same: it is the key that others hold.
    if (tenant_.empty()) tenant_.assign(label.tenant.data, label.tenant.size);
    if (label.user.present()) user.assign(label.user.data, label.user.size);
    if (label.region.present()) region.assign(label.region.data, label.region.size);
  } catch (...) {
    return false;
  }
  if (!head_.prepare(envelope)) return false;
  user_.swap(user);
  region_.swap(region);
  has_user_ = label.user.present();
  has_region_ = label.region.present();
  return true;
}

bool TenantBuffer::make_event(int64_t now, std::string& event) noexcept {
  MoleculePlan plan;
  const MoleculeColumns* const columns = rows_.columns();
  // The bounds of a gathered event leave no other cause than memory.
  if (columns == nullptr || plan.prepare(*columns, head_.size()) != EncodeError::none) return false;
  try {
    event.resize(plan.end());
  } catch (...) {
    return false;
  }
  auto* const to = reinterpret_cast<uint8_t*>(&event[0]);
  head_.stamp(to, now, now);
  plan.write(to);
  return true;
}

}  // namespace atomwire::bus
