// A process for tests to kill: pays, with an outbox, while the server that should hear of it is
// dead.
//   client_outbox_worker HOST:PORT SERVER_PID OUTBOX_DIRECTORY
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "latchkey/client.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  latchkey::Client client = latchkey::Client::Connect(argv[1], {.outbox_directory = argv[3]});
  const pid_t server = std::atoi(argv[2]);
  const latchkey::RunResult run = client.RunOnce(
      "order:1", {.record_timeout = std::chrono::milliseconds(100)}, [&](latchkey::Attempt&) {
        kill(server, SIGKILL);
        return latchkey::Succeeded({.provider_reference = "pay_1", .payload = "thanks"});
      });
  std::printf("%s %s %s\n", ToString(run.status), run.delivering ? "delivering" : "lost",
              client.outbox_error().c_str());
  std::fflush(stdout);
  pause();
}
