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
  ClientTest() { Instruct(*transport_); }

  // A service that grants, renews, records and releases whatever it is asked to.
  static void Instruct(FakeTransport& transport) {
    transport.acquire.Always(Granted());
    transport.renew.Always(Renewed());
    transport.record.Always(Recorded);
    transport.release.Always(Released(v1::CheckResultResponse::ABSENT));
  }
  // A client with these options, and a time and a network of its own.
  Client MakeOther(ClientOptions options) {
    runtime_ = std::make_shared<FakeRuntime>();
    transport_ = std::make_shared<FakeTransport>(runtime_);
    Instruct(*transport_);
    return MakeClient(runtime_, transport_, std::move(options));
  }

  static Client MakeClient(std::shared_ptr<Runtime> runtime, std::shared_ptr<Transport> transport,
                           ClientOptions options = {}) {
    options.key_namespace = "shop/charge";
    options.holder_id = "worker-1";
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
    return [this, outcome = std::move(outcome)](Attempt&) {
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
