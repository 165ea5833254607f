#include "producer_session.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>

#include "api.hpp"

namespace atomwire::bus {
namespace {

// How long librdkafka is asked for reports in one go; `end` waits for the end of it.
constexpr int kServeMilliseconds = 100;
// How long a broker is asked for the topic's partitions, and how long it is left in peace in between.
constexpr int kAskMilliseconds = ProducerSession::kLeastPatience;
constexpr int kMostPatience = 10'000;
constexpr int64_t kNanosecondsPerMillisecond = 1'000'000;
// RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE: no memory for a message's headers.
constexpr int kNoResource = -194;

rdkafka::Headers* headers_of(const HeaderList& headers) noexcept {
  const rdkafka::Api& api = rdkafka::api();
  rdkafka::Headers* const made = api.headers_new(headers.size());
  if (made == nullptr) return nullptr;
  for (const auto& [name, value] : headers) {
    if (api.header_add(made, name.data(), static_cast<ptrdiff_t>(name.size()), value.data(),
                       static_cast<ptrdiff_t>(value.size())) != rdkafka::kNoError) {
      api.headers_destroy(made);
      return nullptr;
    }
  }
  return made;
}

}  // namespace

ProducerSession::~ProducerSession() { end(); }

bool ProducerSession::open(const char* topic) noexcept {
  check_no_lock("making a producer");
  if (!producer_.open(topic)) return false;
  try {
    topic_ = topic;
    thread_ = std::thread([this] { serve(); });
  } catch (...) {
    problem_ = "the system has no thread to give";
    lacks_thread_ = true;
    return false;
  }
  return true;
}

int ProducerSession::produce(const Message& message) noexcept {
  rdkafka::Headers* headers = nullptr;
  if (message.headers != nullptr) {
    headers = headers_of(*message.headers);
    if (headers == nullptr) return kNoResource;
  }
  return producer_.produce(message.tenant.data(), message.tenant.size(), message.bytes.data(),
                           message.bytes.size(), message.milliseconds, headers, message.sequence,
                           message.marked);
}

void ProducerSession::send_now(int milliseconds) noexcept {
  check_no_lock("waiting for the broker");
  senders_.fetch_add(1);
  if (!ending_.load()) producer_.flush(milliseconds);
  senders_.fetch_sub(1);
}

bool ProducerSession::find_partitions() noexcept {
  int error = 0;
  const int partitions = producer_.partitions(patience_, error);
  topic_error_.store(partitions > 0 ? 0 : error);
  // A broker that is there and has not answered may be a slow one. Without one, what the producer has
  // to say does not wait for longer.
  patience_ = producer_.connected() ? std::min(2 * patience_, kMostPatience) : kAskMilliseconds;
  if (partitions == 0 || !queue_.set_partitions(partitions, *this)) return false;
  producer_.ask_limit(topic_.c_str());
  return true;
}

void ProducerSession::learn_limit() noexcept {
  uint64_t bytes = 0;
  if (!producer_.limit_answered(bytes) || bytes == 0) return;
  topic_limit_.store(bytes);
  queue_.set_topic_limit(bytes);
  queue_.waken();
}

void ProducerSession::serve() noexcept {
  bool found = false;
  while (!ending_.load()) {
    check_no_lock("waiting for the broker");
    found = found || find_partitions();
    learn_limit();
    const bool notices = producer_.serve(found ? kServeMilliseconds : kAskMilliseconds);
    // Each time: before it is attached the queue does not hear it.
    if (producer_.fatal_error() != 0) queue_.break_off(producer_.fatal_error(), *this);
    if (notices) queue_.waken();
  }
}

bool ProducerSession::drain(int milliseconds, int purge_milliseconds) noexcept {
  check_no_lock("waiting for the broker");
  producer_.purge(/*in_flight=*/false);
  if (queue_.await_reports(milliseconds * kNanosecondsPerMillisecond)) return true;
  producer_.purge(/*in_flight=*/true);
  return queue_.await_reports(purge_milliseconds * kNanosecondsPerMillisecond);
}

void ProducerSession::end() noexcept {
  check_no_lock("waiting for the broker");
  ending_.store(true);
  if (thread_.joinable()) thread_.join();
  while (senders_.load() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  producer_.close();
}

bool end_within(std::shared_ptr<ProducerSession> session, int milliseconds) noexcept {
  check_no_lock("waiting for the end of a producer");
  try {
    auto ended = std::make_shared<std::promise<void>>();
    std::future<void> waiting = ended->get_future();
    std::thread([session, ended] {
      session->end();
      ended->set_value();
    }).detach();
    return waiting.wait_for(std::chrono::milliseconds(milliseconds)) == std::future_status::ready;
  } catch (...) {
    session->end();  // no thread to be had: then here
    return true;
  }
}

}  // namespace atomwire::bus
