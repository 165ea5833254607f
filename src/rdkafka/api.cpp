#include "api.hpp"

#ifndef _WIN32
#include <dlfcn.h>
#endif

namespace atomwire::rdkafka {
namespace {

Api library;

}  // namespace

const Api& api() noexcept { return library; }

#ifdef _WIN32

const char* load(const char*) noexcept { return "a system with dlopen"; }

void* find_function(const char*) noexcept { return nullptr; }

#else

namespace {

void* library_module = nullptr;

template <typename Function>
bool find(void* module, const char* name, Function& function) noexcept {
  // Looks in the module's dependencies too, which is where librdkafka is.
  function = reinterpret_cast<Function>(dlsym(module, name));
  return function != nullptr;
}

}  // namespace

const char* load(const char* path) noexcept {
  // Never closed: the library stays for as long as the process.
  void* module = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  if (module == nullptr) return path;
  Api found;
#define ATOMWIRE_FIND(member, name) \
  if (!find(module, name, found.member)) return name
  ATOMWIRE_FIND(conf_new, "rd_kafka_conf_new");
  ATOMWIRE_FIND(conf_destroy, "rd_kafka_conf_destroy");
  ATOMWIRE_FIND(conf_set, "rd_kafka_conf_set");
  ATOMWIRE_FIND(conf_set_opaque, "rd_kafka_conf_set_opaque");
  ATOMWIRE_FIND(conf_set_dr_msg_cb, "rd_kafka_conf_set_dr_msg_cb");
  ATOMWIRE_FIND(conf_set_error_cb, "rd_kafka_conf_set_error_cb");
  ATOMWIRE_FIND(conf_set_log_cb, "rd_kafka_conf_set_log_cb");
  ATOMWIRE_FIND(conf_set_stats_cb, "rd_kafka_conf_set_stats_cb");
  ATOMWIRE_FIND(create, "rd_kafka_new");
  ATOMWIRE_FIND(destroy, "rd_kafka_destroy");
  ATOMWIRE_FIND(brokers_add, "rd_kafka_brokers_add");
  ATOMWIRE_FIND(opaque, "rd_kafka_opaque");
  ATOMWIRE_FIND(set_log_queue, "rd_kafka_set_log_queue");
  ATOMWIRE_FIND(topic_new, "rd_kafka_topic_new");
  ATOMWIRE_FIND(topic_destroy, "rd_kafka_topic_destroy");
  ATOMWIRE_FIND(metadata, "rd_kafka_metadata");
  ATOMWIRE_FIND(metadata_destroy, "rd_kafka_metadata_destroy");
  ATOMWIRE_FIND(producev, "rd_kafka_producev");
  ATOMWIRE_FIND(poll, "rd_kafka_poll");
  ATOMWIRE_FIND(flush, "rd_kafka_flush");
  ATOMWIRE_FIND(purge, "rd_kafka_purge");
  ATOMWIRE_FIND(fatal_error, "rd_kafka_fatal_error");
  ATOMWIRE_FIND(test_fatal_error, "rd_kafka_test_fatal_error");
  ATOMWIRE_FIND(error_text, "rd_kafka_err2str");
  ATOMWIRE_FIND(message_headers, "rd_kafka_message_headers");
  ATOMWIRE_FIND(headers_new, "rd_kafka_headers_new");
  ATOMWIRE_FIND(headers_destroy, "rd_kafka_headers_destroy");
  ATOMWIRE_FIND(header_add, "rd_kafka_header_add");
  ATOMWIRE_FIND(header_get_all, "rd_kafka_header_get_all");
  ATOMWIRE_FIND(queue_new, "rd_kafka_queue_new");
  ATOMWIRE_FIND(queue_destroy, "rd_kafka_queue_destroy");
  ATOMWIRE_FIND(queue_poll, "rd_kafka_queue_poll");
  ATOMWIRE_FIND(event_error, "rd_kafka_event_error");
  ATOMWIRE_FIND(event_destroy, "rd_kafka_event_destroy");
  ATOMWIRE_FIND(config_resource_new, "rd_kafka_ConfigResource_new");
  ATOMWIRE_FIND(config_resource_destroy, "rd_kafka_ConfigResource_destroy");
  ATOMWIRE_FIND(describe_configs, "rd_kafka_DescribeConfigs");
  ATOMWIRE_FIND(event_describe_configs_result, "rd_kafka_event_DescribeConfigs_result");
  ATOMWIRE_FIND(describe_configs_result_resources, "rd_kafka_DescribeConfigs_result_resources");
  ATOMWIRE_FIND(config_resource_error, "rd_kafka_ConfigResource_error");
  ATOMWIRE_FIND(config_resource_configs, "rd_kafka_ConfigResource_configs");
  ATOMWIRE_FIND(config_entry_name, "rd_kafka_ConfigEntry_name");
  ATOMWIRE_FIND(config_entry_value, "rd_kafka_ConfigEntry_value");
#undef ATOMWIRE_FIND
  // Once: from then on other threads call through it.
  static bool loaded = false;  // the callers take turns
  if (!loaded) {
    library = found;
    library_module = module;
  }
  loaded = true;
  return nullptr;
}

void* find_function(const char* name) noexcept {
  return library_module == nullptr ? nullptr : dlsym(library_module, name);
}

#endif

}  // namespace atomwire::rdkafka
