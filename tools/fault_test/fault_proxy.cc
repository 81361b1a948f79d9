// Stands between callers and latchkeyd and does to their connections what networks do; tools/faults
// starts it. On SIGUSR1 it only relays from then on.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

#include "tools/fault_test/proxied_connection.h"
#include <CLI/CLI.hpp>

namespace latchkey::faults {
namespace {

struct Options {
  int port = 0;
  int server_port = 0;
  std::string events;
  std::uint64_t seed = 1;
  unsigned requests_per_fault = 20;
};

std::atomic<bool> heals = false;

void Heal(int /*signal*/) { heals = true; }

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* Generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

int Fail(const char* what) {
  std::perror(what);
  return 1;
}

// In the form of the histories, in one write(2).
void Note(int file, Fault fault) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::string line = "{\"t\":" + std::to_string(now.tv_sec * 1'000'000'000LL + now.tv_nsec) +
                           R"(,"event":"network","name":")" + NameOf(fault) + "\"}\n";
  if (::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size())) return;
  std::perror("fault_proxy: cannot write what it did");
  std::_Exit(1);
}

// Writing on a connection whose other side does not read, because it is stopped, must end.
void Prepare(int socket) {
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

// -1 where the server is away.
int ConnectTo(int port) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (server >= 0 && ::connect(server, Generic(address), sizeof(address)) == 0) return server;
  ::close(server);
  return -1;
}

int Run(const Options& options) {
  const int events =
      ::open(options.events.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  if (events < 0) return Fail("fault_proxy: cannot write the events");
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const sockaddr_in address = Loopback(options.port);
  if (::bind(listener, Generic(address), sizeof(address)) != 0 || ::listen(listener, 128) != 0) {
    return Fail("fault_proxy: cannot listen");
  }
  std::printf("fault_proxy is serving on 127.0.0.1:%d\n", options.port);
  std::fflush(stdout);
  for (std::uint64_t number = 0;; ++number) {
    const int caller = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (caller < 0) continue;
    const int server = ConnectTo(options.server_port);
    if (server < 0) {
      ::close(caller);
      continue;
    }
    Prepare(caller);
    Prepare(server);
    std::thread([=] {
      ProxiedConnection connection(caller, server,
                                   {.seed = options.seed * 1'000'003 + number,
                                    .requests_per_fault = options.requests_per_fault,
                                    .goes_on = [] { return !heals; },
                                    .note = [events](Fault fault) { Note(events, fault); }});
      connection.Run();
    }).detach();
  }
}

}  // namespace
}  // namespace latchkey::faults

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGUSR1, latchkey::faults::Heal);
  latchkey::faults::Options options;
  CLI::App app("A network that fails; tools/faults starts it.");
  app.add_option("--port", options.port, "where callers connect, on loopback")->required();
  app.add_option("--server-port", options.server_port, "where latchkeyd is")->required();
  app.add_option("--events", options.events, "file to write each fault to")->required();
  app.add_option("--seed", options.seed, "which faults, and when");
  app.add_option("--requests-per-fault", options.requests_per_fault, "on average")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return latchkey::faults::Run(options);
}
