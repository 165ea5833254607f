#include "mock_cluster.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#ifndef _WIN32
#include <unistd.h>
#endif

namespace atomwire::rdkafka {
namespace {

// Kafka waits for a new group's members, librdkafka's cluster by itself for 3 s. A test has all of
// them at once, or wants to see the rebalance.
constexpr int32_t kGroupDelay = 100;  // milliseconds
constexpr int kMostReplicas = 3;
constexpr size_t kErrorsAtOnce = 64;
// The cluster's thread looks for orders first and then empties the pipe that wakes it. An order in
// between waits for as long as a second, so one is given a moment after the other.
constexpr std::chrono::milliseconds kBetweenOrders{1};

int this_process() noexcept {
#ifdef _WIN32
  return 0;
#else
  return static_cast<int>(getpid());
#endif
}

void drop_line(const Client*, int, const char*, const char*) noexcept {}

template <typename Function>
bool find(const char* name, Function& function) noexcept {
  function = reinterpret_cast<Function>(find_function(name));
  return function != nullptr;
}

}  // namespace

bool MockCluster::find_functions() noexcept {
#define ATOMWIRE_FIND(member, name)                                      \
  if (!find(name, mock_.member)) {                                       \
    std::snprintf(problem_, sizeof problem_, "librdkafka has no %s", name); \
    return false;                                                        \
  }
  ATOMWIRE_FIND(cluster_new, "rd_kafka_mock_cluster_new")
  ATOMWIRE_FIND(cluster_destroy, "rd_kafka_mock_cluster_destroy")
  ATOMWIRE_FIND(cluster_bootstraps, "rd_kafka_mock_cluster_bootstraps")
  ATOMWIRE_FIND(topic_create, "rd_kafka_mock_topic_create")
  ATOMWIRE_FIND(broker_set_down, "rd_kafka_mock_broker_set_down")
  ATOMWIRE_FIND(broker_set_up, "rd_kafka_mock_broker_set_up")
  ATOMWIRE_FIND(broker_set_rtt, "rd_kafka_mock_broker_set_rtt")
  ATOMWIRE_FIND(push_request_errors, "rd_kafka_mock_push_request_errors_array")
  ATOMWIRE_FIND(clear_request_errors, "rd_kafka_mock_clear_request_errors")
  ATOMWIRE_FIND(group_initial_rebalance_delay, "rd_kafka_mock_group_initial_rebalance_delay_ms")
#undef ATOMWIRE_FIND
  return true;
}

bool MockCluster::open(int nodes) noexcept {
  process_.store(this_process());
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!find_functions()) return false;
  // The cluster lives in a client, which itself has nothing to do, and nothing to say.
  Conf* const conf = api().conf_new();
  api().conf_set_log_cb(conf, drop_line);
  owner_ = api().create(kProducer, conf, problem_, sizeof problem_);
  if (owner_ == nullptr) {
    api().conf_destroy(conf);
    return false;
  }
  cluster_ = mock_.cluster_new(owner_, nodes);
  if (cluster_ == nullptr) {
    api().destroy(owner_);
    owner_ = nullptr;
    std::snprintf(problem_, sizeof problem_, "librdkafka could not listen on loopback");
    return false;
  }
  mock_.group_initial_rebalance_delay(cluster_, kGroupDelay);
  nodes_ = nodes;
  try {
    addresses_ = mock_.cluster_bootstraps(cluster_);
  } catch (...) {
    std::snprintf(problem_, sizeof problem_, "no memory");
    return false;
  }
  return true;
}

void MockCluster::close() noexcept {
  if (process_.load() != this_process()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (cluster_ != nullptr) {
    mock_.cluster_destroy(cluster_);
    api().destroy(owner_);
  }
  cluster_ = nullptr;
  owner_ = nullptr;
}

template <typename Call>
int MockCluster::locked(Call call) noexcept {
  if (process_.load() != this_process()) return kClosed;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (cluster_ == nullptr) return kClosed;
  return call();
}

template <typename Call>
int MockCluster::order(Call call) noexcept {
  return locked([&] {
    const int error = call();
    std::this_thread::sleep_for(kBetweenOrders);
    return error;
  });
}

int MockCluster::create_topic(const char* name, int partitions) noexcept {
  return order([&] {
    return mock_.topic_create(cluster_, name, partitions, std::min(nodes_, kMostReplicas));
  });
}

int MockCluster::set_down(int32_t node) noexcept {
  return order([&] { return mock_.broker_set_down(cluster_, node); });
}

int MockCluster::set_up(int32_t node) noexcept {
  return order([&] { return mock_.broker_set_up(cluster_, node); });
}

int MockCluster::set_delay(int32_t node, int milliseconds) noexcept {
  return order([&] { return mock_.broker_set_rtt(cluster_, node, milliseconds); });
}

int MockCluster::push_errors(int16_t request, size_t count, int error) noexcept {
  int errors[kErrorsAtOnce];
  std::fill_n(errors, kErrorsAtOnce, error);
  return locked([&] {
    for (size_t left = count; left > 0;) {
      const size_t portion = std::min(left, kErrorsAtOnce);
      mock_.push_request_errors(cluster_, request, portion, errors);
      left -= portion;
    }
    return kNoError;
  });
}

int MockCluster::clear_errors(int16_t request) noexcept {
  return locked([&] {
    mock_.clear_request_errors(cluster_, request);
    return kNoError;
  });
}

}  // namespace atomwire::rdkafka
