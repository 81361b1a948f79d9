// What a chaotic run is to kill, and what it killed.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace latchkey::demo {

// How often what is to be killed, at least.
struct Kills {
  // Workers, after the provider has charged and before that is recorded.
  std::size_t worst_moments = 20;
  // Workers, at any moment.
  std::size_t any_moments = 20;
  // latchkeyd.
  std::size_t servers = 10;
};

// A worker that was killed between charge and record.
struct WorstMoment {
  std::string order_id;
  // Of the charge that was in the provider's ledger when the worker was killed; empty if none was.
  std::string reference;
};

// What was done to a run.
struct Havoc {
  Kills wanted = {};
  std::vector<WorstMoment> worst_moments = {};
  std::size_t any_moments = 0;
  std::size_t servers = 0;
  // They are members of etcd, too.
  bool cluster = false;
  // Answers that the provider lost after it had charged or declined.
  std::size_t lost_replies = 0;
};

}  // namespace latchkey::demo
