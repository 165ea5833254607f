// One producer of librdkafka from its first event to its last, and the thread that serves it.
//
// Made and ended by one thread at a time (the delivery thread, or who closes the bus). The session's
// own thread asks for reports and tells the queue. `produce` is called under the queue's lock until the
// session is detached; `send_now` by the sender, whom `end` waits for.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "producer.hpp"
#include "send_queue.hpp"

namespace atomwire::bus {

class ProducerSession final : public Outlet, public rdkafka::ReportTaker {
 public:
  static constexpr int kLeastPatience = 200;

  explicit ProducerSession(SendQueue& queue) noexcept : queue_(queue), producer_(*this) {}
  ~ProducerSession() override;

  // Before `open`. False when librdkafka refuses; `problem` says why.
  bool set(const char* property, const char* value) noexcept {
    return producer_.set(property, value);
  }
  // Makes the producer, and begins to serve it.
  bool open(const char* topic) noexcept;
  // Whether that was for want of a thread, which there may be later.
  bool lacks_thread() const noexcept { return lacks_thread_; }
  const char* problem() const noexcept { return problem_ ? problem_ : producer_.problem(); }

  int produce(const Message& message) noexcept override;
  void send_now(int milliseconds) noexcept override;
  void take(rdkafka::Reports&& reports) noexcept override {
    check_no_lock("taking reports");
    queue_.take(std::move(reports), *this);
  }

  // Once it is detached: what is on its way gets `milliseconds`, the rest comes back at once. Returns
  // false when librdkafka has not reported on everything within `purge_milliseconds` after that.
  bool drain(int milliseconds, int purge_milliseconds) noexcept;
  // Ends the threads and releases the producer. Nobody may use it any more.
  void end() noexcept;

  void take_notices(std::vector<rdkafka::Notice>& notices) noexcept {
    check_no_lock("taking a producer's notices");  // which have a lock of their own
    producer_.take_notices(notices);
  }
  bool connected() const noexcept { return producer_.connected(); }
  bool topic_known() const noexcept { return producer_.topic_known(); }
  // Why the topic's partitions are not known, 0 when they are.
  int topic_error() const noexcept { return topic_error_.load(); }
  // The topic's own limit of a message, 0 when it is not known.
  uint64_t topic_limit() const noexcept { return topic_limit_.load(); }
  int provoke_fatal_error(int error, const char* reason) noexcept {
    return producer_.provoke_fatal_error(error, reason);
  }

 private:
  void serve() noexcept;
  bool find_partitions() noexcept;
  void learn_limit() noexcept;

  SendQueue& queue_;
  rdkafka::Producer producer_;
  std::thread thread_;
  std::atomic<bool> ending_{false};
  std::atomic<int> senders_{0};
  std::atomic<int> topic_error_{0};
  std::atomic<uint64_t> topic_limit_{0};
  std::string topic_;
  const char* problem_ = nullptr;
  bool lacks_thread_ = false;
  int patience_ = kLeastPatience;  // the session's thread's: with a broker, in milliseconds
};

// Ends a session in a thread of its own, for which it waits at most that long. librdkafka now and then
// waits without end for its own threads, and the end of a bus must not. False when it still does.
bool end_within(std::shared_ptr<ProducerSession> session, int milliseconds) noexcept;

}  // namespace atomwire::bus
