#include "producer.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace atomwire::rdkafka {
namespace {

// An absent broker is 20 lines a second: they are told together.
constexpr std::chrono::milliseconds kNoticesEvery{100};
// More than that is not kept, until they are taken.
constexpr size_t kMostNotices = 1000;
// So many statistics in a row, one a second: librdkafka's own way back takes less than one.
constexpr int kLongWithoutBrokers = 3;

// The opaque of a message: its sequence, and whether it is marked.
void* opaque_of(int64_t sequence, bool marked) noexcept {
  return reinterpret_cast<void*>(static_cast<intptr_t>(sequence) * 2 + (marked ? 1 : 0));
}

int64_t sequence_of(const void* opaque) noexcept { return reinterpret_cast<intptr_t>(opaque) >> 1; }

bool marked_of(const void* opaque) noexcept { return (reinterpret_cast<intptr_t>(opaque) & 1) != 0; }

std::string copy(const void* from, size_t size) {
  return from == nullptr ? std::string() : std::string(static_cast<const char*>(from), size);
}

bool contains(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != std::string_view::npos;
}

// The statistics' part about the brokers, and that about the topics behind it.
std::string_view brokers_of(std::string_view statistics) noexcept {
  const size_t start = statistics.find("\"brokers\":{");
  if (start == std::string_view::npos) return {};
  return statistics.substr(start, statistics.find("\"topics\":{", start) - start);
}

std::string_view topics_of(std::string_view statistics) noexcept {
  const size_t start = statistics.find("\"topics\":{");
  return start == std::string_view::npos ? std::string_view() : statistics.substr(start);
}

// Whether librdkafka has no broker at all in its list, not even one that is away.
bool has_no_broker(std::string_view statistics) noexcept {
  constexpr std::string_view kBrokers = "\"brokers\":{";
  const std::string_view brokers = brokers_of(statistics);
  if (brokers.empty()) return false;
  const size_t next = brokers.find_first_not_of(' ', kBrokers.size());
  return next != std::string_view::npos && brokers[next] == '}';
}

Failure failure_of(const Message& message) {
  Failure failure;
  failure.sequence = sequence_of(message.opaque);
  failure.error = message.error;
  failure.key = copy(message.key, message.key_length);
  failure.value = copy(message.payload, message.length);
  Headers* headers = nullptr;
  if (api().message_headers(&message, &headers) != kNoError) return failure;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t index = 0;
       api().header_get_all(headers, index, &name, &value, &size) == kNoError; ++index) {
    failure.headers.emplace_back(name, copy(value, size));
  }
  return failure;
}

}  // namespace

// Reports of one round of serving, in whatever thread: librdkafka calls back in the one that asks it.
class Producer::Round {
 public:
  explicit Round(ReportTaker& taker) noexcept : taker_(taker) { current = &reports_; }
  ~Round() {
    current = nullptr;
    if (!reports_.empty()) taker_.take(std::move(reports_));
  }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  static thread_local Reports* current;

 private:
  ReportTaker& taker_;
  Reports reports_;
};

thread_local Reports* Producer::Round::current = nullptr;

bool Producer::set(const char* property, const char* value) noexcept {
  if (conf_ == nullptr) conf_ = api().conf_new();
  if (std::string_view(property) == "bootstrap.servers") {
    try {
      servers_ = value;
    } catch (...) {
      std::snprintf(problem_, sizeof problem_, "no memory");
      return false;
    }
  }
  return api().conf_set(conf_, property, value, problem_, sizeof problem_) == kConfOk;
}

bool Producer::open(const char* topic) noexcept {
  // Lines of the log come with the reports, and not from threads of librdkafka at any time.
  if (!set("log.queue", "true")) return false;
  api().conf_set_opaque(conf_, this);
  api().conf_set_dr_msg_cb(conf_, on_report);
  api().conf_set_error_cb(conf_, on_error);
  api().conf_set_log_cb(conf_, on_log);
  api().conf_set_stats_cb(conf_, on_statistics);
  client_ = api().create(kProducer, conf_, problem_, sizeof problem_);
  if (client_ == nullptr) return false;
  conf_ = nullptr;  // is the client's now
  api().set_log_queue(client_, nullptr);
  topic_ = api().topic_new(client_, topic, nullptr);
  if (topic_ == nullptr) std::snprintf(problem_, sizeof problem_, "the topic's name is not valid");
  return topic_ != nullptr;
}

int Producer::produce(const char* key, size_t key_size, const char* value, size_t value_size,
                      int64_t milliseconds, Headers* headers, int64_t sequence,
                      bool marked) noexcept {
  int error = kClosed;
  if (client_ != nullptr) {
    error = api().producev(
        client_, kTopic, topic_, kFlags, kCopy, kKey, static_cast<const void*>(key), key_size,
        kValue, const_cast<char*>(value), value_size, kTimestamp, milliseconds, kHeaders, headers,
        kOpaque, opaque_of(sequence, marked), kEnd);
    if (error == kNoError) return kNoError;
  }
  if (headers != nullptr) api().headers_destroy(headers);
  return error;
}

