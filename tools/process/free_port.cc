#include "tools/process/free_port.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace latchkey {

absl::StatusOr<FreePort> FreePort::Take() {
  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (taken < 0) return absl::UnavailableError("cannot make a socket");
  FreePort port(taken, 0);
  const int on = 1;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (setsockopt(taken, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(taken, generic, size) != 0 || getsockname(taken, generic, &size) != 0) {
    return absl::UnavailableError("there is no free port");
  }
  port.number_ = ntohs(address.sin_port);
  return port;
}

FreePort::FreePort(FreePort&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), number_(other.number_) {}

FreePort::~FreePort() {
  if (socket_ >= 0) close(socket_);
}

}  // namespace latchkey
