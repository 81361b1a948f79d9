// A provider that does not deduplicate, but can be asked. One request is lost, later one answer:
// the one is found out to have done nothing, and sent again, and the other to have charged.
//
// It brings its own Latchkey, in this process, so that two minutes pass at once. A real program
// calls latchkey::Client::Connect.

#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "latchkey/recovery.h"
#include "latchkey/testing/in_process_server.h"

namespace {

// A stand-in for one: it charges whatever arrives. The first request does not arrive, and the
// answer to the second is lost.
class Provider {
 public:
  // The id of the charge; empty if no answer came within 10 s.
  std::optional<std::string> Charge(const std::string& reference) {
    if (++requests_ == 1) return std::nullopt;
    charges_.emplace(reference, "ch_" + std::to_string(charges_.size() + 1));
    return std::nullopt;
  }
  // The id of the charge with our reference; empty if there is none.
  std::optional<std::string> Find(const std::string& reference) const {
    const auto charge = charges_.find(reference);
    if (charge == charges_.end()) return std::nullopt;
    return charge->second;
  }
  std::size_t charges() const { return charges_.size(); }

 private:
  int requests_ = 0;
  std::multimap<std::string, std::string> charges_;
};

// [shown]
latchkey::RunResult Pay(latchkey::Client& client, Provider& provider, const std::string& order) {
  using namespace std::chrono_literals;
  const latchkey::Work charge = [&](latchkey::Attempt& attempt) {
    const auto id = provider.Charge(attempt.downstream_idempotency_key());
    return id ? latchkey::Succeeded({.provider_reference = *id}) : latchkey::Unknown("no answer");
  };
  const latchkey::Ask find = [&](latchkey::Attempt& attempt) -> std::optional<latchkey::Outcome> {
    const auto id = provider.Find(attempt.downstream_idempotency_key());
    if (!id) return std::nullopt;  // Had it not answered: latchkey::Unknown().
    return latchkey::Succeeded({.provider_reference = *id});
  };
  return client.RunOnce("order:" + order, {.lease_duration = 30s},
                        latchkey::SendWithin(10s, charge), latchkey::AskProvider(2min, find));
}
// [/shown]

}  // namespace

int main() {
  latchkey::testing::InProcessServer server;
  latchkey::Client client = server.Connect();
  Provider provider;
  std::printf("%s\n", ToString(Pay(client, provider, "8").status));
  server.AdvanceTime(std::chrono::minutes(3));  // Otherwise the next call would wait.
  std::printf("%s\n", ToString(Pay(client, provider, "8").status));
  std::printf("%s\n", ToString(Pay(client, provider, "8").status));
  const latchkey::RunResult run = Pay(client, provider, "8");
  std::printf("%s %s, %zu charge\n", ToString(run.status),
              run.result ? run.result->provider_reference.c_str() : "", provider.charges());
}
