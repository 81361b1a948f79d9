#include "server/metrics/http_listener.h"

#include <civetweb.h>
#include <netdb.h>
#include <sys/socket.h>

#include <memory>
#include <utility>

namespace latchkey {
namespace {

// A scrape, a probe or two, and those who do not send what they began to: each of them takes a
// thread for as long.
constexpr char kThreads[] = "16";
constexpr char kRequestTimeoutMs[] = "2000";

const char* ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

// The host as a number, which is all that the library takes.
absl::StatusOr<std::string> ResolveHost(std::string host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found)) {
    return absl::UnavailableError(host + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  char number[NI_MAXHOST];
  if (const int error = getnameinfo(found->ai_addr, found->ai_addrlen, number, sizeof(number),
                                    nullptr, 0, NI_NUMERICHOST)) {
    return absl::UnavailableError(host + ": " + gai_strerror(error));
  }
  return found->ai_family == AF_INET6 ? "[" + std::string(number) + "]" : std::string(number);
}

// What goes wrong is said by whoever starts it; the library would write into a file.
int Ignore(const mg_connection*, const char*) { return 1; }

}  // namespace

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Start(const std::string& address,
                                                                  Handler handler) {
  [[maybe_unused]] static const unsigned prepared = mg_init_library(0);
  const auto colon = address.rfind(':');
  auto host = ResolveHost(address.substr(0, colon));
  if (!host.ok()) return host.status();
  const std::string ports = *host + address.substr(colon);
  const char* options[] = {"listening_ports",    ports.c_str(),     "num_threads", kThreads,
                           "request_timeout_ms", kRequestTimeoutMs, nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = OnRequest;
  callbacks.log_message = Ignore;
  callbacks.log_access = Ignore;
  std::unique_ptr<HttpListener> listener(new HttpListener(std::move(handler)));
  listener->context_ = mg_start(&callbacks, listener.get(), options);
  mg_server_port port{};
  if (listener->context_ == nullptr || mg_get_server_ports(listener->context_, 1, &port) != 1) {
    return absl::UnavailableError("cannot listen on " + address + "; is the port in use?");
  }
  listener->address_ = address.substr(0, colon + 1) + std::to_string(port.port);
  return listener;
}

HttpListener::~HttpListener() {
  if (context_ != nullptr) mg_stop(context_);
}

HttpAnswer HttpListener::Answer(const std::string& method, const std::string& path) const {
  if (method != "GET" && method != "HEAD") return {405, "only GET and HEAD are answered here\n"};
  return handler_(path);
}

int HttpListener::OnRequest(mg_connection* connection) {
  const mg_request_info& request = *mg_get_request_info(connection);
  const auto& listener = *static_cast<const HttpListener*>(request.user_data);
  const std::string method = request.request_method == nullptr ? "" : request.request_method;
  const HttpAnswer answer =
      listener.Answer(method, request.local_uri == nullptr ? "" : request.local_uri);
  const std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " " +
                           ReasonOf(answer.status) + "\r\nContent-Type: " + answer.content_type +
                           "\r\nContent-Length: " + std::to_string(answer.body.size()) +
                           "\r\nConnection: close\r\n\r\n";
  mg_write(connection, head.data(), head.size());
  if (method != "HEAD") mg_write(connection, answer.body.data(), answer.body.size());
  return answer.status;  // not 0: it is answered
}

}  // namespace latchkey
