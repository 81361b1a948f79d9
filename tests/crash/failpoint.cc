// The failpoints of latchkeyd_failpoints, which links this in place of base/failpoint.cc.
//
//   LATCHKEY_FAILPOINT=NAME:N   kills the process, as kill -9 does, when it is at NAME for the n-th
//   time
#include "base/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace latchkey {
namespace {

struct Plan {
  std::string name;
  std::atomic<std::uint64_t> countdown = 0;

  Plan() {
    const char* text = std::getenv("LATCHKEY_FAILPOINT");
    if (text == nullptr) return;
    const std::string plan = text;
    const std::size_t colon = plan.find(':');
    name = plan.substr(0, colon);
    countdown = colon == std::string::npos ? 1 : std::strtoull(text + colon + 1, nullptr, 10);
  }
};

}  // namespace

void Failpoint(const char* name) {
  static Plan plan;
  if (plan.name != name || plan.countdown.fetch_sub(1) != 1) return;
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();  // not another step, however late the signal is
}

}  // namespace latchkey
