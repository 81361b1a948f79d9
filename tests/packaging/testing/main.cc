// What a shop's own tests would do, without a test framework.
#include <latchkey/testing/fake_service.h>
#include <latchkey/testing/in_process_server.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::printf("not so: %s\n", what);
  std::exit(1);
}

// The code under test.
latchkey::RunResult Pay(latchkey::Client client) {
  return client.RunOnce("order:1", {}, [](latchkey::Attempt&) {
    return latchkey::Succeeded({.provider_reference = "ch_1"});
  });
}

void PaysOnce() {
  latchkey::testing::FakeService service;
  service.WillAnswer("order:1", latchkey::testing::Execute{});
  Require(Pay(service.Connect()).status == latchkey::RunResult::Status::kSucceeded, "it pays");
  const auto recorded = service.recorded("order:1");
  Require(recorded.size() == 1 && recorded[0].fields().provider_reference == "ch_1",
          "what it did is recorded");
}

void DoesNotPayBlindlyAfterALapse() {
  latchkey::testing::InProcessServer server;
  auto vanished = server.Connect().AcquireLock("order:1");
  server.AdvanceTime(std::chrono::seconds(31));
  const latchkey::RunResult run = Pay(server.Connect());
  Require(run.status == latchkey::RunResult::Status::kInDoubt && !run.own, "nothing is run");
}

}  // namespace

int main() {
  PaysOnce();
  DoesNotPayBlindlyAfterALapse();
  std::puts("ok");
}
