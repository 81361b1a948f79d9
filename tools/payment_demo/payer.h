// How a worker pays one order: through Latchkey, or, as the control, without it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "latchkey/client.h"
#include "tools/payment_demo/cashier.h"
#include "tools/payment_demo/ending.h"
#include "tools/payment_demo/order.h"

namespace latchkey::demo {

// Pays the rows of an orders file.
class Payer {
 public:
  virtual ~Payer() = default;
  // Pays one row. Blocks until it is known what came of it, or that nobody knows.
  virtual Ending Pay(const Order& order) = 0;
};

// The flow that the demo is about: RunOnce around a provider call.
class LatchkeyPayer final : public Payer {
 public:
  // `downstream_key_ttl`: for how long the provider deduplicates; 0 where it does not. `charged`:
  // called when the provider says that it has charged and Latchkey does not know yet, which is the
  // worst moment to die.
  LatchkeyPayer(Client client, Cashier* cashier, std::chrono::seconds downstream_key_ttl,
                std::function<void()> charged)
      : client_(std::move(client)),
        cashier_(cashier),
        downstream_key_ttl_(downstream_key_ttl),
        charged_(std::move(charged)) {}

  Ending Pay(const Order& order) override;

 private:
  Client client_;
  Cashier* const cashier_;
  const std::chrono::seconds downstream_key_ttl_;
  const std::function<void()> charged_;
};

// What is often written instead: every row is a payment, every try has a new key, and a call that
// failed is repeated.
class UnsafePayer final : public Payer {
 public:
  explicit UnsafePayer(Cashier* cashier) : cashier_(cashier) {}

  Ending Pay(const Order& order) override;

 private:
  Cashier* const cashier_;
};

}  // namespace latchkey::demo
