// A target that is known to be wrong: tools/fuzz must find it out. The fuzzer has no
// corpus for it and reaches the defect by what it covers.
#include <cstdint>
#include <string_view>

#include "tests/fuzz/violation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.size() < 6 || input[0] != 'l') return 0;
  if (input[1] != 'o' || input[2] != 'c' || input[3] != 'k') return 0;
  if (input.substr(4, 2) == "ed") latchkey::fuzz::Violated("S2", "the seeded defect");
  return 0;
}
