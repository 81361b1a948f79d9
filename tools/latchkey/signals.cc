#include "tools/latchkey/signals.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <utility>

namespace latchkey::cli {

EndRequests::EndRequests() {
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    struct sigaction action{};
    sigaction(signal, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&signals_, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals_, &mask_before_);
  if (pipe2(pipe_, O_CLOEXEC | O_NONBLOCK) != 0) pipe_[0] = pipe_[1] = -1;
  thread_ = std::jthread([this](std::stop_token ended) { Listen(std::move(ended)); });
}

EndRequests::~EndRequests() {
  thread_.request_stop();
  thread_.join();
  for (const int end : pipe_) close(end);
}

int EndRequests::Take() const {
  unsigned char signal = 0;
  return read(pipe_[0], &signal, 1) == 1 ? signal : 0;
}

void EndRequests::Listen(std::stop_token ended) {
  constexpr timespec kLook{0, 50'000'000};
  while (!ended.stop_requested()) {
    const int signal = sigtimedwait(&signals_, nullptr, &kLook);
    if (signal <= 0) continue;
    int none = 0;
    first_.compare_exchange_strong(none, signal);
    const auto byte = static_cast<unsigned char>(signal);
    if (write(pipe_[1], &byte, 1) != 1) continue;  // full of signals: one more says nothing new
    stop_.request_stop();
  }
}

}  // namespace latchkey::cli
