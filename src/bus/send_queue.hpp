// The bus's middle: what becomes of every cell and event from its acceptance to its end.
//
// An event that was accepted is at any moment in one place: in the backlog (backlog.hpp shows its
// parts), in flight (with a producer), or on the disk; and leaves as delivered or failed. Each move is
// counted where it happens. Cells are in `gathering`, and no events yet.
//
// Threads. Any thread publishes and writes. The sender (sender.hpp) sends what is due and hands the
// backlog over. A producer's own thread reports what became of events. The disk's writer and the
// delivery thread are Python's: they wait here without the interpreter's lock. All state is under one
// mutex, which is held for pointer moves, for one copy into librdkafka, or for the encoding of one
// gathered event (64 KiB at most); whoever calls acts on what a call returns after the mutex is free.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <unordered_map>

#include "backlog.hpp"
#include "fate.hpp"
#include "gathering.hpp"
#include "lock.hpp"
#include "outlet.hpp"
#include "partition_starts.hpp"

namespace atomwire::bus {

struct QueueSettings {
  int64_t linger = 10'000'000;           // nanoseconds
  uint64_t max_event_bytes = 1'000'000;  // with key and headers
  int64_t queue_events = 100'000;        // in memory
  int64_t queue_bytes = int64_t{128} << 20;
  bool disk = false;     // what finds no room waits on the disk
  bool durable = false;  // everything goes there first
  bool drop = false;     // gathered cells without room are dropped
  int64_t expire_after = 0;  // nanoseconds after which an event that waits is given up; 0 is never
  HeaderList cell_headers;
  // Nanoseconds: steady, and since the Unix epoch.
  int64_t (*steady)() = nullptr;
  int64_t (*unix_time)() = nullptr;
};

enum class Verdict : uint8_t { taken, awaits_disk, full, closed, too_large, no_memory, refused };

struct Outcome {
  Verdict verdict = Verdict::taken;
  int64_t number = 0;  // of the event that was taken; without room what `await_room` wants
  uint64_t size = 0;   // of one that is too large, with key and headers
};

// What became of an event that awaited the disk.
enum class Stored : uint8_t { waiting, stored, refused };

struct Counts {
  int64_t accepted = 0;
  int64_t delivered = 0;
  int64_t failed = 0;
  int64_t in_flight = 0;
  int64_t backlog = 0;  // in memory, accepted, with no producer
  int64_t spooled = 0;  // on the disk, and not in memory
  int64_t dropped = 0;
  int64_t gathering = 0;  // cells, no events yet
  int64_t left = 0;       // of the spooled: rows that only the next process reads

  int64_t waiting() const noexcept { return in_flight + backlog + spooled; }
  int64_t on_the_way() const noexcept { return waiting() - left; }
};

struct Acknowledgement {
  int64_t number = 0;
  int32_t partition = 0;
  int64_t offset = 0;
};

struct GivenUp {
  int64_t number = 0;
  bool wanted = false;
  std::string tenant;
  int error = 0;
};

// What the delivery thread has to know.
struct News {
  std::vector<Acknowledgement> acknowledged;
  std::vector<GivenUp> given_up;
  int64_t given_up_beside = 0;  // for which no more was kept
  bool broken = false;          // the producer has to be replaced, because of `error`
  int error = 0;
};

// What the disk's writer has to do.
struct DiskWork {
  bool store = false;
  bool remove = false;
  bool read = false;
  bool stop = false;
};

class SendQueue final {
 public:
  explicit SendQueue(QueueSettings settings) noexcept;

  // ---- Called by publishers.

  // Takes an event, or says why not. On a durable queue the publisher waits with `await_stored`, and
  // an event after a refused one of the same call (`after`) is refused as well.
  Outcome publish(const EventView& view, int64_t after = 0) noexcept;
  Outcome write(const Label& label, const Cell& cell) noexcept;
  // Counts something that found no room and is not wanted then: an event, or a tenant's cells.
  void drop() noexcept;
  void drop_cells(std::string_view tenant) noexcept;
  // Takes an event and waits for the disk as well, in one go; `awaits_disk` when the time is over.
  Outcome publish_and_wait(const EventView& view, int64_t nanoseconds) noexcept;
  // Waits until the disk has the event, or refused it, or the time is over.
  Stored await_stored(int64_t number, int64_t nanoseconds) noexcept;
  // How many publishers' events await the disk, or have not been asked for since.
  size_t awaiting() noexcept;
  // The publisher waits no longer: the event is withdrawn, or (false) goes its way if the writer has it.
  bool withdraw(int64_t number) noexcept;
  // The publisher cannot wait, since it is the writer itself: the event is accepted as it is.
  void accept_unstored(int64_t number) noexcept;
  // Waits until room came since that outcome, or the time is over.
  void await_room(int64_t number, int64_t nanoseconds) noexcept;