bool Producer::serve(int milliseconds) noexcept {
  {
    const Round round(taker_);
    api().poll(client_, milliseconds);
  }
  if (without_brokers_.load() >= kLongWithoutBrokers) bootstrap_again();
  return notices_due();
}

int Producer::partitions(int milliseconds, int& error) noexcept {
  const Metadata* metadata = nullptr;
  error = api().metadata(client_, 0, topic_, &metadata, milliseconds);
  if (error != kNoError) return 0;
  int count = 0;
  if (metadata->topic_count > 0) {
    error = metadata->topics[0].error;
    if (error == kNoError) count = metadata->topics[0].partition_count;
  }
  api().metadata_destroy(metadata);
  return count;
}

void Producer::bootstrap_again() noexcept {
  // A broker whose answer names no broker makes librdkafka part with all it knew, and then it may
  // have nobody left to ask (https://github.com/confluentinc/librdkafka/issues/5301).
  without_brokers_.store(0);
  api().brokers_add(client_, servers_.c_str());
}

int Producer::flush_piece(int milliseconds) noexcept {
  const Round round(taker_);
  return api().flush(client_, milliseconds);
}

void Producer::flush(int milliseconds) noexcept {
  // librdkafka waits for reports, 10 ms at a time, and when `serve` has taken the last of them it
  // learns of it only then. In pieces of a part of what was waited already, that is no matter.
  using std::chrono::steady_clock;
  const auto start = steady_clock::now();
  int64_t waited = 0;
  int piece = 0;
  while (flush_piece(piece) != kNoError && waited < milliseconds) {
    waited = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start)
                 .count();
    const int64_t left = milliseconds > waited ? milliseconds - waited : 0;
    piece = static_cast<int>(std::min(left, std::clamp<int64_t>(waited / 8, 1, 10)));
  }
}

void Producer::close() noexcept {
  limit_.forget();
  Client* client = client_;
  client_ = nullptr;
  if (topic_ != nullptr) api().topic_destroy(topic_);
  topic_ = nullptr;
  if (client != nullptr) api().destroy(client);
  if (conf_ != nullptr) api().conf_destroy(conf_);
  conf_ = nullptr;
}

bool Producer::notices_due() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failed_ ||
         (!notices_.empty() && std::chrono::steady_clock::now() - told_ >= kNoticesEvery);
}

void Producer::take_notices(std::vector<Notice>& notices) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  notices.swap(notices_);
  failed_ = false;
  told_ = std::chrono::steady_clock::now();
}

void Producer::keep_notice(bool is_error, bool fatal, int number, const char* facility,
                           const char* text) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  failed_ = failed_ || fatal;
  if (notices_.size() >= kMostNotices && !fatal) return;
  try {
    notices_.push_back({is_error, fatal, number, facility, text});
  } catch (...) {
    return;  // without memory nothing is said
  }
}

// ---- What librdkafka calls, in the thread that serves it.

void Producer::on_report(Client*, const Message* message, void*) noexcept {
  Reports* const reports = Round::current;
  if (reports == nullptr) return;  // librdkafka reports to who asks, and we ask within a round
  const auto bytes = static_cast<int64_t>(message->length + message->key_length);
  if (message->error == kNoError) {
    ++reports->delivered;
    reports->delivered_bytes += bytes;
    if (!marked_of(message->opaque)) return;
    try {
      reports->acknowledged.push_back(
          {sequence_of(message->opaque), message->partition, message->offset});
    } catch (...) {
      // Delivered all the same; whoever asked for it learns of it when the bus ends.
    }
    return;
  }
  try {
    reports->failures.push_back(failure_of(*message));
  } catch (...) {
    ++reports->lost;
    reports->lost_bytes += bytes;
  }
}

void Producer::on_error(Client* client, int error, const char* reason, void* self) noexcept {
  auto* producer = static_cast<Producer*>(self);
  if (error == kFatal) {
    char text[512] = "";
    const int cause = api().fatal_error(client, text, sizeof text);
    producer->fatal_.store(cause == kNoError ? kFatal : cause);
    producer->keep_notice(true, true, cause, "", text);
    return;
  }
  if (error == kAllBrokersDown) producer->connected_.store(false);
  producer->keep_notice(true, false, error, "", reason);
}

void Producer::on_log(const Client* client, int level, const char* facility,
                      const char* text) noexcept {
  auto* producer = static_cast<Producer*>(api().opaque(client));
  producer->keep_notice(false, false, level, facility, text);
}

int Producer::on_statistics(Client*, char* json, size_t size, void* self) noexcept {
  auto* producer = static_cast<Producer*>(self);
  if (has_no_broker({json, size})) {
    ++producer->without_brokers_;
  } else {
    producer->without_brokers_.store(0);
  }
  const std::string_view statistics(json, size);
  producer->connected_.store(contains(brokers_of(statistics), "\"state\":\"UP\""));
  // A topic that is not there has the partition -1 alone.
  producer->topic_known_.store(contains(topics_of(statistics), "\"partition\":0,"));
  return 0;  // the text stays librdkafka's
}

}  // namespace atomwire::rdkafka
