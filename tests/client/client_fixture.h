// A client in virtual time over a fake network.
#pragma once

#include <memory>
#include <utility>

#include "answers.h"
#include "client/src/rpc_connection.h"
#include "fake_runtime.h"
#include "fake_transport.h"
#include "latchkey/client.h"
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {

class ClientTest : public ::testing::Test {
 protected:
  // A service that grants, renews, records and releases whatever it is asked to.
  ClientTest() {
    transport_->acquire.Always(Granted());
    transport_->renew.Always(Renewed());
    transport_->record.Always(Recorded);
    transport_->release.Always(Released(v1::CheckResultResponse::ABSENT));
  }

  static Client MakeClient(std::shared_ptr<Runtime> runtime, std::shared_ptr<Transport> transport) {
    const ClientOptions options{.key_namespace = "shop/charge", .holder_id = "worker-1"};
    return Client(std::make_shared<RpcConnection>(
                      Link{.runtime = std::move(runtime),
                           .transport = std::move(transport),
                           .rpc_timeout = options.rpc_timeout,
                           .backoff = Backoff(options.backoff_min, options.backoff_max)}),
                  options);
  }

  Lease AcquireLease(const AcquireOptions& options = {}) {
    return std::get<Lease>(client_.AcquireLock("order:1", options));
  }

  // A `create` that counts its calls.
  Work Doing(Outcome outcome) {
    return [this, outcome](Attempt&) {
      ++runs_;
      return outcome;
    };
  }
  RunResult Run(const Work& create, const Work& recover = nullptr,
                const AcquireOptions& options = {}) {
    return client_.RunOnce("order:1", options, create, recover);
  }

  std::shared_ptr<FakeRuntime> runtime_ = std::make_shared<FakeRuntime>();
  std::shared_ptr<FakeTransport> transport_ = std::make_shared<FakeTransport>(runtime_);
  Client client_ = MakeClient(runtime_, transport_);
  int runs_ = 0;
};

}  // namespace latchkey::inline client::internal
