// A send queue between all the threads that it has in a bus, for ThreadSanitizer: publishers and
// writers, the sender, a producer's own thread that reports and breaks, the disk's writer, the delivery
// thread that replaces the producer, somebody who flushes; and a close at any moment. What was taken
// is accounted for at the end, and each tenant's events arrived in order.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <future>
#include <thread>

#include "model_random.hpp"
#include "sender.hpp"
#include "target.hpp"

namespace {

using namespace atomwire;
using namespace atomwire::bus;
using model::Random;

constexpr int kPublishers = 3;
constexpr int kWriters = 2;
constexpr int kRounds = 24;
constexpr int kPartitions = 3;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int kPurged = -151;
constexpr int kUnauthorised = 29;

int64_t steady() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}
int64_t unix_time() {
  return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

// What the broker has: of each publisher (a tenant), the last event.
struct Broker {
  std::mutex mutex;
  int64_t last[kPublishers] = {};
  int64_t events = 0;
  int64_t others = 0;  // made of cells

  void take(const std::string& tenant, const std::string& bytes) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (tenant[0] != 'p') {
      ++others;
      return;
    }
    ++events;
    int64_t number = 0;
    std::memcpy(&number, bytes.data() + 8, sizeof number);
    int64_t& before = last[tenant[1] - '0'];
    CHECK(number > before);
    before = number;
  }
};

struct Sent {
  int64_t sequence;
  bool marked;
  std::string tenant;
  std::string bytes;
};

// Reports from a thread of its own until it is ended; after a failure nothing more arrives.
class Producer final : public Outlet {
 public:
  Producer(SendQueue& queue, Broker& broker, uint64_t seed)
      : queue_(queue), broker_(broker), random_(seed), thread_([this] { serve(); }) {}
  ~Producer() override { CHECK(!thread_.joinable()); }

  int produce(const Message& message) noexcept override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const size_t partition = partition_of(message.tenant);
    CHECK(begun_[partition] || (flying_in_[partition] == 0 && message.marked));
    ++flying_in_[partition];
    flying_.push_back({message.sequence, message.marked, std::string(message.tenant),
                       std::string(message.bytes)});
    return 0;
  }
  void send_now(int) noexcept override { check_no_lock("waiting for the broker"); }
  // All that is left comes back.
  void end() {
    ending_.store(true);
    thread_.join();
  }

 private:
  // Sarama's and librdkafka's FNV-1a.
  static size_t partition_of(std::string_view tenant) {
    uint32_t hash = 2166136261;
    for (const char letter : tenant) hash = (hash ^ static_cast<uint8_t>(letter)) * 16777619;
    return static_cast<size_t>(std::abs(int64_t{static_cast<int32_t>(hash)})) % kPartitions;
  }

  void serve() {
    bool failed = false;
    bool found = false;
    for (;;) {
      const bool ending = ending_.load();
      // Before it is attached it is not heard.
      found = found || queue_.set_partitions(kPartitions, *this);
      std::this_thread::sleep_for(std::chrono::microseconds(random_.below(300)));
      failed = failed || random_.chance(3);
      rdkafka::Reports reports;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        int64_t most = ending ? INT64_MAX : random_.below(40);
        for (; most > 0 && !flying_.empty(); --most) report(reports, failed || ending);
      }
      if (!reports.empty()) queue_.take(std::move(reports), *this);
      if (ending) return;
    }
  }

  void report(rdkafka::Reports& reports, bool failed) {
    Sent sent = std::move(flying_.front());
    flying_.pop_front();
    const size_t partition = partition_of(sent.tenant);
    --flying_in_[partition];
    if (failed) {
      rdkafka::Failure failure;
      failure.sequence = sent.sequence;
      failure.error = random_.chance(50) ? kPurged : kUnauthorised;
      failure.key = std::move(sent.tenant);
      failure.value = std::move(sent.bytes);
      reports.failures.push_back(std::move(failure));
      return;
    }
    begun_[partition] = true;
    broker_.take(sent.tenant, sent.bytes);
    ++reports.delivered;
    reports.delivered_bytes += static_cast<int64_t>(sent.tenant.size() + sent.bytes.size());
    if (sent.marked) reports.acknowledged.push_back({sent.sequence, 0, 0});
  }

  SendQueue& queue_;
  Broker& broker_;
  Random random_;
  std::mutex mutex_;
  std::deque<Sent> flying_;
  int flying_in_[kPartitions] = {};
  bool begun_[kPartitions] = {};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

