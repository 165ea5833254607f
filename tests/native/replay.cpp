// Runs a fuzz target over files, without a fuzzer: `replay [--mutations] FILE...`. With
// --mutations also over every truncation and, byte by byte, changes of each file.
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "target.hpp"

namespace {

using Content = std::vector<char>;

// In memory of exactly that size, so that a sanitizer sees a read behind it.
void run(const Content& content, size_t size) {
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);
  if (size > 0) std::memcpy(exact.get(), content.data(), size);
  LLVMFuzzerTestOneInput(exact.get(), size);
}

unsigned long run_mutations(Content content) {
  unsigned long runs = 0;
  for (size_t size = 0; size < content.size(); ++size, ++runs) run(content, size);
  for (char& byte : content) {
    const char original = byte;
    for (unsigned change = 1; change < 256; ++change, ++runs) {
      byte = static_cast<char>(static_cast<unsigned char>(original) ^ change);
      run(content, content.size());
    }
    byte = original;
  }
  return runs;
}

}  // namespace

int main(int argc, char** argv) {
  bool mutations = false;
  unsigned long runs = 0;
  for (int each = 1; each < argc; ++each) {
    if (std::strcmp(argv[each], "--mutations") == 0) {
      mutations = true;
      continue;
    }
    std::ifstream file(argv[each], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", argv[each]);
      return 1;
    }
    const Content content{std::istreambuf_iterator<char>(file), {}};
    std::fprintf(stderr, "%s\n", argv[each]);
    run(content, content.size());
    ++runs;
    if (mutations) runs += run_mutations(content);
  }
  std::printf("%lu\n", runs);
  return 0;
}
