// The signals that ask for an end, before and while a command runs.
#pragma once

#include <signal.h>

#include <atomic>
#include <stop_token>
#include <thread>

namespace latchkey::cli {

// Takes SIGINT, SIGTERM, SIGHUP and SIGQUIT, but for those that this process was started to ignore.
// Must be made before any other thread; one at a time.
class EndRequests {
 public:
  EndRequests();
  EndRequests(const EndRequests&) = delete;
  EndRequests& operator=(const EndRequests&) = delete;
  ~EndRequests();

  // Asked to stop with the first signal.
  std::stop_token stop() const { return stop_.get_token(); }
  // Readable whenever there is a signal that Take has not given yet.
  int descriptor() const { return pipe_[0]; }
  // The next signal; 0 if there is none. Does not block.
  int Take() const;
  // The first one; 0 if there was none.
  int first() const { return first_.load(); }
  // What a child's mask must be set to.
  const sigset_t& mask_before() const { return mask_before_; }

 private:
  void Listen(std::stop_token ended);

  sigset_t signals_{};
  sigset_t mask_before_{};
  int pipe_[2] = {-1, -1};
  std::atomic<int> first_ = 0;
  std::stop_source stop_;
  std::jthread thread_;
};

}  // namespace latchkey::cli
