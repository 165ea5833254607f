// What threads share, for ThreadSanitizer: the generator of event ids, one plan written by many,
// one message read by many.
#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "encode.hpp"
#include "gather.hpp"
#include "target.hpp"
#include "uuid.hpp"
#include "verify.hpp"

namespace {

using namespace atomwire;

// A plan points to its columns until the last write, so it takes no temporary ones.
template <typename Columns, typename = void>
struct Prepares : std::false_type {};
template <typename Columns>
struct Prepares<Columns, std::void_t<decltype(std::declval<MoleculePlan&>().prepare(
                             std::declval<Columns>(), 0))>> : std::true_type {};
static_assert(Prepares<const MoleculeColumns&>::value && !Prepares<MoleculeColumns>::value, "");

constexpr unsigned kThreads = 4;
constexpr unsigned kRounds = 400;
constexpr unsigned kIds = 20'000;
constexpr uint64_t kRows = 300;

template <typename Work>
void together(Work work) {
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < kThreads; ++number) threads.emplace_back(work, number);
  for (std::thread& thread : threads) thread.join();
}

// Each thread's ids ascend, and no two of all are equal even in their ordered part.
void event_ids() {
  constexpr size_t kOrdered = 18;  // 8-4-4 hex digits: the time and its fraction
  std::vector<std::string> ids[kThreads];
  together([&](unsigned number) {
    for (unsigned made = 0; made < kIds; ++made) {
      char text[kEventIdChars];
      write_uuid7(unix_nanoseconds(), text);
      ids[number].emplace_back(text, kOrdered);
    }
  });
  std::vector<std::string> all;
  for (const auto& each : ids) {
    CHECK(std::is_sorted(each.begin(), each.end()));
    all.insert(all.end(), each.begin(), each.end());
  }
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}

struct Source {
  std::vector<uint8_t> hashes;
  std::vector<double> numbers;
  std::vector<uint8_t> absent;
  std::vector<Text> texts;
  MoleculeColumns columns;

  Source() : hashes(kRows * 16), numbers(kRows), absent(kRows), texts(kRows) {
    for (uint64_t row = 0; row < kRows; ++row) {
      store(hashes.data() + row * 16, row);
      numbers[row] = static_cast<double>(row);
      absent[row] = row % 3 == 0;
      if (row % 2 == 0) texts[row] = {"shared", 6};
    }
    columns.count = kRows;
    columns.hash = {hashes.data(), 16};
    columns.wide[0] = {reinterpret_cast<const uint8_t*>(numbers.data()), 8, Kind::f64,
                       absent.data(), 1};
    columns.text[0] = {texts.data(), false};
  }
};

void plans_and_messages() {
  const Source source;
  const std::string id(kEventIdChars, '0');
  Envelope envelope;
  envelope.event_id = {id.data(), id.size()};
  envelope.tenant_id = {"acme", 4};
  envelope.has_molecules = true;
  MoleculePlan shared;
  CHECK(shared.prepare(source.columns, envelope_size(envelope)) == EncodeError::none);
  std::vector<uint8_t> message(shared.end());
  write_envelope(message.data(), envelope);
  shared.write(message.data());

  together([&](unsigned number) {
    std::vector<uint8_t> mine(shared.end());
    std::vector<uint8_t> hashes(kRows * 16);
    for (unsigned round = 0; round < kRounds; ++round) {
      std::fill(mine.begin(), mine.end(), static_cast<uint8_t>(round + number));
      MoleculePlan own;
      const bool use_own = round % 2 == 1;
      if (use_own) {
        CHECK(own.prepare(source.columns, envelope_size(envelope)) == EncodeError::none);
      }
      write_envelope(mine.data(), envelope);
      (use_own ? own : shared).write(mine.data());
      CHECK(mine == message);

      Fault fault;
      Scan scan;
      CHECK(verify({message.data(), message.size()}, scan, fault));
      CHECK(scan.count == kRows);
      GatheredColumns columns;
      columns.values[0] = hashes.data();
      CHECK(gather_columns({message.data(), message.size()}, kRows, columns, fault));
      CHECK(hashes == source.hashes);
    }
  });
}

}  // namespace

int main() {
  event_ids();
  plans_and_messages();
  return 0;
}
