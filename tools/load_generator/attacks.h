// Callers that do what no good caller does, all at once and as much of it as they can.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_generator/benches.h"
#include "tools/process/server_process.h"

namespace latchkey::bench {

// One that is under way; it ends with the object.
class Attack {
 public:
  virtual ~Attack() = default;
  // How many have come so far of what it consists of.
  virtual std::uint64_t count() const = 0;
};

struct AttackKind {
  const char* name;
  // What `count` counts.
  const char* unit;
  // Answers when it is at its full strength.
  absl::StatusOr<std::unique_ptr<Attack>> (*begin)(const BenchOptions&, ServerProcess&);
};

const std::vector<AttackKind>& Attacks();

}  // namespace latchkey::bench
