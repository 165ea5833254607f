// Breaks the rule of src/bus/lock.hpp on purpose, one way for each argument: in a sanitizer build the
// process is aborted, with the place of the lock and of what was done named.
#include <cstdio>
#include <cstring>

#include "outlet.hpp"
#include "send_queue.hpp"

namespace {

using namespace atomwire;

std::mutex lock;

void breaks_it_by_hand() {
  const bus::Guard guard(lock);
  bus::check_no_lock("logging");
}

void takes_a_second_lock() {
  const bus::Guard guard(lock);
  const bus::Guard second(lock);
}

// Comes back to the queue that is calling it.
class Returning final : public bus::Outlet {
 public:
  explicit Returning(bus::SendQueue& queue) : queue_(queue) {}
  int produce(const bus::Message&) noexcept override {
    queue_.counts();
    return 0;
  }
  void send_now(int) noexcept override {}

 private:
  bus::SendQueue& queue_;
};

void comes_back() {
  bus::QueueSettings settings;
  settings.steady = settings.unix_time = [] { return int64_t{1}; };
  bus::SendQueue queue(settings);
  const auto outlet = std::make_shared<Returning>(queue);
  queue.attach(outlet);
  queue.set_partitions(1, *outlet);
  queue.publish({"tenant", "event", nullptr, 0, false});
}

void keeps_it() {
  {
    bus::Guard guard(lock);
    guard.unlock();
    bus::check_no_lock("logging");
    guard.lock();
  }
  bus::check_no_lock("logging");
}

}  // namespace

int main(int argc, char** argv) {
  const char* const way = argc > 1 ? argv[1] : "";
  if (std::strcmp(way, "by_hand") == 0) breaks_it_by_hand();
  if (std::strcmp(way, "second_lock") == 0) takes_a_second_lock();
  if (std::strcmp(way, "comes_back") == 0) comes_back();
  if (std::strcmp(way, "kept") == 0) keeps_it();
  return 0;
}
