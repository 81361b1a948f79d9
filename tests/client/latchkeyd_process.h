// A real latchkeyd that tests start, freeze, kill and start again on the same port.
#pragma once

#include <sys/types.h>

#include <string>

namespace latchkey {

// Belongs to one thread: it dies with the thread that started it, whatever that dies of.
class LatchkeydProcess {
 public:
  // `store` as in --store. Starts serving on a free port; throws std::runtime_error when it can't.
  explicit LatchkeydProcess(std::string store);
  // Kills it.
  ~LatchkeydProcess();
  LatchkeydProcess(const LatchkeydProcess&) = delete;
  LatchkeydProcess& operator=(const LatchkeydProcess&) = delete;

  // Starts it again where it was, after Kill.
  void Start();
  // SIGKILL; returns when it is gone.
  void Kill();
  // SIGSTOP; returns when nothing of it runs any more.
  void Freeze();
  // SIGCONT.
  void Thaw();

  // host:port.
  const std::string& address() const { return address_; }

 private:
  const std::string store_;
  std::string address_ = "127.0.0.1:0";
  pid_t pid_ = -1;
};

}  // namespace latchkey
