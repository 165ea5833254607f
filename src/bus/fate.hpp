// What becomes of an event that was not acknowledged, by the error that came back with it.
#pragma once

namespace atomwire::bus {

enum class Fate {
  again,  // it may go through another time: authorisation, a missing topic, whatever is not here
  alone,  // its batch was refused, perhaps for another event in it: once more, by itself
  never,  // the broker does not take this very event
};

// rd_kafka_resp_err_t
constexpr int kInvalidMessageSize = 4;
constexpr int kMessageTooLarge = 10;
constexpr int kInvalidTimestamp = 32;
constexpr int kInvalidRecord = 87;
constexpr int kInvalidDifferentRecord = -138;
constexpr int kTimedOut = -192;

// Those that an event shares with its batch, whoever is to blame.
constexpr bool is_refusal(int error) noexcept {
  return error == kInvalidMessageSize || error == kMessageTooLarge || error == kInvalidTimestamp ||
         error == kInvalidRecord || error == kInvalidDifferentRecord;
}

// `expires`: whether an event that is too old is given up (message.timeout.ms, without a spool).
constexpr Fate fate_of(int error, bool was_alone, bool expires) noexcept {
  if (is_refusal(error)) {
    return was_alone && error != kInvalidDifferentRecord ? Fate::never : Fate::alone;
  }
  if (error == kTimedOut && expires) return Fate::never;
  return Fate::again;
}

}  // namespace atomwire::bus
