// Random schedules of all that happens to a send queue, checked after every step against a model.
//
//     model SEED STEPS
//
// runs schedules from the seeds SEED, SEED + 1 and so on until that many steps are done. Where one
// fails, its own seed is told, and repeats it: model THAT_SEED 1.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "model_life.hpp"
#include "target.hpp"

namespace {

using namespace model;

constexpr int kLives = 3;
constexpr int64_t kStepsOfLife = 300;

uint64_t seed_of_schedule = 0;

extern "C" void tell_seed(int) {
  std::fprintf(stderr, "to repeat it: model %llu 1\n",
               static_cast<unsigned long long>(seed_of_schedule));
}

// A bus, and the next ones on what it has left on the disk. Returns the steps.
int64_t run(uint64_t seed) {
  Random random(seed);
  FakeDisk disk;
  Id next = 1;
  int64_t steps = 0;
  const auto mode = static_cast<Mode>(random.below(kModes));
  for (int life_number = 0; life_number < kLives; ++life_number) {
    Life life(random, disk, mode, next);
    for (int64_t left = random.below(kStepsOfLife); left > 0; --left) {
      life.step();
      ++steps;
    }
    const int64_t end = random.below(3);
    if (end == 0) {
      life.arrive();
      life.close();
      CHECK(disk.rows.empty());
    } else if (end == 1) {
      life.close();
    } else {
      life.end_in_kill();
    }
    life.forget_stale_rows();
    next = life.next_id();
  }
  return steps;
}

}  // namespace

// The signal handler above has the seed then.
extern "C" const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1:print_stacktrace=1"; }

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "model SEED STEPS\n");
    return 2;
  }
  std::signal(SIGABRT, tell_seed);
  seed_of_schedule = std::strtoull(argv[1], nullptr, 10);
  const int64_t steps = std::strtoll(argv[2], nullptr, 10);
  int64_t done = 0;
  for (; done < steps; ++seed_of_schedule) done += run(seed_of_schedule);
  std::printf("%lld\n", static_cast<long long>(done));
  return 0;
}
