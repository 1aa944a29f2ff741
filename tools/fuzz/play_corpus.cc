// Main of a fuzz target without a fuzzer: plays the files named on the command
// line, whole, cut short at every length and with single bytes changed.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kVariantsMax = 2000;
constexpr char kBytes[] = {'\0', '\x01', '\x7f', '\xff', ' ', '"', '%', '\''};

size_t inputs = 0;

void Play(const std::string& input) {
  ++inputs;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()),
                         input.size());
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", argv[i]);
      return 1;
    }
    const std::string input((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    Play(input);
    for (size_t n = 0; n < input.size() && n < kVariantsMax; ++n) {
      Play(input.substr(0, n));
      std::string changed = input;
      changed[n] = kBytes[(n * 2654435761u >> 8) % sizeof(kBytes)];
      Play(changed);
      changed[n] = static_cast<char>(input[n] ^ (1 << (n % 8)));
      Play(changed);
    }
  }
  // tests/run_all.py reads this.
  std::printf("played %d files, %zu inputs\n", argc - 1, inputs);
  return 0;
}
