// The orders that the demo pays, as a shop's export has them.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace latchkey::demo {

// One row: "this order of this customer is to be paid". An order comes up in several rows where
// somebody clicked twice, a job was retried, or the amount was changed.
struct Order {
  std::string id = {};  // printable ASCII without spaces, up to 64 bytes
  std::string customer = {};
  std::int64_t amount_minor = 0;  // in the currency's smallest unit; above 0
  std::string currency = {};      // ISO 4217

  bool operator==(const Order&) const = default;
};

// Reads a CSV file (RFC 4180, one line a row) with the columns order_id, customer, amount,
// currency. A row that is wrong is an INVALID_ARGUMENT error that names `file`, the line and what
// is the matter with it.
absl::StatusOr<std::vector<Order>> ReadOrders(std::istream& csv, std::string_view file);

// For people: "1299.90 EUR", "12900 JPY".
std::string FormatAmount(std::int64_t amount_minor, std::string_view currency);

}  // namespace latchkey::demo
