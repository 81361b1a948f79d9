// A provider that deduplicates by idempotency key. Its answer is lost, and the same request is sent
// again: the customer is charged once, and we know of it.
//
// It brings its own Latchkey, in this process. A real program calls latchkey::Client::Connect.

#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "latchkey/recovery.h"
#include "latchkey/testing/in_process_server.h"

namespace {

// A stand-in for one: it charges once for each key, and its first answer does not arrive.
class Provider {
 public:
  // The id of the charge; empty if no answer came within 10 s.
  std::optional<std::string> Charge(const std::string& idempotency_key) {
    const auto id = "ch_" + std::to_string(charges_.size() + 1);
    const auto [charge, first] = charges_.emplace(idempotency_key, id);
    if (first) return std::nullopt;
    return charge->second;
  }
  std::size_t charges() const { return charges_.size(); }

 private:
  std::map<std::string, std::string> charges_;
};

// [shown]
latchkey::RunResult Pay(latchkey::Client& client, Provider& provider, const std::string& order) {
  using namespace std::chrono_literals;
  const latchkey::Work charge = [&](latchkey::Attempt& attempt) {
    const auto id = provider.Charge(attempt.downstream_idempotency_key());
    return id ? latchkey::Succeeded({.provider_reference = *id}) : latchkey::Unknown("no answer");
  };
  return client.RunOnce("order:" + order, {.lease_duration = 30s, .downstream_key_ttl = 24h},
                        latchkey::SendWithin(10s, charge), latchkey::ResendSameKey(10s, charge));
}
// [/shown]

}  // namespace

int main() {
  latchkey::testing::InProcessServer server;
  latchkey::Client client = server.Connect();
  Provider provider;
  std::printf("%s\n", ToString(Pay(client, provider, "7").status));
  const latchkey::RunResult run = Pay(client, provider, "7");
  std::printf("%s %s, %zu charge\n", ToString(run.status),
              run.result ? run.result->provider_reference.c_str() : "", provider.charges());
}
