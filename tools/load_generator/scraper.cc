#include "tools/load_generator/scraper.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>

namespace latchkey::bench {
namespace {

constexpr std::string_view kRequest = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view kAnswered = "HTTP/1.1 200 ";
constexpr std::string_view kOneOfOurs = "latchkey_acquire_total{";

// All that a connection on which the request was sent brings; empty if that failed.
std::string Exchange(int connection, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return "";
  if (send(connection, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  std::array<char, 65536> bytes;
  ssize_t count = 0;
  while ((count = recv(connection, bytes.data(), bytes.size(), 0)) > 0) {
    answer.append(bytes.data(), static_cast<std::size_t>(count));
  }
  return answer;
}

}  // namespace

absl::Status Scrape(int port) {
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return absl::UnavailableError("cannot make a socket");
  const std::string answer = Exchange(connection, port);
  close(connection);
  if (answer.starts_with(kAnswered) && answer.find(kOneOfOurs) != std::string::npos) {
    return absl::OkStatus();
  }
  return absl::UnavailableError("there are no metrics at 127.0.0.1:" + std::to_string(port));
}

Scraper::Scraper(int port)
    : thread_([this, port](const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (!stopped_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; })) {
          if (stop.stop_requested()) return;
          (void)Scrape(port);
        }
      }) {}

}  // namespace latchkey::bench
