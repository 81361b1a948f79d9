// How a connection is protected, and what its calls show.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "latchkey/options.h"
#include "token_source.h"
#include "transport.h"

namespace grpc {
class ChannelArguments;
class ChannelCredentials;
class ClientContext;
}  // namespace grpc

namespace latchkey::inline client::internal {

// Thread-safe.
class Security {
 public:
  Security(const std::string& target, const ClientOptions& options);

  std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials() const;
  void SetArguments(grpc::ChannelArguments& arguments) const;

  // What one call shows.
  struct Shown {
    std::shared_ptr<const std::string> token;
    // The call must not be sent; this is how it ended.
    std::optional<CallStatus> failure = {};
  };
  // Before the call begins. A call that must not be sent is cancelled, and then ends as any other.
  Shown Show(grpc::ClientContext& context);
  // What the end of such a call means: a token that was refused, and has been replaced since, is as
  // a connection that broke.
  CallStatus Judge(const Shown& shown, CallStatus status);

 private:
  std::optional<CallStatus> Obstacle();

  const std::optional<TlsOptions> tls_;
  const bool token_may_travel_;
  TokenSource tokens_;
};

}  // namespace latchkey::inline client::internal
