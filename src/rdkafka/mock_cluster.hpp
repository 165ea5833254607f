// A Kafka inside the process, for tests: librdkafka's mock cluster, and faults of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "api.hpp"

namespace atomwire::rdkafka {

// Opaque.
struct Cluster;

// librdkafka calls this part of its interface experimental. So it is looked for when a cluster is
// opened and not before: a bus needs none of it.
struct MockApi {
  Cluster* (*cluster_new)(Client*, int nodes);
  void (*cluster_destroy)(Cluster*);
  const char* (*cluster_bootstraps)(const Cluster*);
  int (*topic_create)(Cluster*, const char* name, int partitions, int replicas);
  int (*broker_set_down)(Cluster*, int32_t node);
  int (*broker_set_up)(Cluster*, int32_t node);
  int (*broker_set_rtt)(Cluster*, int32_t node, int milliseconds);
  void (*push_request_errors)(Cluster*, int16_t request, size_t count, const int* errors);
  void (*clear_request_errors)(Cluster*, int16_t request);
  void (*group_initial_rebalance_delay)(Cluster*, int32_t milliseconds);
};

constexpr int32_t kEveryNode = -1;  // where a node is asked for; they count from 1

// Used by any thread, one at a time by its mutex; librdkafka serves the cluster in a thread of its
// own. After a fork that thread is the parent's alone, so a child leaves the cluster as it is.
class MockCluster {
 public:
  MockCluster() = default;
  ~MockCluster() { close(); }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  // Once, after `load`. False when librdkafka refuses, or lacks what is needed; `problem` says why.
  bool open(int nodes) noexcept;
  const char* problem() const noexcept { return problem_; }
  // host:port of each node, separated by commas; it stays the same from `open` on.
  const char* addresses() const noexcept { return addresses_.c_str(); }
  void close() noexcept;

  // An error code of librdkafka, or 0. What is closed answers kClosed.
  int create_topic(const char* name, int partitions) noexcept;
  int set_down(int32_t node) noexcept;
  int set_up(int32_t node) noexcept;
  int set_delay(int32_t node, int milliseconds) noexcept;
  // The next `count` requests of that kind, a number of Kafka's protocol, get the error for answer.
  int push_errors(int16_t request, size_t count, int error) noexcept;
  int clear_errors(int16_t request) noexcept;

 private:
  bool find_functions() noexcept;
  template <typename Call>
  int locked(Call call) noexcept;
  template <typename Call>
  int order(Call call) noexcept;  // what the cluster's thread does, and answers

  MockApi mock_{};
  std::atomic<int> process_{0};  // which opened it; looked at first: the mutex may be the parent's
  std::mutex mutex_;             // of what follows
  Client* owner_ = nullptr;
  Cluster* cluster_ = nullptr;
  int nodes_ = 0;
  std::string addresses_;
  char problem_[512] = "";
};

}  // namespace atomwire::rdkafka
