// A port that is kept for a server: nobody gets it by chance, and the server gets it by its number.

#include "tools/process/free_port.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace latchkey {
namespace {

// As servers do; 0 if the port could be listened on.
int TryToListen(int port) {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const int bound = bind(server, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int listening = bound == 0 ? listen(server, 1) : bound;
  close(server);
  return listening;
}

TEST(FreePortTest, AServerCanListenOnIt) {
  const auto port = FreePort::Take();
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_EQ(TryToListen(port->number()), 0);
  EXPECT_EQ(TryToListen(port->number()), 0) << "a second time, as after a restart";
}

TEST(FreePortTest, NoTwoAreTheSame) {
  const auto first = FreePort::Take();
  const auto second = FreePort::Take();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->number(), second->number());
}

}  // namespace
}  // namespace latchkey
