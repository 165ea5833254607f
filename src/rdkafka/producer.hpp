// A producer of librdkafka whose reports are counted without an interpreter.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "api.hpp"
#include "reports.hpp"

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
  explicit Producer(Reports& reports) noexcept : reports_(reports) {}
  ~Producer() { close(); }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Before `open`. False when librdkafka refuses; `problem` says why.
  bool set(const char* property, const char* value) noexcept;
  bool open(const char* topic) noexcept;
  const char* problem() const noexcept { return problem_; }

  // Hands over one event: returns 0, or an error code. `number` is positive. The headers are taken
  // over in either case.
  int produce(const char* key, size_t key_size, const char* value, size_t value_size,
              int64_t milliseconds, Headers* headers, int64_t number, bool wanted) noexcept;

  // Serves reports until there is something to tell, or `stop`.
  void serve() noexcept;
  void stop() noexcept { stopping_.store(true); }
  // Sends without lingering, and serves, until nothing is queued or the time is over.
  void flush(int milliseconds) noexcept;
  void purge(bool in_flight) noexcept {
    api().purge(client_, in_flight ? kPurgeQueue | kPurgeInFlight : kPurgeQueue);
  }
  // Nobody may be in another call, nor begin one but `produce`.
  void close() noexcept;

  void take_notices(std::vector<Notice>& notices) noexcept;
  // The latest statistics, JSON; empty before the first, and when all brokers have gone since.
  bool copy_statistics(std::string& statistics) noexcept;
  int provoke_fatal_error(int error, const char* reason) noexcept {
    return api().test_fatal_error(client_, error, reason);
  }

 private:
  static void on_report(Client*, const Message*, void* self) noexcept;
  static void on_error(Client*, int error, const char* reason, void* self) noexcept;
  static void on_log(const Client*, int level, const char* facility, const char* text) noexcept;
  static int on_statistics(Client*, char* json, size_t size, void* self) noexcept;

  void keep_notice(bool is_error, bool fatal, int number, const char* facility,
                   const char* text) noexcept;
  bool notices_due() noexcept;
  void bootstrap_again() noexcept;

  Reports& reports_;
  Conf* conf_ = nullptr;
  Client* client_ = nullptr;
  Topic* topic_ = nullptr;
  std::string servers_;  // bootstrap.servers
  std::atomic<bool> stopping_{false};
  std::atomic<int> without_brokers_{0};  // statistics in a row that had none
  std::mutex mutex_;  // of what follows
  std::vector<Notice> notices_;
  bool failed_ = false;  // a fatal error is among the notices
  std::chrono::steady_clock::time_point told_{};
  std::string statistics_;
  char problem_[512] = "";
};

}  // namespace atomwire::rdkafka
