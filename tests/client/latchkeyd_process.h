// A real latchkeyd that tests start, freeze, kill and start again on the same port.
#pragma once

#include <optional>
#include <string>

#include "tests/support/temporary_directory.h"
#include "tools/process/server_process.h"

namespace latchkey {

// Dies with the thread that started it. Not thread-safe.
class LatchkeydProcess {
 public:
  // `store` as in --store. Starts serving on a free port; throws std::runtime_error when it can't.
  explicit LatchkeydProcess(std::string store);

  // Starts it again where it was, after Kill.
  void Start();
  // SIGKILL; returns when it is gone.
  void Kill() { server_->process().Kill(); }
  // Returns when nothing of it runs any more.
  void Freeze() { server_->process().Freeze(); }
  void Thaw() { server_->process().Thaw(); }

  pid_t pid() const { return server_->process().pid(); }
  // host:port.
  const std::string& address() const { return server_->address(); }

 private:
  const std::string store_;
  TemporaryDirectory directory_;
  std::optional<ServerProcess> server_;
};

}  // namespace latchkey
