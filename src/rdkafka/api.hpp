// The part of librdkafka's C interface that the bus uses. confluent-kafka's wheels carry the library
// but no header, so it is declared here; tests/native holds it against the real header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace atomwire::rdkafka {

// Opaque.
struct Conf;
struct Client;
struct Topic;
struct Headers;
struct Queue;
struct Event;
struct ConfigResource;
struct ConfigEntry;

// rd_kafka_message_t, as a delivery report has it.
struct Message {
  int error;
  Topic* topic;
  int32_t partition;
  void* payload;
  size_t length;
  void* key;
  size_t key_length;
  int64_t offset;
  void* opaque;  // as it was given to producev
};

// rd_kafka_metadata_t, as far as it is used.
struct PartitionMetadata;
struct TopicMetadata {
  char* topic;
  int partition_count;
  PartitionMetadata* partitions;
  int error;
};
struct Metadata {
  int broker_count;
  void* brokers;
  int topic_count;
  TopicMetadata* topics;
};

// rd_kafka_vtype_t: what producev's next argument is.
enum Argument : int {
  kEnd = 0,
  kTopic = 2,
  kValue = 4,
  kKey = 5,
  kOpaque = 6,
  kFlags = 7,
  kTimestamp = 8,
  kHeaders = 10,
};

constexpr int kTopicResource = 2;  // rd_kafka_ResourceType_t
constexpr int kProducer = 0;       // rd_kafka_type_t
constexpr int kConfOk = 0;         // rd_kafka_conf_res_t
constexpr int kCopy = 0x2;         // RD_KAFKA_MSG_F_COPY
constexpr int kPurgeQueue = 0x1;   // RD_KAFKA_PURGE_F_QUEUE
constexpr int kPurgeInFlight = 0x2;
// rd_kafka_resp_err_t
constexpr int kNoError = 0;
constexpr int kClosed = -197;          // RD_KAFKA_RESP_ERR__DESTROY
constexpr int kAllBrokersDown = -187;
constexpr int kFatal = -150;

struct Api {
  Conf* (*conf_new)();
  void (*conf_destroy)(Conf*);
  int (*conf_set)(Conf*, const char* name, const char* value, char* error, size_t error_size);
  void (*conf_set_opaque)(Conf*, void*);
  void (*conf_set_dr_msg_cb)(Conf*, void (*)(Client*, const Message*, void* opaque));
  void (*conf_set_error_cb)(Conf*, void (*)(Client*, int error, const char* reason, void* opaque));
  void (*conf_set_log_cb)(Conf*, void (*)(const Client*, int level, const char* facility,
                                          const char* text));
  void (*conf_set_stats_cb)(Conf*, int (*)(Client*, char* json, size_t size, void* opaque));
  Client* (*create)(int type, Conf*, char* error, size_t error_size);
  void (*destroy)(Client*);
  int (*brokers_add)(Client*, const char* servers);
  void* (*opaque)(const Client*);
  int (*set_log_queue)(Client*, void* queue);
  Topic* (*topic_new)(Client*, const char* name, void* conf);
  void (*topic_destroy)(Topic*);
  int (*metadata)(Client*, int all_topics, Topic* only, const Metadata**, int milliseconds);
  void (*metadata_destroy)(const Metadata*);
  int (*producev)(Client*, ...);
  int (*poll)(Client*, int milliseconds);
  int (*flush)(Client*, int milliseconds);
  int (*purge)(Client*, int flags);
  int (*fatal_error)(Client*, char* reason, size_t reason_size);
  int (*test_fatal_error)(Client*, int error, const char* reason);
  const char* (*error_text)(int error);
  int (*message_headers)(const Message*, Headers**);
  Headers* (*headers_new)(size_t count);
  void (*headers_destroy)(Headers*);
  int (*header_add)(Headers*, const char* name, ptrdiff_t name_size, const void* value,
                    ptrdiff_t value_size);
  int (*header_get_all)(const Headers*, size_t index, const char** name, const void** value,
                        size_t* size);
  Queue* (*queue_new)(Client*);
  void (*queue_destroy)(Queue*);
  Event* (*queue_poll)(Queue*, int milliseconds);
  int (*event_error)(Event*);
  void (*event_destroy)(Event*);
  ConfigResource* (*config_resource_new)(int type, const char* name);
  void (*config_resource_destroy)(ConfigResource*);
  void (*describe_configs)(Client*, ConfigResource**, size_t count, const void* options, Queue*);
  const void* (*event_describe_configs_result)(Event*);
  const ConfigResource** (*describe_configs_result_resources)(const void* result, size_t* count);
  int (*config_resource_error)(const ConfigResource*);
  const ConfigEntry** (*config_resource_configs)(const ConfigResource*, size_t* count);
  const char* (*config_entry_name)(const ConfigEntry*);
  const char* (*config_entry_value)(const ConfigEntry*);
};

// The process's one librdkafka; usable once `load` has returned null.
const Api& api() noexcept;

// One call at a time. Finds the library that the module at `path`, which is loaded already, is linked with. Returns the
// name of what is missing, null when all is there.
const char* load(const char* path) noexcept;

// Any other function of that library, once it is loaded; null when it lacks it.
void* find_function(const char* name) noexcept;

}  // namespace atomwire::rdkafka
