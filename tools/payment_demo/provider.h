// The payment provider as a gRPC service over its ledger.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/mutex.h"
#include "tools/payment_demo/fate.h"
#include "tools/payment_demo/ledger.h"
#include "tools/payment_demo/provider.grpc.pb.h"

namespace latchkey::demo {

// Implements provider.proto. Thread-safe.
//
// Like the sandboxes of real providers it declines by amount, so that a test knows what it will
// get: one that ends in 13 (as 40.13 EUR does) with "insufficient_funds", one above 250,000 units
// with "limit_exceeded".
class PaymentProvider final : public v1::PaymentProvider::Service {
 public:
  // What the provider does with idempotency keys.
  enum class Keys { kHonoured, kIgnored };

  PaymentProvider(Ledger ledger, Keys keys, FateOf fate_of);

  grpc::Status CreatePayment(grpc::ServerContext* context, const v1::CreatePaymentRequest* request,
                             v1::CreatePaymentResponse* response) override;
  grpc::Status FindPayments(grpc::ServerContext* context, const v1::FindPaymentsRequest* request,
                            v1::FindPaymentsResponse* response) override;

 private:
  Fate NextFate(const std::string& order_id);
  // Charges or declines, once and for all.
  grpc::Status Settle(const v1::CreatePaymentRequest& request, v1::CreatePaymentResponse* response);

  const Keys keys_;
  const FateOf fate_of_;
  Mutex mutex_;
  Ledger ledger_ GUARDED_BY(mutex_);
  std::map<std::string, int> calls_by_order_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::demo