  // Between the two, cells and events go out without lingering.
  void begin_flush() noexcept;
  void end_flush() noexcept;
  int flushing() noexcept;
  // Waits until nothing is on its way, or the time is over; returns how much still is.
  int64_t await_empty(int64_t nanoseconds) noexcept;

  Counts counts() noexcept;
  // The topic's own limit, learned from the broker; 0 for none.
  void set_topic_limit(uint64_t bytes) noexcept { topic_limit_.store(bytes); }
  uint64_t event_limit() const noexcept;

  // ---- Called by the sender.

  // Sends what is due and hands over what there is room for; returns the steady time of the next look.
  int64_t send_due() noexcept;
  // Waits until then, or for a reason to look before. False when it is time to end.
  bool await_work(int64_t until) noexcept;
  void stop_sender() noexcept;

  // ---- Called by the delivery thread, for a producer's life.

  // Events go to this outlet, once its partitions are known, until it breaks or is detached.
  void attach(std::shared_ptr<Outlet> outlet) noexcept;
  // False when that outlet is not attached.
  bool set_partitions(int count, const Outlet& from) noexcept;
  void detach() noexcept;
  // After `detach`: waits until everything in flight was reported; false when the time is over.
  bool await_reports(int64_t nanoseconds) noexcept;
  // What came back from the last producer goes first to the next. What was never reported, and never
  // will be, is given up, or left to the next process where the disk has it; returns how much.
  int64_t settle_returned() noexcept;
  // What an outlet has to say of its events; nothing once they were settled, when an outlet that was
  // given up comes to speak after all.
  void take(rdkafka::Reports&& reports, const Outlet& from) noexcept;
  // Returns true with what there is to tell; false when the time is over. `waken` ends the wait.
  bool await_news(int64_t nanoseconds) noexcept;
  void take_news(News& news) noexcept;
  // Events that were given up, by tenant; beyond a bound of tenants only `Counts` has them.
  std::unordered_map<std::string, int64_t> given_up_by_tenant() noexcept;
  void waken() noexcept;
  // The outlet has failed for good: nothing goes there any more.
  void break_off(int error, const Outlet& from) noexcept;

  // ---- Called by the disk's writer.

  DiskWork await_disk_work(int64_t nanoseconds) noexcept;
  void stop_disk() noexcept;
  // Events to write, in order; they stay the queue's. Either `written` or `not_written` follows.
  void take_for_disk(size_t most, int64_t most_bytes, std::vector<Event*>& events) noexcept;
  // Returns how many of them stay in memory: the first ones.
  size_t written(const std::vector<int64_t>& rows) noexcept;
  void not_written() noexcept;
  // Rows to remove; `not_removed` gives them back.
  void take_removals(std::vector<int64_t>& rows) noexcept;
  void not_removed(const std::vector<int64_t>& rows) noexcept;
  // Rows that an earlier process left. They count as accepted now.
  void adopt(int64_t events) noexcept;
  // The next rows of the disk. False without memory: it stays on the disk.
  bool read_back(EventView view, int64_t row) noexcept;
  // Rows that are not there any more, or cannot be read.
  void lose_rows(int64_t events) noexcept;

  // ---- The end.

  // Refuses what comes from now on.
  void close() noexcept;
  // Cells become events, whether there is room or not.
  void end_gathering() noexcept;
  // Whether all that goes next is on the disk as well.
  bool head_is_stored() noexcept;
  // How many events go next; they go to the disk in front of all rows there.
  size_t head_size() noexcept;
  // The oldest of them, as `take_for_disk` takes those of the tail.
  void take_head_for_disk(size_t most, int64_t most_bytes, std::vector<Event*>& events) noexcept;
  // What the writer had taken waits on the disk for the next process.
  void left_on_disk() noexcept;
  // Whatever is still in memory: what the disk has stays there, the rest is given up.
  void give_up_all(int error) noexcept;

 private:
  struct Mark {
    int64_t number;
    int64_t row;
    bool wanted;
    bool alone;
    int64_t headers;  // what they cost: a report does not have them
    int first_of;     // the partition whose first event it is, or -1
  };
  enum class Given : uint8_t { taken, no_room, broken };

