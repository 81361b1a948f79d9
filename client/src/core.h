// What all handles on one connection share, and the two ways into it: every public call is one of
// the asynchronous ones below, either handed the user's callback or waited for.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "connection.h"
#include "deliveries.h"
#include "latchkey/client.h"
#include "library_thread.h"
#include "once.h"

namespace latchkey::inline client::internal {

// The answer of a call that could not be made.
template <typename T>
T Failed(Error error) {
  return T(std::move(error));
}
template <>
inline RecordAnswer Failed(Error error) {
  return {.status = RecordAnswer::Status::kUnrecorded, .error = std::move(error)};
}
template <>
inline RunResult Failed(Error error) {
  RunResult run;
  run.status = error.kind == Error::Kind::kRefused ? RunResult::Status::kRefused
                                                   : RunResult::Status::kUnavailable;
  run.error = std::move(error);
  return run;
}

Error Closed();
Error AfterFork();
Error WouldBlock();

// Owned by Clients, Leases and Attempts alone: what is under way holds what it needs and never
// this, so that it can never be the one that closes the connection and waits for itself.
// Thread-safe.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(std::shared_ptr<Connection> connection, ClientOptions options);
  // Closes the connection, in bounded time; from a thread of the library, soon after.
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // This process is a child of the one that made the connection: its threads are not here, and its
  // mutexes may be locked for ever.
  bool forked() const;
  Connection& connection() const { return *connection_; }
  Deliveries& deliveries() const { return *deliveries_; }
  const Executor& executor() const { return options_.executor; }

  // Asks for a lock. The Lease in the answer keeps this Core alive; nothing else here does.
  void Acquire(KeyName name, const AcquireOptions& options, Callback<AcquireAnswer> callback);

  // Hands `start` a callback that gets the user's `callback` called, exactly once and where it
  // belongs.
  template <typename T, typename Start>
  void Go(Callback<T> callback, Start start) const;
  // Hands `start` a callback, and blocks until that is called.
  template <typename T, typename Start>
  T Await(Start start) const;

 private:
  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<Deliveries> deliveries_;
  const ClientOptions options_;
  const pid_t process_;
};

// Runs what is the user's on the executor, or here if there is none. What it throws is lost.
void Dispatch(const Executor& executor, const std::function<void()>& task);

template <typename T>
Callback<T> On(const Executor& executor, Callback<T> callback) {
  return [executor, callback = std::move(callback)](T value) {
    auto shared = std::make_shared<T>(std::move(value));
    Dispatch(executor, [callback, shared] {
      if (callback) callback(std::move(*shared));
    });
  };
}

template <typename T, typename Start>
void Core::Go(Callback<T> callback, Start start) const {
  if (forked()) return Dispatch({}, [&] { callback(Failed<T>(AfterFork())); });
  // The callback may drop the last Client before `start` returns.
  const auto self = shared_from_this();
  start(Once<T>(On<T>(executor(), std::move(callback)), [] { return Failed<T>(Closed()); }));
}

template <typename T, typename Start>
T Core::Await(Start start) const {
  if (forked()) return Failed<T>(AfterFork());
  if (LibraryThread::IsThis()) return Failed<T>(WouldBlock());
  struct State {
    Event ready;
    std::optional<T> value;
  };
  auto state = std::make_shared<State>();
  const auto set = [state](T value) {
    state->value.emplace(std::move(value));
    state->ready.Set();
  };
  start(Once<T>(set, [] { return Failed<T>(Closed()); }));
  connection_->runtime()->Wait(state->ready, {});
  return std::move(*state->value);
}

}  // namespace latchkey::inline client::internal
