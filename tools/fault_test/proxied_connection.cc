#include "tools/fault_test/proxied_connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>

namespace latchkey::faults {
namespace {

constexpr std::int64_t kStallMax = 300;
constexpr std::int64_t kDelayMax = 30;
constexpr std::int64_t kHalfOpenMax = 200;
// How long a server that was handed a request may have before the connection breaks.
constexpr std::int64_t kReplyMax = 20;

std::int64_t NowMillis() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1'000'000;
}

bool Send(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Empty at the end of what the other side has to say.
std::string_view Receive(int socket, std::array<char, 16384>& buffer) {
  const ssize_t received = ::recv(socket, buffer.data(), buffer.size(), 0);
  return {buffer.data(), received > 0 ? static_cast<std::size_t>(received) : 0};
}

// Closing the socket then resets the connection.
void ResetAtClose(int socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

}  // namespace

const char* NameOf(Fault fault) {
  switch (fault) {
    case Fault::kLostReply:
      return "lost_reply";
    case Fault::kLostRequest:
      return "lost_request";
    case Fault::kTornRequest:
      return "torn_request";
    case Fault::kReset:
      return "reset";
    case Fault::kHalfClose:
      return "half_close";
    case Fault::kStall:
      return "stall";
    case Fault::kDelay:
      return "delay";
  }
  return "unknown";
}

ProxiedConnection::ProxiedConnection(int caller, int server, Plan plan)
    : caller_(caller), server_(server), plan_(std::move(plan)), random_(plan_.seed) {}

ProxiedConnection::~ProxiedConnection() {
  ::close(caller_);
  ::close(server_);
}

void ProxiedConnection::Run() {
  for (bool goes_on = true; goes_on;) {
    const std::int64_t now = NowMillis();
    if (ends_ != 0 && now >= ends_) return;
    // A descriptor below 0 is not looked at: what was sent waits in the kernel.
    std::array<pollfd, 2> sockets{pollfd{now < caller_stalled_ ? -1 : caller_, POLLIN, 0},
                                  pollfd{now < server_stalled_ ? -1 : server_, POLLIN, 0}};
    const bool in_trouble = caller_stalled_ > now || server_stalled_ > now || ends_ != 0;
    if (::poll(sockets.data(), sockets.size(), in_trouble ? 5 : -1) < 0) return;
    if (sockets[0].revents != 0) goes_on = FromCaller();
    if (goes_on && sockets[1].revents != 0) goes_on = FromServer();
  }
}

bool ProxiedConnection::FromCaller() {
  std::array<char, 16384> buffer;
  std::string_view bytes = Receive(caller_, buffer);
  if (bytes.empty()) return false;
  std::size_t done = 0;
  std::size_t begin = 0;  // of the request at hand
  for (const std::size_t end : requests_.Take(bytes)) {
    if (ends_ == 0 && Draw(plan_.requests_per_fault) == 0 && plan_.goes_on()) {
      const Fault fault = Pick();
      const bool goes_on =
          Do(fault, bytes.substr(done, begin - done), bytes.substr(begin, end - begin));
      plan_.note(fault);
      if (!goes_on) return false;
      done = end;
    }
    begin = end;
  }
  return server_shut_ || Send(server_, bytes.substr(done));
}

bool ProxiedConnection::FromServer() {
  std::array<char, 16384> buffer;
  const std::string_view bytes = Receive(server_, buffer);
  return !bytes.empty() && (caller_shut_ || Send(caller_, bytes));
}

Fault ProxiedConnection::Pick() {
  constexpr std::array kOthers = {Fault::kLostRequest, Fault::kTornRequest, Fault::kReset,
                                  Fault::kHalfClose,   Fault::kStall,       Fault::kDelay};
  if (Draw(100) < 60) return Fault::kLostReply;
  return kOthers.at(Draw(kOthers.size()));
}

bool ProxiedConnection::Do(Fault fault, std::string_view before, std::string_view request) {
  if (!Send(server_, before)) return false;
  switch (fault) {
    case Fault::kLostReply:
      LoseReply(request);
      return false;
    case Fault::kLostRequest:
      return false;
    case Fault::kTornRequest:
      (void)Send(server_, request.substr(0, request.size() / 2));
      return false;
    case Fault::kReset:
      (void)Send(server_, request);
      Reset();
      return false;
    case Fault::kHalfClose:
      return HalfClose(request);
    case Fault::kStall:
      return Stall(request);
    case Fault::kDelay:
      return Delay(request);
  }
  return false;
}

// Nothing that the server sends from here on is passed on, so the reply is lost for certain. In
// half of the cases the server has sent something before the connection breaks; the others are
// quicker.
void ProxiedConnection::LoseReply(std::string_view bytes) {
  if (!Send(server_, bytes)) return;
  pollfd server{server_, POLLIN, 0};
  if (Draw(2) == 0) {
    (void)::poll(&server, 1, kReplyMax);
  } else {
    (void)::poll(nullptr, 0, static_cast<int>(Draw(5)));
  }
  if (Draw(2) == 0) Reset();
}

bool ProxiedConnection::HalfClose(std::string_view bytes) {
  if (!Send(server_, bytes)) return false;
  caller_shut_ = Draw(2) == 0;
  server_shut_ = !caller_shut_;
  ::shutdown(caller_shut_ ? caller_ : server_, SHUT_WR);
  ends_ = NowMillis() + kHalfOpenMax;
  return true;
}

bool ProxiedConnection::Stall(std::string_view bytes) {
  const std::int64_t until = NowMillis() + static_cast<std::int64_t>(Draw(kStallMax));
  (Draw(2) == 0 ? caller_stalled_ : server_stalled_) = until;
  return Send(server_, bytes);
}

bool ProxiedConnection::Delay(std::string_view bytes) {
  std::this_thread::sleep_for(std::chrono::milliseconds(Draw(kDelayMax)));
  return Send(server_, bytes);
}

void ProxiedConnection::Reset() {
  ResetAtClose(caller_);
  ResetAtClose(server_);
}

}  // namespace latchkey::faults
