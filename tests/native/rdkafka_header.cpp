// Holds what src/rdkafka/api.hpp declares by hand against librdkafka's own header. Compiling is the
// test.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <cstddef>
#include <type_traits>

#include "api.hpp"
#include "mock_cluster.hpp"

namespace {

// A type as C passes it: enums as int, pointers to structs as pointers to anything.
template <typename T>
struct Passed {
  using type = std::conditional_t<
      std::is_enum_v<T>, std::conditional_t<std::is_const_v<T>, const int, int>,
      std::conditional_t<std::is_class_v<T>,
                         std::conditional_t<std::is_const_v<T>, const void, void>, T>>;
};
template <typename T>
struct Passed<T*> {
  using type = typename Passed<T>::type*;
};
template <typename R, typename... A>
struct Passed<R (*)(A...)> {
  using type = typename Passed<R>::type (*)(typename Passed<A>::type...);
};
template <typename R, typename... A>
struct Passed<R (*)(A..., ...)> {
  using type = typename Passed<R>::type (*)(typename Passed<A>::type..., ...);
};

using atomwire::rdkafka::Api;
using atomwire::rdkafka::Message;

#define ATOMWIRE_SAME(member, function)                                                          \
  static_assert(std::is_same_v<Passed<decltype(Api::member)>::type,                              \
                               Passed<decltype(&function)>::type>,                               \
                #function)
ATOMWIRE_SAME(conf_new, rd_kafka_conf_new);
ATOMWIRE_SAME(conf_destroy, rd_kafka_conf_destroy);
ATOMWIRE_SAME(conf_set, rd_kafka_conf_set);
ATOMWIRE_SAME(conf_set_opaque, rd_kafka_conf_set_opaque);
ATOMWIRE_SAME(conf_set_dr_msg_cb, rd_kafka_conf_set_dr_msg_cb);
ATOMWIRE_SAME(conf_set_error_cb, rd_kafka_conf_set_error_cb);
ATOMWIRE_SAME(conf_set_log_cb, rd_kafka_conf_set_log_cb);
ATOMWIRE_SAME(conf_set_stats_cb, rd_kafka_conf_set_stats_cb);
ATOMWIRE_SAME(create, rd_kafka_new);
ATOMWIRE_SAME(destroy, rd_kafka_destroy);
ATOMWIRE_SAME(brokers_add, rd_kafka_brokers_add);
ATOMWIRE_SAME(opaque, rd_kafka_opaque);
ATOMWIRE_SAME(set_log_queue, rd_kafka_set_log_queue);
ATOMWIRE_SAME(topic_new, rd_kafka_topic_new);
ATOMWIRE_SAME(topic_destroy, rd_kafka_topic_destroy);
ATOMWIRE_SAME(metadata, rd_kafka_metadata);
ATOMWIRE_SAME(metadata_destroy, rd_kafka_metadata_destroy);
ATOMWIRE_SAME(producev, rd_kafka_producev);
ATOMWIRE_SAME(poll, rd_kafka_poll);
ATOMWIRE_SAME(flush, rd_kafka_flush);
ATOMWIRE_SAME(purge, rd_kafka_purge);
ATOMWIRE_SAME(fatal_error, rd_kafka_fatal_error);
ATOMWIRE_SAME(test_fatal_error, rd_kafka_test_fatal_error);
ATOMWIRE_SAME(error_text, rd_kafka_err2str);
ATOMWIRE_SAME(message_headers, rd_kafka_message_headers);
ATOMWIRE_SAME(headers_new, rd_kafka_headers_new);
ATOMWIRE_SAME(headers_destroy, rd_kafka_headers_destroy);
ATOMWIRE_SAME(header_add, rd_kafka_header_add);
ATOMWIRE_SAME(header_get_all, rd_kafka_header_get_all);
ATOMWIRE_SAME(queue_new, rd_kafka_queue_new);
ATOMWIRE_SAME(queue_destroy, rd_kafka_queue_destroy);
ATOMWIRE_SAME(queue_poll, rd_kafka_queue_poll);
ATOMWIRE_SAME(event_error, rd_kafka_event_error);
ATOMWIRE_SAME(event_destroy, rd_kafka_event_destroy);
ATOMWIRE_SAME(config_resource_new, rd_kafka_ConfigResource_new);
ATOMWIRE_SAME(config_resource_destroy, rd_kafka_ConfigResource_destroy);
ATOMWIRE_SAME(describe_configs, rd_kafka_DescribeConfigs);
ATOMWIRE_SAME(event_describe_configs_result, rd_kafka_event_DescribeConfigs_result);
ATOMWIRE_SAME(describe_configs_result_resources, rd_kafka_DescribeConfigs_result_resources);
ATOMWIRE_SAME(config_resource_error, rd_kafka_ConfigResource_error);
ATOMWIRE_SAME(config_resource_configs, rd_kafka_ConfigResource_configs);
ATOMWIRE_SAME(config_entry_name, rd_kafka_ConfigEntry_name);
ATOMWIRE_SAME(config_entry_value, rd_kafka_ConfigEntry_value);

using atomwire::rdkafka::MockApi;

#define ATOMWIRE_SAME_MOCK(member, function)                                                     \
  static_assert(std::is_same_v<Passed<decltype(MockApi::member)>::type,                          \
                               Passed<decltype(&function)>::type>,                               \
                #function)
ATOMWIRE_SAME_MOCK(cluster_new, rd_kafka_mock_cluster_new);
ATOMWIRE_SAME_MOCK(cluster_destroy, rd_kafka_mock_cluster_destroy);
ATOMWIRE_SAME_MOCK(cluster_bootstraps, rd_kafka_mock_cluster_bootstraps);
ATOMWIRE_SAME_MOCK(topic_create, rd_kafka_mock_topic_create);
ATOMWIRE_SAME_MOCK(broker_set_down, rd_kafka_mock_broker_set_down);
ATOMWIRE_SAME_MOCK(broker_set_up, rd_kafka_mock_broker_set_up);
ATOMWIRE_SAME_MOCK(broker_set_rtt, rd_kafka_mock_broker_set_rtt);
ATOMWIRE_SAME_MOCK(push_request_errors, rd_kafka_mock_push_request_errors_array);
ATOMWIRE_SAME_MOCK(clear_request_errors, rd_kafka_mock_clear_request_errors);
#if RD_KAFKA_VERSION >= 0x020600ff
ATOMWIRE_SAME_MOCK(group_initial_rebalance_delay, rd_kafka_mock_group_initial_rebalance_delay_ms);
#endif

#define ATOMWIRE_METADATA(ours, theirs, member, their_member)                                    \
  static_assert(offsetof(atomwire::rdkafka::ours, member) == offsetof(theirs, their_member),     \
                #their_member)
ATOMWIRE_METADATA(Metadata, rd_kafka_metadata_t, topic_count, topic_cnt);
ATOMWIRE_METADATA(Metadata, rd_kafka_metadata_t, topics, topics);
ATOMWIRE_METADATA(TopicMetadata, rd_kafka_metadata_topic_t, partition_count, partition_cnt);
ATOMWIRE_METADATA(TopicMetadata, rd_kafka_metadata_topic_t, error, err);
static_assert(sizeof(atomwire::rdkafka::TopicMetadata) == sizeof(rd_kafka_metadata_topic_t));

#define ATOMWIRE_FIELD(ours, theirs)                                                             \
  static_assert(offsetof(Message, ours) == offsetof(rd_kafka_message_t, theirs), #theirs);       \
  static_assert(sizeof(Message::ours) == sizeof(rd_kafka_message_t::theirs), #theirs)
static_assert(sizeof(Message) == sizeof(rd_kafka_message_t), "rd_kafka_message_t");
ATOMWIRE_FIELD(error, err);
ATOMWIRE_FIELD(topic, rkt);
ATOMWIRE_FIELD(partition, partition);
ATOMWIRE_FIELD(payload, payload);
ATOMWIRE_FIELD(length, len);
ATOMWIRE_FIELD(key, key);
ATOMWIRE_FIELD(key_length, key_len);
ATOMWIRE_FIELD(offset, offset);
ATOMWIRE_FIELD(opaque, _private);

#define ATOMWIRE_VALUE(ours, theirs) \
  static_assert(static_cast<int>(atomwire::rdkafka::ours) == static_cast<int>(theirs), #theirs)
ATOMWIRE_VALUE(kTopicResource, RD_KAFKA_RESOURCE_TOPIC);
ATOMWIRE_VALUE(kEnd, RD_KAFKA_VTYPE_END);
ATOMWIRE_VALUE(kTopic, RD_KAFKA_VTYPE_RKT);
ATOMWIRE_VALUE(kValue, RD_KAFKA_VTYPE_VALUE);
ATOMWIRE_VALUE(kKey, RD_KAFKA_VTYPE_KEY);
ATOMWIRE_VALUE(kOpaque, RD_KAFKA_VTYPE_OPAQUE);
ATOMWIRE_VALUE(kFlags, RD_KAFKA_VTYPE_MSGFLAGS);
ATOMWIRE_VALUE(kTimestamp, RD_KAFKA_VTYPE_TIMESTAMP);
ATOMWIRE_VALUE(kHeaders, RD_KAFKA_VTYPE_HEADERS);
ATOMWIRE_VALUE(kProducer, RD_KAFKA_PRODUCER);
ATOMWIRE_VALUE(kConfOk, RD_KAFKA_CONF_OK);
ATOMWIRE_VALUE(kCopy, RD_KAFKA_MSG_F_COPY);
ATOMWIRE_VALUE(kPurgeQueue, RD_KAFKA_PURGE_F_QUEUE);
ATOMWIRE_VALUE(kPurgeInFlight, RD_KAFKA_PURGE_F_INFLIGHT);
ATOMWIRE_VALUE(kNoError, RD_KAFKA_RESP_ERR_NO_ERROR);
ATOMWIRE_VALUE(kClosed, RD_KAFKA_RESP_ERR__DESTROY);
ATOMWIRE_VALUE(kAllBrokersDown, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
ATOMWIRE_VALUE(kFatal, RD_KAFKA_RESP_ERR__FATAL);

}  // namespace
