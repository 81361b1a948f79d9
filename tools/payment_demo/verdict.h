// Judges a run of the demo by what it left behind: the provider's ledger and Latchkey's records. No
// counter of the workers goes into it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "latchkey/v1/admin.pb.h"
#include "tools/payment_demo/havoc.h"
#include "tools/payment_demo/ledger.h"
#include "tools/payment_demo/order.h"

namespace latchkey::demo {

// What a run leaves behind, and what was asked for.
struct Evidence {
  std::vector<Order> rows = {};                    // of the CSV file
  std::vector<Charge> ledger = {};                 // every charge the provider made
  std::vector<latchkey::v1::Record> records = {};  // every record of the demo's namespace
  bool keys_honoured = true;                       // by the provider
  std::optional<Havoc> havoc = {};                 // what was done to it, if it was a chaotic run
  // What starts latchkeyd again on the store that was kept; empty where it was not.
  std::string server = {};
};

// Something that must be so, and where it is not.
struct Check {
  std::string what;
  std::vector<std::string> violations;
};

// The judgement.
struct Verdict {
  std::size_t orders = 0;             // distinct order ids
  std::size_t charges = 0;            // ledger rows
  std::size_t duplicate_charges = 0;  // ledger rows beyond the first of each order
  std::size_t rejected = 0;           // orders whose recorded outcome is REJECTED
  std::size_t recovered = 0;          // orders whose outcome was recorded in mode RECOVER
  std::size_t in_doubt = 0;           // orders whose record is IN_DOUBT
  std::vector<Check> checks;

  bool Passed() const;
};

// Pure.
Verdict Judge(const Evidence& evidence);

}  // namespace latchkey::demo
