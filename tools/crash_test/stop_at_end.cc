#include "tools/crash_test/stop_at_end.h"

#include <unistd.h>

namespace latchkey::crash {
namespace {

constexpr unsigned kEndSeconds = 15;

}  // namespace

void StopAtEnd(const EndSignals& end, std::atomic<bool>& stop, std::vector<std::thread>& threads) {
  end.Await();
  stop = true;
  ::alarm(kEndSeconds);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace latchkey::crash
