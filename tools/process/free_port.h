// A port for a server that cannot choose a free one by itself.
#pragma once

#include "absl/status/statusor.h"

namespace latchkey {

// While the object lives, the kernel gives the port to nobody who asks for any; a server that asks
// for it by number, with SO_REUSEADDR as servers do, gets it.
class FreePort {
 public:
  // UNAVAILABLE if there is none.
  static absl::StatusOr<FreePort> Take();
  FreePort(FreePort&& other) noexcept;
  FreePort& operator=(FreePort&&) = delete;
  ~FreePort();

  int number() const { return number_; }

 private:
  FreePort(int socket, int number) : socket_(socket), number_(number) {}

  int socket_;  // bound to the port and not listening; -1: moved from
  int number_;
};

}  // namespace latchkey
