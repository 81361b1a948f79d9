// A provider that neither deduplicates nor can be asked. Its answer is lost, and nothing is sent
// again, however often this is called: a person looks at its bank statement and settles the key.
//
// It brings its own Latchkey, in this process. A real program calls latchkey::Client::Connect.

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "latchkey/recovery.h"
#include "latchkey/testing/in_process_server.h"

namespace {

// A stand-in for one: it charges whatever arrives, and its answers do not.
class Provider {
 public:
  // The id of the charge; empty if no answer came within 10 s.
  std::optional<std::string> Charge() {
    ++charges_;
    return std::nullopt;
  }
  int charges() const { return charges_; }

 private:
  int charges_ = 0;
};

// [shown]
latchkey::RunResult Pay(latchkey::Client& client, Provider& provider, const std::string& order) {
  using namespace std::chrono_literals;
  const latchkey::Work charge = [&](latchkey::Attempt&) {
    const auto id = provider.Charge();
    return id ? latchkey::Succeeded({.provider_reference = *id}) : latchkey::Unknown("no answer");
  };
  return client.RunOnce("order:" + order, {.lease_duration = 30s},
                        latchkey::SendWithin(10s, charge), latchkey::LeaveInDoubt());
}
// [/shown]

}  // namespace

int main() {
  latchkey::testing::InProcessServer server;
  latchkey::Client client = server.Connect();
  Provider provider;
  std::printf("%s\n", ToString(Pay(client, provider, "9").status));
  const latchkey::RunResult run = Pay(client, provider, "9");
  std::printf("%s, %d charge\n", ToString(run.status), provider.charges());
}
