// The service as the subcommands see it: one call at a time, tried again while it does not answer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "client/src/security.h"
#include "latchkey/answer.h"
#include "latchkey/v1/admin.grpc.pb.h"
#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/latchkey/connection.h"
#include <grpcpp/client_context.h>

namespace latchkey::cli {

// Whether a call may be sent again when its answer is lost.
enum class Repeat { kYes, kNo };

class Service {
 public:
  explicit Service(const ConnectionOptions& options);

  v1::CoordinationService::Stub& coordination() { return *coordination_; }
  v1::AdminService::Stub& admin() { return *admin_; }

  // Calls `method` of `stub` until there is an answer, or ConnectionOptions::timeout is over. A
  // call that waits in the service for `wait` gets that on top.
  template <class Stub, class Request, class Response>
  Answer<Response> Call(
      Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
      const Request& request, std::chrono::nanoseconds wait = {}, Repeat repeat = Repeat::kYes) {
    Response response;
    const auto error = Try(
        [&](grpc::ClientContext& context) { return (stub.*method)(&context, request, &response); },
        wait, repeat);
    if (error) return *error;
    return response;
  }

  // Makes one call with the credentials that there are. Its status says what is wrong with them,
  // too.
  grpc::Status Protected(grpc::ClientContext& context,
                         const std::function<grpc::Status(grpc::ClientContext&)>& call);

  // What a status that is not OK says. `broken`: the same call may well succeed.
  Error Explain(const grpc::Status& status, bool* broken = nullptr) const;

 private:
  std::optional<Error> Try(const std::function<grpc::Status(grpc::ClientContext&)>& call,
                           std::chrono::nanoseconds wait, Repeat repeat);

  std::string address_;
  std::chrono::nanoseconds timeout_;
  internal::Security security_;
  std::unique_ptr<v1::CoordinationService::Stub> coordination_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

}  // namespace latchkey::cli