  bool serving() const noexcept { return outlet_ != nullptr && starts_.known() && !broken_; }
  bool direct() const noexcept {
    return serving() && !settings_.durable && backlog_.empty() && !alone_;
  }
  bool room_in_flight(int64_t cost) const noexcept;
  // Whether what was written may stay in memory as well.
  bool room_in_front(int64_t cost) const noexcept;
  bool room_in_backlog(int64_t cost) const noexcept;
  Given give(const Message& message, const Mark& mark, int64_t cost) noexcept;
  void break_session(int error) noexcept;
  Outcome join(EventPointer event) noexcept;
  // Whether no more is gathered: every cell goes at once then.
  bool is_crowded() const noexcept;
  Outcome find_buffer(const Label& label, Gathering::Place& place) noexcept;
  Outcome make_room_for(const Cell& cell, Gathering::Place place) noexcept;
  Outcome begin_gathering(const Cell& cell, Gathering::Place place) noexcept;
  Outcome flush_cells(Gathering::Place place, bool force) noexcept;
  bool send_due_cells(int64_t now, int64_t& next) noexcept;
  bool hand_over() noexcept;
  bool give_up_expired(int64_t now, int64_t& next) noexcept;
  bool can_hand_over() noexcept;
  // Has the sender look anew at what is due when, also if it does not wait yet. That something can be
  // handed over it sees by itself.
  void call_sender() noexcept;
  // Whether what goes next waits for a partition's first event, which is not to linger then.
  bool waits_for_start() noexcept;
  Event* next_for_outlet() noexcept;
  void take_back(rdkafka::Failure& failure) noexcept;
  void give_up(EventPointer event, int error) noexcept;
  void count_given_up(GivenUp&& given_up) noexcept;
  // Tells of events that no report will name: futures one by one, the others together.
  void tell_unnamed() noexcept;
  // The disk has it: what its publisher waited for.
  void accept_stored(Event& event) noexcept;
  bool disk_is_urgent() const noexcept;
  bool removals_are_due() const noexcept;
  void remove_later(int64_t row);
  // Waits without sleeping, and without the lock, until a count changes or the time is over.
  static void watch(Guard& guard, const std::atomic<int64_t>& count, int64_t nanoseconds) noexcept;
  // Has the publishers that the last commit has served come back, as far as they do at once.
  void gather_publishers(Guard& guard) noexcept;
  bool wants_rows() const noexcept;
  int64_t milliseconds(int64_t timestamp) const noexcept;
  int64_t milliseconds(const Event& event) const noexcept;
  void room_came() noexcept;
  Outcome full() const noexcept { return {Verdict::full, times_of_room_, 0}; }
  static std::chrono::steady_clock::time_point after(int64_t nanoseconds) noexcept;

  const QueueSettings settings_;
  std::atomic<uint64_t> topic_limit_{0};
  // Changed under the lock, and watched without it by who is not going to wait for long.
  std::atomic<int64_t> joined_{0};  // events that came to the backlog
  std::atomic<int64_t> stored_times_{0};  // when publishers that wait for the disk were told

  std::mutex mutex_;  // of all that follows
  std::condition_variable sender_;
  std::condition_variable disk_;
  std::condition_variable news_;
  std::condition_variable publishers_;  // those that wait for the disk, for room, or for the end
  Gathering gathering_;
  Backlog backlog_;
  std::shared_ptr<Outlet> outlet_;
  PartitionStarts starts_;             // of the outlet
  const Outlet* reporting_ = nullptr;  // whose events are in flight; only compared
  std::unordered_map<int64_t, Mark> marks_;    // by sequence, of events in flight
  std::unordered_map<int64_t, Stored> stored_;  // by number, of events whose publishers wait
  std::unordered_map<int64_t, int64_t> wanted_rows_;  // by row, the number that a future waits for
  std::vector<int64_t> removals_;
  int64_t removals_since_ = 0;  // when the first of them came, steady nanoseconds
  size_t publishers_expected_ = 0;  // to wait for the next commit, as many did for the last
  News told_;
  std::unordered_map<std::string, int64_t> given_up_by_tenant_;
  Counts counts_;
  int64_t bytes_in_flight_ = 0;
  int64_t lost_untold_ = 0;   // failures for which there was no memory, and that are not told yet
  int64_t next_number_ = 1;
  int64_t next_sequence_ = 1;
  int64_t times_of_room_ = 0;
  int waiting_publishers_ = 0;
  int flushing_ = 0;
  bool closed_ = false;
  bool broken_ = false;
  bool alone_ = false;      // an event travels alone
  bool send_now_ = false;   // what lingers in the outlet is due
  bool stuck_ = false;      // the outlet found no room, for no reason that the queue knows
  bool hurries_ = false;    // something waits for a partition's first event
  bool sender_waits_ = false;
  bool sender_called_ = false;  // since it looked last: it may be on its way to its wait
  bool sender_stops_ = false;
  bool disk_waits_ = false;
  bool disk_gathers_ = false;
  bool disk_stops_ = false;
  bool news_waits_ = false;
  bool some_news_ = false;
};

}  // namespace atomwire::bus
