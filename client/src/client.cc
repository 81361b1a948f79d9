#include "latchkey/client.h"

#include <unistd.h>

#include <array>
#include <cctype>
#include <utility>

#include "connection.h"
#include "grpc_transport.h"
#include "held_lease.h"
#include "rpc_connection.h"
#include "run_once.h"
#include "system_runtime.h"

namespace latchkey::inline client {
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

// A handle whose last copy closes the connection. What is under way holds the connection itself, so
// that it can never be the one that closes it and waits for itself.
std::shared_ptr<internal::Connection> Handle(std::shared_ptr<internal::Connection> connection) {
  internal::Connection* const bare = connection.get();
  return {bare,
          [connection = std::move(connection)](internal::Connection*) { connection->Close(); }};
}

}  // namespace

Client Client::Connect(const std::string& target, ClientOptions options) {
  internal::Link link{.runtime = std::make_shared<internal::SystemRuntime>(),
                      .transport = internal::MakeGrpcTransport(target),
                      .rpc_timeout = options.rpc_timeout,
                      .backoff = internal::Backoff(options.backoff_min, options.backoff_max)};
  return Client(std::make_shared<internal::RpcConnection>(std::move(link)), std::move(options));
}

Client::Client(std::shared_ptr<internal::Connection> connection, ClientOptions options)
    : connection_(Handle(std::move(connection))), options_(std::move(options)) {
  if (options_.holder_id.empty()) options_.holder_id = DefaultHolderId();
}

Client Client::InNamespace(std::string key_namespace) const {
  Client other = *this;
  other.options_.key_namespace = std::move(key_namespace);
  return other;
}

RunResult Client::RunOnce(std::string_view key, const AcquireOptions& options, const Work& create,
                          const Work& recover) {
  if (!create) {
    return {.status = RunResult::Status::kRefused,
            .error = Error{.kind = Error::Kind::kRefused,
                           .reason = "CREATE_REQUIRED",
                           .message = "RunOnce needs a function that does the work"}};
  }
  AcquireAnswer acquired = AcquireLock(key, options);
  if (Lease* lease = std::get_if<Lease>(&acquired)) {
    return internal::RunHeld(*lease, create, recover);
  }
  return internal::RunNothing(std::move(acquired));
}

AcquireAnswer Client::AcquireLock(std::string_view key, const AcquireOptions& options) {
  using internal::AcquireReply;
  const internal::KeyName name{options_.key_namespace, std::string(key)};
  auto reply = internal::Await<AcquireReply>(*connection_->runtime(), [&](auto callback) {
    connection_->AcquireLock({name, options_.holder_id, options}, std::move(callback));
  });
  if (auto* grant = std::get_if<internal::Grant>(&reply)) {
    return Lease(connection_, internal::HeldLease::Start(connection_->shared_from_this(), name,
                                                         options, std::move(*grant)));
  }
  if (auto* completed = std::get_if<Completed>(&reply)) return std::move(*completed);
  if (auto* contention = std::get_if<Contention>(&reply)) return std::move(*contention);
  return std::get<Error>(std::move(reply));
}

Answer<KeyStatus> Client::CheckResult(std::string_view key, const CheckOptions& options) {
  return internal::Await<Answer<KeyStatus>>(*connection_->runtime(), [&](auto callback) {
    connection_->CheckResult({{options_.key_namespace, std::string(key)}, options},
                             std::move(callback));
  });
}

Answer<std::string> Client::IssueKey() {
  return internal::Await<Answer<std::string>>(*connection_->runtime(), [&](auto callback) {
    connection_->IssueKey(options_.key_namespace, std::move(callback));
  });
}

}  // namespace latchkey::inline client
