// A producer that does as the schedule says, and is as honest as a real one: a partition's messages
// are acknowledged in order, and none after one that comes back.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "model_content.hpp"
#include "lock.hpp"
#include "outlet.hpp"

namespace model {

struct Sent {
  Id id = 0;
  int64_t sequence = 0;
  bool marked = false;
  std::string tenant;
  std::string bytes;
  atomwire::bus::HeaderList headers;
};

struct Partition {
  Sent take();
  Sent take_newest();
  // Whether its first event is under way, as far as anybody knows: no other may follow.
  bool is_beginning() const { return unsure || (!begun && !flying.empty()); }

  std::deque<Sent> flying;
  bool begun = false;    // something was acknowledged, and that was said
  bool unsure = false;   // there was no memory to say what became of its first event
  bool stopped = false;  // something came back: no more acknowledgements
};

class FakeOutlet final : public atomwire::bus::Outlet {
 public:
  // Looks at a message and returns an error code, 0 to take it.
  using Look = std::function<int(FakeOutlet&, const atomwire::bus::Message&, const Read&)>;

  explicit FakeOutlet(Look look) : look_(std::move(look)) {}

  int produce(const atomwire::bus::Message& message) noexcept override;
  void send_now(int) noexcept override { atomwire::bus::check_no_lock("waiting for the broker"); }

  bool empty() const;
  Partition& partition_of(const std::string& tenant);

  std::vector<Partition> partitions;  // none until they are known
  bool dead = false;                  // it has said that it failed

 private:
  Look look_;
};

atomwire::rdkafka::Failure failure_of(Sent&& sent, int error);
int64_t bytes_of(const Sent& sent);

}  // namespace model
