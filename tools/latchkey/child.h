// The process of a command.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <variant>

#include "latchkey/lease.h"

namespace latchkey::cli {

struct CommandOptions;

// A child in a process group of its own. Not thread-safe.
class Child {
 public:
  // The child, or the errno for which it could not be executed; nothing was run then. `attempt`
  // goes into its environment, `mask` is its signal mask.
  static std::variant<Child, int> Start(const CommandOptions& options, const Attempt& attempt,
                                        const sigset_t& mask);
  Child(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child& operator=(Child&&) = delete;
  // Gives the terminal back.
  ~Child();

  // Where its output comes from; -1 unless captured. Owned by the caller.
  int output() const { return output_; }
  int errors() const { return errors_; }
  // Readable when it has ended; -1 once that was seen.
  int descriptor() const { return ended_ ? -1 : descriptor_; }
  // Whether it has ended. Does not block.
  bool Ended();
  // As waitpid gives it, once it has ended.
  int status() const { return status_; }
  // A command that has our terminal and is stopped there would leave us waiting for each other.
  void ContinueIfStopped() const;
  void SignalGroup(int signal) const;
  // Whether anything of its group is left.
  bool GroupLives() const;

 private:
  Child() = default;

  pid_t pid_ = -1;
  int descriptor_ = -1;
  int output_ = -1;
  int errors_ = -1;
  int status_ = 0;
  bool ended_ = false;
  // The group that had the terminal before; -1 if it was not handed over.
  pid_t terminal_of_ = -1;
};

}  // namespace latchkey::cli