struct Row {
  int64_t row;
  std::string tenant;
  std::string bytes;
};

class Bus {
 public:
  explicit Bus(uint64_t seed) : random_(seed), queue_(settings(seed)), sender_(queue_) {
    has_disk_ = seed % 3 != 0;
    durable_ = seed % 3 == 2;
  }

  void run() {
    CHECK(sender_.start());
    std::vector<std::thread> threads;
    for (int number = 0; number < kPublishers; ++number) {
      threads.emplace_back([this, number] { publish(number); });
    }
    for (int number = 0; number < kWriters; ++number) {
      threads.emplace_back([this, number] { write(number); });
    }
    threads.emplace_back([this] { flush(); });
    std::thread delivery([this] { deliver(); });
    std::thread disk;
    if (has_disk_) disk = std::thread([this] { serve_disk(); });

    std::this_thread::sleep_for(std::chrono::milliseconds(10 + random_.below(40)));
    queue_.close();
    closed_.store(true);
    for (std::thread& thread : threads) thread.join();
    stopping_.store(true);
    queue_.waken();
    delivery.join();
    let_producer_go();
    sender_.stop();
    queue_.end_gathering();
    if (has_disk_) {
      queue_.stop_disk();
      disk.join();
      finish_disk();
    }
    queue_.give_up_all(-197);
    account();
  }

 private:
  static QueueSettings settings(uint64_t seed) {
    QueueSettings settings;
    settings.linger = static_cast<int64_t>(seed % 2) * kMillisecond;
    settings.queue_events = 50;
    settings.queue_bytes = 200'000;
    settings.disk = seed % 3 != 0;
    settings.durable = seed % 3 == 2;
    settings.steady = steady;
    settings.unix_time = unix_time;
    return settings;
  }

  void publish(int publisher) {
    const std::string tenant = {'p', static_cast<char>('0' + publisher)};
    std::string bytes(16 + static_cast<size_t>(publisher) * 100, '\xff');
    for (int64_t number = 1;; ++number) {
      std::memcpy(&bytes[8], &number, sizeof number);
      Outcome outcome;
      do {
        outcome = queue_.publish({tenant, bytes, nullptr, 0, number % 5 == 0});
        if (outcome.verdict == Verdict::full) queue_.await_room(outcome.number, kMillisecond);
      } while (outcome.verdict == Verdict::full);
      if (outcome.verdict == Verdict::closed) return;
      if (outcome.verdict == Verdict::taken) {
        ++taken_;
        continue;
      }
      CHECK(outcome.verdict == Verdict::awaits_disk);
      // The disk does not fail here, and is served until the end.
      while (queue_.await_stored(outcome.number, kMillisecond) == Stored::waiting) {
      }
      ++taken_;
    }
  }

  void write(int writer) {
    const std::string tenant = {'w', static_cast<char>('0' + writer)};
    Label label;
    label.tenant = {tenant.data(), tenant.size()};
    for (uint64_t number = 1;; ++number) {
      Cell cell;
      std::memset(cell.hash, 0, sizeof cell.hash);
      std::memcpy(cell.hash, &number, sizeof number);
      cell.kind = CellKind::number;
      const Outcome outcome = queue_.write(label, cell);
      if (outcome.verdict == Verdict::closed) return;
      if (outcome.verdict == Verdict::full) queue_.await_room(outcome.number, kMillisecond);
    }
  }

  void flush() {
    while (!closed_.load()) {
      queue_.begin_flush();
      queue_.await_empty(2 * kMillisecond);
      queue_.end_flush();
    }
  }

  void deliver() {
    uint64_t made = 1;
    attach(made);
    while (!stopping_.load()) {
      queue_.await_news(5 * kMillisecond);
      News news;
      queue_.take_news(news);
      count(news);
      if (!news.broken) continue;
      let_producer_go();
      attach(++made);
    }
  }

