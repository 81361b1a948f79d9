// Commands as the model test makes them, chosen by the bytes of the input: the machine and the
// naive model must agree on every answer and every record, and the Invariants must hold.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <string>

#include "tests/fuzz/violation.h"
#include "tests/machine/key_history.h"
#include "tests/machine/model_commands.h"

namespace latchkey::naive {
namespace {

constexpr int kCommandsMax = 120;

class FuzzedChoices final : public Choices {
 public:
  explicit FuzzedChoices(FuzzedDataProvider& data) : data_(data) {}
  int Below(int bound) override { return data_.ConsumeIntegralInRange(0, bound - 1); }

 private:
  FuzzedDataProvider& data_;
};

}  // namespace
}  // namespace latchkey::naive

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace latchkey::naive;  // NOLINT(google-build-using-namespace)
  FuzzedDataProvider data(bytes, size);
  FuzzedChoices choices(data);
  Counts counts;
  KeyHistory history(&counts);
  std::string story;
  const int callers = 2 + choices.Below(4);
  for (int i = 0; i < kCommandsMax && data.remaining_bytes() > 0; ++i) {
    const Command command = RandomCommand(choices, callers);
    story += "\n  " + Print(command);
    if (const auto complaint = history.Apply(command)) {
      latchkey::fuzz::Violated("S1", "after these commands: " + *complaint + story);
    }
  }
  return 0;
}
