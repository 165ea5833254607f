#include "topic_limit.hpp"

#include <cstdlib>
#include <string_view>

namespace atomwire::rdkafka {

void TopicLimit::ask(Client* client, const char* topic) noexcept {
  forget();
  ConfigResource* resource = api().config_resource_new(kTopicResource, topic);
  if (resource == nullptr) return;
  queue_ = api().queue_new(client);
  api().describe_configs(client, &resource, 1, nullptr, queue_);
  api().config_resource_destroy(resource);
}

bool TopicLimit::answered(uint64_t& bytes) noexcept {
  if (queue_ == nullptr) return false;
  Event* const event = api().queue_poll(queue_, 0);
  if (event == nullptr) return false;
  bytes = limit_in(event);
  api().event_destroy(event);
  forget();
  return true;
}

void TopicLimit::forget() noexcept {
  if (queue_ != nullptr) api().queue_destroy(queue_);
  queue_ = nullptr;
}

uint64_t TopicLimit::limit_in(Event* event) noexcept {
  const void* const result = api().event_describe_configs_result(event);
  if (result == nullptr || api().event_error(event) != kNoError) return 0;
  size_t resources = 0;
  const ConfigResource* const* const resource =
      api().describe_configs_result_resources(result, &resources);
  if (resources != 1 || api().config_resource_error(resource[0]) != kNoError) return 0;
  size_t entries = 0;
  const ConfigEntry* const* const entry = api().config_resource_configs(resource[0], &entries);
  for (size_t index = 0; index < entries; ++index) {
    const char* const value = api().config_entry_value(entry[index]);
    const std::string_view name = api().config_entry_name(entry[index]);
    if (name == "max.message.bytes" && value != nullptr) return std::strtoull(value, nullptr, 10);
  }
  return 0;
}

}  // namespace atomwire::rdkafka
