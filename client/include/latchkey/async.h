// The asynchronous form of every call: `SomethingAsync(arguments..., callback)`, or the same as a
// future:
//
//   client.CheckResultAsync("order:123", {}, [](latchkey::Answer<latchkey::KeyStatus> status) {
//     if (status.ok()) std::puts(ToString(status->state));
//   });
//   auto status = latchkey::AsFuture(client, &latchkey::Client::CheckResultAsync, "order:123",
//                                    latchkey::CheckOptions{});
//
// Each blocking call waits for its asynchronous form; there is nothing that only one of them does.
//
// When: each callback is called exactly once. Where something goes wrong, with an Error; where the
// last Client, Lease and Attempt of a connection go first, with CLIENT_CLOSED, as a rule before the
// last one's destructor returns.
//
// Where: on ClientOptions::executor; without one, on a thread of the library, which the callback
// must not block, for the renewing of all leases waits behind it. A blocking call of this library
// made there is refused WOULD_BLOCK. Without an executor, an answer that nobody has to be asked for
// (a call stopped beforehand, a lease that is lost) comes on the caller's own thread before the
// call returns, and CLIENT_CLOSED may come on the thread that drops the last handle; so hold no
// lock that the callback takes.
//
// A callback may do anything else, destroy the client included. What it throws is lost.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <tuple>
#include <utility>

namespace latchkey::inline client {

// What is called with the answer, once.
template <typename T>
using Callback = std::function<void(T)>;

namespace internal {
// The T of a method whose last parameter is a Callback<T>.
template <typename Parameter>
struct AnswerOf;
template <typename T>
struct AnswerOf<std::function<void(T)>> {
  using Type = T;
};
template <typename Class, typename... Parameters>
struct AnswerOf<void (Class::*)(Parameters...)>
    : AnswerOf<std::tuple_element_t<sizeof...(Parameters) - 1, std::tuple<Parameters...>>> {};
}  // namespace internal

// Calls `method` of `object` with `arguments` and a callback, and returns the future of what that
// is called with. The future never breaks; unlike one of std::async it may be dropped unread.
template <typename Object, typename Method, typename... Arguments>
[[nodiscard]] auto AsFuture(Object& object, Method method, Arguments&&... arguments) {
  using Answer = typename internal::AnswerOf<Method>::Type;
  auto promise = std::make_shared<std::promise<Answer>>();
  std::future<Answer> future = promise->get_future();
  (object.*method)(std::forward<Arguments>(arguments)...,
                   [promise](Answer answer) { promise->set_value(std::move(answer)); });
  return future;
}

}  // namespace latchkey::inline client
