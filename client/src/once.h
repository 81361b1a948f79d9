// A callback that is called exactly once, whatever becomes of those who should call it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "latchkey/async.h"

namespace latchkey::inline client::internal {

// Copies are one. The first call goes through, later ones do nothing; when the last copy goes
// without one, the callback gets what `otherwise` returns. Thread-safe.
template <typename T>
class Once {
 public:
  Once(Callback<T> callback, std::function<T()> otherwise)
      : state_(std::make_shared<State>(std::move(callback), std::move(otherwise))) {}

  void operator()(T value) const { state_->Call(std::move(value)); }

 private:
  struct State {
    State(Callback<T> to_call, std::function<T()> in_the_end)
        : callback(std::move(to_call)), otherwise(std::move(in_the_end)) {}
    ~State() {
      if (!called) callback(otherwise());
    }
    void Call(T value) {
      // Let go of when it returns: what it holds must not wait for the last copy.
      if (!called.exchange(true)) std::exchange(callback, nullptr)(std::move(value));
    }

    std::atomic<bool> called = false;
    Callback<T> callback;
    const std::function<T()> otherwise;
  };

  std::shared_ptr<State> state_;
};

}  // namespace latchkey::inline client::internal
