// A producer of librdkafka whose reports are taken without an interpreter.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "api.hpp"
#include "reports.hpp"
#include "topic_limit.hpp"

namespace atomwire::rdkafka {

// Something that the producer says: a line of its log, or an error of it.
struct Notice {
  bool is_error = false;
  bool fatal = false;
  int number = 0;        // the error's code, or the line's syslog level
  std::string facility;  // of a line
  std::string text;
};

// Made by `open`, used by any thread until `close`, and never moved: librdkafka calls it back.
class Producer {
 public:
  explicit Producer(ReportTaker& taker) noexcept : taker_(taker) {}
  ~Producer() { close(); }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Before `open`. False when librdkafka refuses; `problem` says why.
  bool set(const char* property, const char* value) noexcept;
  bool open(const char* topic) noexcept;
  const char* problem() const noexcept { return problem_; }

  // Hands over one event: returns 0, or an error code. `sequence` is positive, and comes back with the
  // acknowledgement where it is `marked`, with a failure always. The headers are taken over in either
  // case.
  int produce(const char* key, size_t key_size, const char* value, size_t value_size,
              int64_t milliseconds, Headers* headers, int64_t sequence, bool marked) noexcept;

  // Waits for reports for at most that long, and tells what came. Returns whether there are notices.
  bool serve(int milliseconds) noexcept;
  // Asks a broker how many partitions the topic has, for at most that long; returns 0 when it has none,
  // or no broker answers. `error` is the answer's, or librdkafka's.
  int partitions(int milliseconds, int& error) noexcept;
  // Asks a broker for the topic's `max.message.bytes`; `limit_answered` tells when it has answered.
  void ask_limit(const char* topic) noexcept { limit_.ask(client_, topic); }
  bool limit_answered(uint64_t& bytes) noexcept { return limit_.answered(bytes); }
  // Sends without lingering, and serves, until nothing is queued or the time is over.
  void flush(int milliseconds) noexcept;
  void purge(bool in_flight) noexcept {
    api().purge(client_, in_flight ? kPurgeQueue | kPurgeInFlight : kPurgeQueue);
  }
  // Nobody may be in another call, nor begin one but `produce`.
  void close() noexcept;

  void take_notices(std::vector<Notice>& notices) noexcept;
  // By the latest statistics, one a second: whether a broker is connected, and the topic is there.
  bool connected() const noexcept { return connected_.load(); }
  bool topic_known() const noexcept { return topic_known_.load(); }
  // Of the fatal error, 0 when there was none.
  int fatal_error() const noexcept { return fatal_.load(); }
  int provoke_fatal_error(int error, const char* reason) noexcept {
    return api().test_fatal_error(client_, error, reason);
  }

 private:
  static void on_report(Client*, const Message*, void* self) noexcept;
  static void on_error(Client*, int error, const char* reason, void* self) noexcept;
  static void on_log(const Client*, int level, const char* facility, const char* text) noexcept;
  static int on_statistics(Client*, char* json, size_t size, void* self) noexcept;

  class Round;

  void keep_notice(bool is_error, bool fatal, int number, const char* facility,
                   const char* text) noexcept;
  bool notices_due() noexcept;
  int flush_piece(int milliseconds) noexcept;
  void bootstrap_again() noexcept;

  ReportTaker& taker_;
  Conf* conf_ = nullptr;
  Client* client_ = nullptr;
  Topic* topic_ = nullptr;
  TopicLimit limit_;
  std::string servers_;  // bootstrap.servers
  std::atomic<bool> connected_{false};
  std::atomic<bool> topic_known_{false};
  std::atomic<int> fatal_{0};
  std::atomic<int> without_brokers_{0};  // statistics in a row that had none
  std::mutex mutex_;  // of what follows
  std::vector<Notice> notices_;
  bool failed_ = false;  // a fatal error is among the notices
  std::chrono::steady_clock::time_point told_{};
  char problem_[512] = "";
};

}  // namespace atomwire::rdkafka