  void attach(uint64_t number) {
    producer_ = std::make_shared<Producer>(queue_, broker_, number);
    queue_.attach(producer_);
  }

  void let_producer_go() {
    queue_.detach();
    producer_->end();
    CHECK(queue_.await_reports(kMillisecond));
    CHECK(queue_.settle_returned() == 0);
    producer_.reset();
  }

  void count(const News& news) {
    told_ += static_cast<int64_t>(news.given_up.size()) + news.given_up_beside;
  }

  // ---- The disk.

  void serve_disk() {
    for (;;) {
      const DiskWork work = queue_.await_disk_work(5 * kMillisecond);
      if (work.store) store();
      std::vector<int64_t> removed;
      if (work.remove) queue_.take_removals(removed);
      if (work.read) read_back();
      if (work.stop) return;
    }
  }

  void store() {
    std::vector<Event*> events;
    queue_.take_for_disk(20, 10'000, events);
    std::vector<int64_t> rows;
    for (const Event* event : events) {
      disk_.push_back({++last_row_, event->tenant, event->bytes});
      rows.push_back(last_row_);
    }
    const size_t stayed = queue_.written(rows);
    // What is in memory is not read again.
    for (size_t each = 0; each < stayed; ++each) {
      CHECK(disk_.front().row == rows[each]);
      disk_.pop_front();
    }
  }

  void read_back() {
    for (int most = 10; most > 0 && !disk_.empty(); --most) {
      CHECK(queue_.read_back({disk_.front().tenant, disk_.front().bytes, nullptr, 0, false},
                             disk_.front().row));
      disk_.pop_front();
    }
  }

  void finish_disk() {
    for (const bool in_front : {true, false}) {
      std::vector<Event*> events;
      do {
        events.clear();
        if (in_front) {
          queue_.take_head_for_disk(20, 10'000, events);
        } else {
          queue_.take_for_disk(20, 10'000, events);
        }
        queue_.left_on_disk();
      } while (!events.empty());
    }
  }

  void account() {
    const Counts counts = queue_.counts();
    News news;
    queue_.take_news(news);
    count(news);
    CHECK(counts.accepted == counts.delivered + counts.failed + counts.waiting());
    CHECK(counts.in_flight == 0 && counts.backlog == 0 && counts.gathering == 0);
    CHECK(counts.failed == told_);
    CHECK(counts.delivered == broker_.events + broker_.others);
    CHECK(counts.accepted >= taken_.load());
    CHECK(has_disk_ ? counts.failed == 0 : counts.spooled == 0);
  }

  Random random_;
  SendQueue queue_;
  Sender sender_;
  Broker broker_;
  bool has_disk_ = false;
  bool durable_ = false;
  std::shared_ptr<Producer> producer_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> taken_{0};
  int64_t told_ = 0;
  int64_t last_row_ = 0;
  std::deque<Row> disk_;
};

// A call that comes while the sender is on its way from its last look to its wait.
template <typename Call>
void the_sender_hears(Call call) {
  QueueSettings settings;
  settings.linger = int64_t{3'600'000} * kMillisecond;
  settings.steady = steady;
  settings.unix_time = unix_time;
  SendQueue queue(std::move(settings));
  const int64_t next = queue.send_due();
  call(queue);
  auto looks = std::async(std::launch::async, [&] { return queue.await_work(next); });
  CHECK(looks.wait_for(std::chrono::minutes(1)) == std::future_status::ready && looks.get());
}

}  // namespace

int main() {
  the_sender_hears([](SendQueue& queue) { queue.begin_flush(); });
  the_sender_hears([](SendQueue& queue) {
    Label label;
    label.tenant = {"w", 1};
    Cell cell;
    std::memset(cell.hash, 0, sizeof cell.hash);
    CHECK(queue.write(label, cell).verdict == Verdict::taken);
  });
  for (uint64_t seed = 1; seed <= kRounds; ++seed) Bus(seed).run();
  return 0;
}
