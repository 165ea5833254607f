#include "model_outlet.hpp"

#include <algorithm>
#include <cstdlib>

#include "target.hpp"

namespace model {

using namespace atomwire;

bool FakeOutlet::empty() const {
  return std::all_of(partitions.begin(), partitions.end(),
                     [](const Partition& partition) { return partition.flying.empty(); });
}

// As Sarama's hash partitioner has it, which takes what FNV-1a gives for a signed number.
Partition& FakeOutlet::partition_of(const std::string& tenant) {
  uint64_t hash = 2166136261;
  for (const char letter : tenant) {
    hash = ((hash ^ static_cast<unsigned char>(letter)) * 16777619) % (uint64_t{1} << 32);
  }
  const int64_t number = static_cast<int32_t>(hash);
  return partitions[static_cast<size_t>(std::abs(number)) % partitions.size()];
}

int FakeOutlet::produce(const bus::Message& message) noexcept {
  CHECK(!dead && !partitions.empty());
  const Read seen = read(message.bytes);
  const bus::HeaderList headers =
      message.headers == nullptr ? bus::HeaderList() : *message.headers;
  if (!seen.cells) CHECK(headers == headers_of(seen.id()));
  const int error = look_(*this, message, seen);
  if (error != 0) return error;
  const std::string tenant(message.tenant);
  Partition& partition = partition_of(tenant);
  CHECK(partition.begun || (partition.flying.empty() && message.marked));
  partition.flying.push_back({seen.id(), message.sequence, message.marked, tenant,
                              std::string(message.bytes), headers});
  return 0;
}

Sent Partition::take() {
  Sent sent = std::move(flying.front());
  flying.pop_front();
  return sent;
}

Sent Partition::take_newest() {
  Sent sent = std::move(flying.back());
  flying.pop_back();
  return sent;
}

rdkafka::Failure failure_of(Sent&& sent, int error) {
  rdkafka::Failure failure;
  failure.sequence = sent.sequence;
  failure.error = error;
  failure.key = std::move(sent.tenant);
  failure.value = std::move(sent.bytes);
  failure.headers = std::move(sent.headers);
  return failure;
}

int64_t bytes_of(const Sent& sent) {
  return static_cast<int64_t>(sent.tenant.size() + sent.bytes.size());
}

}  // namespace model
