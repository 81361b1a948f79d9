// A stand-in for a payment provider, so that the example runs: it deduplicates by idempotency key,
// and can be told to lose an answer. A real one is behind a network and keeps better books.
#pragma once

#include <fstream>
#include <string>
#include <utility>

struct Order {
  std::string id;
  std::string amount;
};

struct ChargeAnswer {
  bool accepted = false;
  bool declined = false;
  std::string id = {};
  std::string code = {};
};

class Provider {
 public:
  // `ledger` has a line for each charge: idempotency key, charge id, amount.
  Provider(std::string ledger, bool lose_answer)
      : ledger_(std::move(ledger)), lose_answer_(lose_answer) {}

  // Neither accepted nor declined: no answer came, so nothing is known.
  ChargeAnswer Charge(const Order& order, const std::string& idempotency_key) const {
    if (order.amount == "0.00") return {.declined = true, .code = "amount_too_small"};
    std::string id = Find(idempotency_key);
    if (id.empty()) {
      id = "ch_" + idempotency_key.substr(0, 8);
      std::ofstream(ledger_, std::ios::app)
          << idempotency_key << ' ' << id << ' ' << order.amount << '\n';
    }
    if (lose_answer_) return {};
    return {.accepted = true, .id = id};
  }

 private:
  std::string Find(const std::string& idempotency_key) const {
    std::ifstream ledger(ledger_);
    std::string key, id, amount;
    while (ledger >> key >> id >> amount) {
      if (key == idempotency_key) return id;
    }
    return "";
  }

  const std::string ledger_;
  const bool lose_answer_;
};
