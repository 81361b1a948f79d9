#include "core.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <new>

#include "held_lease.h"

namespace latchkey::inline client::internal {
namespace {

// Host and process id, in the characters that the service takes.
std::string DefaultHolderId() {
  std::array<char, 64> host = {};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::string holder = host.data();
  for (char& c : holder) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_') c = '-';
  }
  return holder + ":" + std::to_string(getpid());
}

// With what is the user's run where it belongs.
ClientOptions Dispatching(ClientOptions options) {
  if (options.on_undeliverable) {
    options.on_undeliverable = On(options.executor, std::move(options.on_undeliverable));
  }
  return options;
}

// Gives back what nobody was handed.
void GiveBackUnused(Connection& connection, KeyName name, const Grant& grant) {
  connection.Release({.name = std::move(name),
                      .fencing_token = grant.fencing_token,
                      .deadline = grant.validity.safe_until,
                      .effect = Effect::kNotExecuted},
                     [](const Answer<KeyStatus::State>&) {});
}

}  // namespace

Error Closed() {
  return {.kind = Error::Kind::kUnavailable,
          .reason = "CLIENT_CLOSED",
          .message = "the last handle on the client's connection has gone"};
}

Error AfterFork() {
  return {.kind = Error::Kind::kRefused,
          .reason = "CLIENT_AFTER_FORK",
          .message =
              "this client belongs to the parent process; fork before the first is made, or exec"};
}

Error WouldBlock() {
  return {.kind = Error::Kind::kRefused,
          .reason = "WOULD_BLOCK",
          .message =
              "a blocking call on a thread of the client library; use the asynchronous form, "
              "or set ClientOptions::executor"};
}

Core::Core(std::shared_ptr<Connection> connection, ClientOptions options)
    : connection_(std::move(connection)),
      deliveries_(Deliveries::Start(connection_, Dispatching(options))),
      options_([&] {
        if (options.holder_id.empty()) options.holder_id = DefaultHolderId();
        return std::move(options);
      }()),
      process_(getpid()) {}

Core::~Core() {
  const auto close = [connection = connection_, deliveries = deliveries_] {
    connection->Close();
    deliveries->Close();
  };
  if (forked()) {
    new (std::nothrow) auto(close);  // Nothing of it can be taken down here, so nothing ever is.
  } else if (LibraryThread::IsThis()) {
    connection_->runtime()->RunAt(connection_->runtime()->Now(), close);
  } else {
    close();
  }
}

bool Core::forked() const { return getpid() != process_; }

void Core::Acquire(KeyName name, const AcquireOptions& options, Callback<AcquireAnswer> callback) {
  AcquireCall call{name, options_.holder_id, options};
  connection_->AcquireLock(
      std::move(call), [weak = weak_from_this(), connection = connection_, deliveries = deliveries_,
                        name = std::move(name), options, callback](AcquireReply reply) {
        if (auto* completed = std::get_if<Completed>(&reply)) {
          return callback(std::move(*completed));
        }
        if (auto* contention = std::get_if<Contention>(&reply)) {
          return callback(std::move(*contention));
        }
        if (auto* error = std::get_if<Error>(&reply)) {
          // Closing is why there is no answer, whatever the words are.
          const bool closed = weak.expired() && error->kind == Error::Kind::kUnavailable;
          return callback(closed ? Closed() : std::move(*error));
        }
        auto& grant = std::get<Grant>(reply);
        std::shared_ptr<Core> core = weak.lock();
        if (core == nullptr || options.stop.stop_requested()) {
          GiveBackUnused(*connection, name, grant);
          return callback(core == nullptr ? Closed() : Cancelled());
        }
        // Not kept here: the last owner is to be the caller's thread.
        callback(Lease(std::move(core),
                       HeldLease::Start(connection, deliveries, name, options, std::move(grant))));
      });
}

void Dispatch(const Executor& executor, const std::function<void()>& task) {
  const auto runs = [](const auto& call) {
    try {
      call();
      return true;
    } catch (...) {
      return false;
    }
  };
  // An executor must not throw; where it does, then here.
  if (executor && runs([&] { executor(task); })) return;
  // What a task throws is lost: nobody is left to tell.
  (void)runs(task);
}

}  // namespace latchkey::inline client::internal
