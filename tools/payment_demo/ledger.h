// The payment provider's own books: one SQLite table with a row for every charge. It is what the
// demo is judged by in the end, so nothing of Latchkey is in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

struct sqlite3;

namespace latchkey::demo {

// What the provider knows of a charge.
struct Charge {
  std::string reference = {};  // the provider's name for it, given by the ledger: "pay_000042"
  std::string idempotency_key = {};  // as the caller sent it
  std::string order_id = {};
  std::string customer = {};
  std::int64_t amount_minor = 0;  // in the currency's smallest unit
  std::string currency = {};
  std::int64_t charged_at_ms = 0;  // milliseconds since 1970, given by the ledger

  bool operator==(const Charge&) const = default;
};

// Not thread-safe. Several processes may have the same ledger open.
class Ledger {
 public:
  // Opens the file, and creates it where it is missing.
  static absl::StatusOr<Ledger> Open(const std::string& path);

  // Writes a charge and answers it with its reference and time. Durable on return.
  absl::StatusOr<Charge> Append(Charge charge);
  // The charges made under a key, oldest first.
  absl::StatusOr<std::vector<Charge>> Find(const std::string& idempotency_key);
  // All charges, oldest first.
  absl::StatusOr<std::vector<Charge>> All();

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  using Database = std::unique_ptr<sqlite3, Close>;

  explicit Ledger(Database database) : database_(std::move(database)) {}

  Database database_;
};

}  // namespace latchkey::demo
