#include "tools/payment_demo/ledger.h"

#include <chrono>
#include <cstdio>
#include <string_view>
#include <utility>

#include <sqlite3.h>

namespace latchkey::demo {
namespace {

// WAL with synchronous=FULL: an INSERT returns after it was synced.
constexpr char kSchema[] = R"(
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS charges (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT    NOT NULL,
    order_id        TEXT    NOT NULL,
    customer        TEXT    NOT NULL,
    amount_minor    INTEGER NOT NULL,
    currency        TEXT    NOT NULL,
    charged_at_ms   INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS charges_by_key ON charges (idempotency_key);
)";
constexpr int kBusyTimeoutMs = 5'000;

absl::Status ErrorOf(sqlite3* database, std::string_view doing) {
  return absl::InternalError("ledger: " + std::string(doing) + ": " + sqlite3_errmsg(database));
}

std::string Reference(std::int64_t id) {
  char reference[32];
  std::snprintf(reference, sizeof(reference), "pay_%06lld", static_cast<long long>(id));
  return reference;
}

// A prepared statement. A failed Prepare or Bind shows in the next Step.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void Bind(int place, const std::string& text) {
    sqlite3_bind_text(statement_, place, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
  }
  void Bind(int place, std::int64_t number) { sqlite3_bind_int64(statement_, place, number); }

  // True with a row, false at the end.
  absl::StatusOr<bool> Step() {
    switch (sqlite3_step(statement_)) {
      case SQLITE_ROW:
        return true;
      case SQLITE_DONE:
        return false;
      default:
        return ErrorOf(database_, "cannot run a statement");
    }
  }

  std::int64_t Number(int column) { return sqlite3_column_int64(statement_, column); }
  std::string Text(int column) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text ? std::string(text, sqlite3_column_bytes(statement_, column)) : std::string();
  }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

#define CHARGE_COLUMNS \
  "id, idempotency_key, order_id, customer, amount_minor, currency, charged_at_ms"

absl::StatusOr<std::vector<Charge>> Collect(Statement& statement) {
  std::vector<Charge> charges;
  for (;;) {
    const auto row = statement.Step();
    if (!row.ok()) return row.status();
    if (!*row) return charges;
    charges.push_back({.reference = Reference(statement.Number(0)),
                       .idempotency_key = statement.Text(1),
                       .order_id = statement.Text(2),
                       .customer = statement.Text(3),
                       .amount_minor = statement.Number(4),
                       .currency = statement.Text(5),
                       .charged_at_ms = statement.Number(6)});
  }
}

}  // namespace

void Ledger::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

absl::StatusOr<Ledger> Ledger::Open(const std::string& path) {
  sqlite3* opened = nullptr;
  const int error = sqlite3_open(path.c_str(), &opened);
  Database database(opened);
  if (error != SQLITE_OK) return ErrorOf(opened, "cannot open " + path);
  sqlite3_busy_timeout(opened, kBusyTimeoutMs);
  if (sqlite3_exec(opened, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return ErrorOf(opened, "cannot set up " + path);
  }
  return Ledger(std::move(database));
}

absl::StatusOr<Charge> Ledger::Append(Charge charge) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  charge.charged_at_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  Statement insert(
      database_.get(),
      "INSERT INTO charges (idempotency_key, order_id, customer, amount_minor, currency, "
      "charged_at_ms) VALUES (?, ?, ?, ?, ?, ?)");
  insert.Bind(1, charge.idempotency_key);
  insert.Bind(2, charge.order_id);
  insert.Bind(3, charge.customer);
  insert.Bind(4, charge.amount_minor);
  insert.Bind(5, charge.currency);
  insert.Bind(6, charge.charged_at_ms);
  if (const auto done = insert.Step(); !done.ok()) return done.status();
  charge.reference = Reference(sqlite3_last_insert_rowid(database_.get()));
  return charge;
}

absl::StatusOr<std::vector<Charge>> Ledger::Find(const std::string& idempotency_key) {
  Statement select(database_.get(),
                   "SELECT " CHARGE_COLUMNS " FROM charges WHERE idempotency_key = ? ORDER BY id");
  select.Bind(1, idempotency_key);
  return Collect(select);
}

absl::StatusOr<std::vector<Charge>> Ledger::All() {
  Statement select(database_.get(), "SELECT " CHARGE_COLUMNS " FROM charges ORDER BY id");
  return Collect(select);
}

}  // namespace latchkey::demo
