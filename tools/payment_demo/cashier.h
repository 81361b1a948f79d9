// How a worker talks to the payment provider, and what it makes of the answers.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "latchkey/outcome.h"
#include "tools/payment_demo/order.h"
#include "tools/payment_demo/provider.grpc.pb.h"

namespace latchkey::demo {

// How long a worker waits for a charge. Shorter than the provider's longest call, as in real life.
inline constexpr std::chrono::milliseconds kPatience{400};

// Thread-safe.
class Cashier {
 public:
  // `patience` is for one charge.
  explicit Cashier(std::unique_ptr<v1::PaymentProvider::StubInterface> provider,
                   std::chrono::milliseconds patience = kPatience)
      : provider_(std::move(provider)), patience_(patience) {}

  // Sends the charge once. Succeeded or Rejected when the provider says so; whatever else comes
  // back, also nothing, is Unknown: the card may have been charged.
  Outcome Charge(const Order& order, const std::string& idempotency_key);

  // Asks what was charged under a key. Succeeded when it was; otherwise Unknown, because a charge
  // that is not there yet may still be on its way.
  Outcome Ask(const std::string& idempotency_key);

 private:
  const std::unique_ptr<v1::PaymentProvider::StubInterface> provider_;
  const std::chrono::milliseconds patience_;
};

}  // namespace latchkey::demo
