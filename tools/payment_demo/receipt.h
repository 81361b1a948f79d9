// What the demo stores in Latchkey about an order: under which key, guarded by what, with which
// body.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/payment_demo/order.h"
#include "tools/payment_demo/provider.pb.h"

namespace latchkey::demo {

// Where the demo's keys live.
inline constexpr char kNamespace[] = "demo/payments";
inline constexpr char kReceiptType[] = "application/json";

// "order:10231". One key for all rows of an order: they are one payment, whatever they say.
std::string KeyOf(const Order& order);

// Names the payment that a row asks for: a keyed digest (HMAC-SHA-256) of customer, amount and
// currency. A row that changes the amount of an order has another one, and is refused.
std::string FingerprintOf(const Order& order);

// The body of a recorded success: the provider's payment as JSON, and back. Empty for any other
// text.
std::string ReceiptOf(const v1::Payment& payment);
std::optional<v1::Payment> ParseReceipt(std::string_view receipt);

}  // namespace latchkey::demo
