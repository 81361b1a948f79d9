#include "tools/fault_test/resource.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace latchkey::faults {
namespace {

[[noreturn]] void Fail() {
  std::perror("holder_client: the resource does not answer");
  std::_Exit(2);
}

}  // namespace

Resource::Resource(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::min(path.size(), sizeof(address.sun_path) - 1);
  std::memcpy(address.sun_path, path.data(), length);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) Fail();
}

Resource::~Resource() { ::close(socket_); }

std::optional<std::int64_t> Resource::Read(const std::string& name, std::uint64_t fencing_token) {
  const std::string answer = Ask("read " + name + " " + std::to_string(fencing_token));
  if (answer.empty()) return std::nullopt;
  return std::strtoll(answer.c_str(), nullptr, 10);
}

bool Resource::Write(const std::string& name, std::uint64_t fencing_token, std::int64_t value) {
  return !Ask("write " + name + " " + std::to_string(fencing_token) + " " + std::to_string(value))
              .empty();
}

std::string Resource::Charge(const std::string& name, std::uint64_t fencing_token,
                             const std::string& idempotency_key) {
  return Ask("charge " + name + " " + std::to_string(fencing_token) + " " + idempotency_key);
}

std::string Resource::Ask(const std::string& line) {
  const std::string sent = line + "\n";
  if (::send(socket_, sent.data(), sent.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(sent.size())) {
    Fail();
  }
  std::string answer;
  for (char byte = 0; byte != '\n';) {
    if (::recv(socket_, &byte, 1, 0) != 1) Fail();
    if (byte != '\n') answer += byte;
  }
  return answer == "refused" ? "" : answer;
}

}  // namespace latchkey::faults
