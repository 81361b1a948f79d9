// A small HTTP listener, for questions that are answered at once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct mg_connection;
struct mg_context;

namespace latchkey {

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

class HttpListener {
 public:
  // Answers a GET of this path. Called on several threads at once.
  using Handler = std::function<HttpAnswer(const std::string& path)>;

  // Listens on HOST:PORT; port 0 takes a free one. UNAVAILABLE, with one line that says why, if
  // that cannot be done.
  static absl::StatusOr<std::unique_ptr<HttpListener>> Start(const std::string& address,
                                                             Handler handler);
  // Closes the port and waits for answers that are being written, which is for seconds at most.
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  // HOST:PORT, the port that it really has.
  const std::string& address() const { return address_; }

 private:
  explicit HttpListener(Handler handler) : handler_(std::move(handler)) {}
  static int OnRequest(mg_connection* connection);
  HttpAnswer Answer(const std::string& method, const std::string& path) const;

  const Handler handler_;
  mg_context* context_ = nullptr;
  std::string address_;
};

}  // namespace latchkey
