// A provider behind a real gRPC server, whose calls fare as the test says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "tools/payment_demo/provider.h"
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

namespace latchkey::demo {

class TestProvider {
 public:
  // The n-th call about an order meets the n-th fate; calls after the last are answered at once.
  explicit TestProvider(PaymentProvider::Keys keys, const std::vector<Fate>& fates = {})
      : service_(*Ledger::Open(LedgerFile()), keys, [fates](std::string_view, int call) {
          const auto index = static_cast<std::size_t>(call - 1);
          return index < fates.size() ? fates[index] : Fate{};
        }) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
  }

  std::unique_ptr<v1::PaymentProvider::Stub> Connect() const {
    return v1::PaymentProvider::NewStub(
        grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
  }

  // What the books say.
  std::vector<Charge> Charges() const { return *Ledger::Open(LedgerFile())->All(); }

 private:
  std::string LedgerFile() const { return directory_.path() + "/ledger.sqlite"; }

  TemporaryDirectory directory_;
  PaymentProvider service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace latchkey::demo
