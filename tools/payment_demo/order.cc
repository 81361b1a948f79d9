#include "tools/payment_demo/order.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace latchkey::demo {
namespace {

constexpr std::string_view kHeader = "order_id,customer,amount,currency";
constexpr std::size_t kOrderIdBytes = 64;

struct Currency {
  std::string_view code;
  std::size_t decimals;
};
constexpr std::array kCurrencies = {Currency{"CHF", 2}, Currency{"DKK", 2}, Currency{"EUR", 2},
                                    Currency{"GBP", 2}, Currency{"JPY", 0}, Currency{"NOK", 2},
                                    Currency{"PLN", 2}, Currency{"SEK", 2}, Currency{"USD", 2}};

// The number of decimals that amounts of a currency have; empty for an unknown currency.
std::optional<std::size_t> Decimals(std::string_view currency) {
  const auto* found = std::ranges::find(kCurrencies, currency, &Currency::code);
  if (found == kCurrencies.end()) return std::nullopt;
  return found->decimals;
}

// The fields of a line; empty when a quote is not closed or stands where none may be.
std::optional<std::vector<std::string>> SplitCsv(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      const bool escaped = c == '"' && i + 1 < line.size() && line[i + 1] == '"';
      if (escaped) ++i;
      if (c != '"' || escaped) {
        fields.back().push_back(c);
        continue;
      }
      quoted = false;
      if (i + 1 < line.size() && line[i + 1] != ',') return std::nullopt;
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c == '"') {
      if (!fields.back().empty()) return std::nullopt;
      quoted = true;
    } else {
      fields.back().push_back(c);
    }
  }
  if (quoted) return std::nullopt;
  return fields;
}

// "129.90" with two decimals is 12990. Empty when the text is anything but digits and the point in
// its place.
std::optional<std::int64_t> ParseAmount(std::string_view text, std::size_t decimals) {
  std::string digits(text);
  if (decimals > 0) {
    if (text.size() < decimals + 2 || text[text.size() - decimals - 1] != '.') return std::nullopt;
    digits.erase(text.size() - decimals - 1, 1);
  }
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  std::int64_t amount = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), amount);
  if (error != std::errc() || end != digits.data() + digits.size() || amount == 0) {
    return std::nullopt;
  }
  return amount;
}

bool ValidOrderId(std::string_view id) {
  return !id.empty() && id.size() <= kOrderIdBytes &&
         std::ranges::all_of(id, [](char c) { return c > ' ' && c <= '~'; });
}

bool ValidCustomer(std::string_view customer) {
  return !customer.empty() &&
         std::ranges::none_of(customer, [](char c) { return c >= 0 && c < ' '; });
}

// One line; the error says what is the matter, without saying where.
absl::StatusOr<Order> ParseRow(std::string_view line) {
  const auto fields = SplitCsv(line);
  if (!fields) return absl::InvalidArgumentError("a quote is out of place");
  if (fields->size() != 4) {
    return absl::InvalidArgumentError("has " + std::to_string(fields->size()) +
                                      " fields; it takes 4: " + std::string(kHeader));
  }
  const std::string& id = (*fields)[0];
  const std::string& customer = (*fields)[1];
  const std::string& amount = (*fields)[2];
  const std::string& currency = (*fields)[3];
  if (!ValidOrderId(id)) {
    return absl::InvalidArgumentError("order_id \"" + id + "\" must be 1 to " +
                                      std::to_string(kOrderIdBytes) +
                                      " printable characters without spaces");
  }
  if (!ValidCustomer(customer)) {
    return absl::InvalidArgumentError("customer is empty or has control characters");
  }
  const auto decimals = Decimals(currency);
  if (!decimals) {
    return absl::InvalidArgumentError("currency \"" + currency + "\" is not known here");
  }
  const auto amount_minor = ParseAmount(amount, *decimals);
  if (!amount_minor) {
    return absl::InvalidArgumentError("amount \"" + amount + "\" must be above 0 and have " +
                                      std::to_string(*decimals) + " decimals in " + currency);
  }
  return Order{id, customer, *amount_minor, currency};
}

}  // namespace

absl::StatusOr<std::vector<Order>> ReadOrders(std::istream& csv, std::string_view file) {
  std::vector<Order> orders;
  int line_number = 0;
  for (std::string line; std::getline(csv, line);) {
    ++line_number;
    if (line.ends_with('\r')) line.pop_back();
    const std::string where = std::string(file) + ":" + std::to_string(line_number) + ": ";
    if (line_number == 1) {
      if (line == kHeader) continue;
      return absl::InvalidArgumentError(where + "the first line must be \"" + std::string(kHeader) +
                                        "\"");
    }
    auto order = ParseRow(line);
    if (!order.ok()) {
      return absl::InvalidArgumentError(where + std::string(order.status().message()));
    }
    orders.push_back(*std::move(order));
  }
  if (orders.empty()) return absl::InvalidArgumentError(std::string(file) + ": no orders");
  return orders;
}

std::string FormatAmount(std::int64_t amount_minor, std::string_view currency) {
  const std::size_t decimals = Decimals(currency).value_or(0);
  std::string digits = std::to_string(amount_minor);
  if (decimals > 0) {
    if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
    digits.insert(digits.size() - decimals, 1, '.');
  }
  return digits + " " + std::string(currency);
}

}  // namespace latchkey::demo
