// One life of a bus: a send queue between random publishers, a fake producer and a fake disk, with the
// books that are checked after every step. There are no threads: what threads do is a step each.
#pragma once

#include <memory>
#include <optional>

#include "model_books.hpp"
#include "model_disk.hpp"
#include "model_outlet.hpp"
#include "model_random.hpp"

namespace model {

enum class Mode { plain, drop, disk, durable };
constexpr int kModes = 4;

class Life {
 public:
  // What is on the disk is adopted.
  Life(Random& random, FakeDisk& disk, Mode mode, Id first);

  void step();
  // The ends of a life: all goes well from now on and everything arrives; the bus is closed at once;
  // and nothing more, since the process is killed.
  void arrive();
  void close();
  void end_in_kill();
  // The next life has enough with the others.
  void forget_stale_rows();

  Id next_id() const { return next_id_; }

 private:
  struct Publisher {
    int64_t number = 0;
    Id id = 0;
  };
  // The error with which an event is to be given up; nothing when it is to be acknowledged.
  using Told = std::optional<int>;

  // ---- Publishers.
  void publish();
  atomwire::bus::Verdict publish(size_t event_size);
  void fill();
  void write();
  void ask_for_disk();
  void withdraw();
  void accept_unstored();
  void drop();
  void note_full(const atomwire::bus::Outcome& outcome);
  void await_room();
  // Cells of a tenant that are not gathering any more have become an event.
  void settle_cells(int tenant);
  int64_t still_gathering(int tenant);

  // ---- The sender, and time.
  void pass_time(int64_t nanoseconds);
  void send_due();
  void settle_sent_cells();
  // Returns whether there were any.
  bool settle_expired();
  void check_expired(int64_t next);
  void check_handed_over();

  // ---- The producer.
  int look(FakeOutlet& outlet, const atomwire::bus::Message& message, const Read& seen);
  void attach();
  void find_partitions();
  void replace();
  void detach();
  void report();
  void report_late();
  void acknowledge(Partition& partition, int64_t most, atomwire::rdkafka::Reports& reports);
  void refuse(Partition& partition, int64_t batch, atomwire::rdkafka::Reports& reports);
  void fail(Sent&& sent, int error, atomwire::rdkafka::Reports& reports);
  void lose(Partition& partition, atomwire::rdkafka::Reports& reports);
  bool may_be_unsaid(const Known& known) const;
  void leave_unsaid(const Sent& sent, const Known& known, Partition& partition);
  void purge_queue(Partition& partition, atomwire::rdkafka::Reports& reports);
  void purge(atomwire::rdkafka::Reports& reports);
  void tell(atomwire::rdkafka::Reports& reports);
  void come_back(Known& known, int error);
  void give_up(Known& known, int error);
  void break_off();
  void take_news();

  // ---- The disk.
  void disk_step();
  void take_for_disk();
  void commit();
  void written();
  void not_written();
  void remove_rows(bool succeed);
  void read_back();
  void adopt();
  void damage();
  void refuse_awaiting();
  void check_taken(const std::vector<atomwire::bus::Event*>& events);

  // ---- The end.
  void let_producer_go();
  void finish_disk();
  void leave_head_on_disk();
  bool leave_on_disk(int64_t* row);
  void give_up_all();
  bool all_arrived() const;
  void work_until_all_arrived();

  void check();
  void check_bounds();
  bool is_roomy(int64_t events) const;
  bool is_roomy_in_flight() const;

  Random& random_;
  FakeDisk& disk_;
  const Mode mode_;
  const bool has_disk_;
  atomwire::bus::QueueSettings settings_;
  std::unique_ptr<atomwire::bus::SendQueue> queue_;
  Books books_;
  std::shared_ptr<FakeOutlet> outlet_;  // attached, or letting go
  bool attached_ = false;
  bool broken_told_ = false;
  bool some_returned_ = false;  // from an outlet whose events are not settled yet
  std::vector<int64_t> unsaid_;  // numbers that are wanted, of which nobody could say what became
  int64_t unsaid_bytes_ = 0;     // that the queue takes for being in flight
  std::vector<std::shared_ptr<FakeOutlet>> late_;
  int64_t last_sequence_ = 0;
  int next_error_ = 0;    // of `produce`
  Id offered_ = 0;        // an event in the call of `publish` or `write`
  int64_t offered_cost_ = 0;

  std::vector<Publisher> publishers_;  // that wait for the disk
  std::set<int64_t> refused_;          // their numbers, until they have asked
  std::map<int64_t, Told> expected_;   // by number
  int64_t lost_untold_ = 0;            // failures without memory that are to be told of
  int64_t given_up_ = 0;               // that are to be told of
  int64_t full_number_ = -1;           // of the last outcome without room
  int64_t leavings_at_full_ = 0;
  int64_t told_ = 0;

  std::vector<atomwire::bus::Event*> taken_;  // by the writer
  int64_t read_up_to_ = INT64_MIN;
  int flushes_ = 0;
  int64_t first_cell_[kTenants] = {};  // when it came
  bool closed_ = false;
  bool disk_failed_ = false;  // at the end
  Id next_id_;
};

}  // namespace model
