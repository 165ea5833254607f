// What a producer reports of the events that it was given.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace atomwire::rdkafka {

// Of a message whose acknowledgement was asked for.
struct Acknowledged {
  int64_t sequence = 0;
  int32_t partition = 0;
  int64_t offset = 0;
};

// A message that the broker did not acknowledge, handed back whole but for its time, which librdkafka
// has forgotten by now.
struct Failure {
  int64_t sequence = 0;
  int error = 0;
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
};

// All that one round of serving brought.
struct Reports {
  int64_t delivered = 0;        // messages, the marked ones among them
  int64_t delivered_bytes = 0;  // their keys and values
  std::vector<Acknowledged> acknowledged;
  std::vector<Failure> failures;
  int64_t lost = 0;  // failures for which there was no memory
  int64_t lost_bytes = 0;

  bool empty() const noexcept { return delivered == 0 && failures.empty() && lost == 0; }
};

// Told by whichever thread serves the producer, in that thread.
class ReportTaker {
 public:
  virtual void take(Reports&& reports) noexcept = 0;

 protected:
  ~ReportTaker() = default;
};

}  // namespace atomwire::rdkafka
