// One call of a session, from when it is made until it is answered.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <stop_token>
#include <utility>

#include "transport.h"

namespace latchkey::inline client::internal {

class SessionCall {
 public:
  virtual ~SessionCall() = default;
  // Both end the call; one of them is called, once.
  virtual void Answer(v1::SessionResponse::Reply& reply) = 0;
  virtual void Fail(const CallStatus& status) = 0;

  // Its place among the deadlines.
  std::int64_t tick = 0;
  std::list<std::uint64_t>::iterator place;
  // Not sent yet.
  bool held_back = false;
  // Ends it early. To be destroyed without any lock: that may have to wait for the callback.
  std::optional<std::stop_callback<std::function<void()>>> stop;
};

// `Response` is what `part` finds in a reply, if it answers such a call.
template <typename Response>
class TypedSessionCall final : public SessionCall {
 public:
  using Part = Response* (*)(v1::SessionResponse::Reply& reply);

  TypedSessionCall(Part part, Done<Response> done) : part_(part), done_(std::move(done)) {}

  void Answer(v1::SessionResponse::Reply& reply) override {
    if (Response* const response = part_(reply)) return done_({}, std::move(*response));
    Fail({grpc::StatusCode::INTERNAL, "the service's reply answers another call", ""});
  }
  void Fail(const CallStatus& status) override { done_(status, Response()); }

 private:
  const Part part_;
  const Done<Response> done_;
};

}  // namespace latchkey::inline client::internal
