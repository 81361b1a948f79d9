// A writer whose every step follows from a seed and from what it has stored, so that a checker that
// only knows how many steps were acknowledged knows what must be in the store.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "storage/record_store.h"

namespace latchkey::storage {

// One commit, or one change of the store's state.
struct Step {
  std::uint64_t number = 0;  // of this writer, from 1
  bool saves_state = false;
  StoreState state;
  std::deque<Record> records;  // what the writes point to
  std::vector<Write> writes;
};

// Not thread-safe. A writer has a few keys of its own; its steps put, grant, move and delete
// several at once, so that both column families are touched. The first writer also saves the
// store's state.
class StepWriter {
 public:
  StepWriter(std::uint64_t seed, int id);

  std::uint64_t steps() const { return steps_; }
  std::uint64_t highest_token() const { return highest_token_; }

  // The step that comes after those that were applied.
  Step Next() const;
  // The step was acknowledged with these results (none when it saved the state).
  void Apply(const Step& step, const std::vector<WriteResult>& results);

  // Compares what is in the store with what must be: every step that was applied and at most the
  // next one, as a whole. Takes over what is there. The answer is empty or says what is wrong.
  std::string Recover(RecordStore& store);
  // Takes over what is there as the outcome of `steps` steps.
  std::string Adopt(RecordStore& store, std::uint64_t steps);

 private:
  struct Entry {
    Record record;
    Revision revision = 0;
  };
  using Entries = std::map<std::string, Entry>;

  std::string Key(std::uint64_t number) const;
  // Empty, or the first difference. Tokens that are 0 in `expected` may be any above
  // highest_token_.
  std::string Difference(const Entries& expected, const Entries& stored) const;

  const std::uint64_t seed_;
  const int id_;
  std::uint64_t steps_ = 0;
  std::uint64_t highest_token_ = 0;
  std::int64_t saved_ = 0;
  Entries entries_;
};

// Runs steps until the store fails or `steps` were acknowledged, and tells `acknowledged` of each.
// Violations are returned. Several may run on one store at a time.
class StepRunner {
 public:
  using Acknowledged = std::function<void(const Step&, const std::vector<WriteResult>&)>;

  explicit StepRunner(RecordStore& store) : store_(store) {}

  std::string Run(StepWriter& writer, std::uint64_t steps, const Acknowledged& acknowledged);

  // Whether a call failed.
  bool failed() const { return failed_.load(); }

 private:
  RecordStore& store_;
  std::atomic<bool> failed_ = false;
  std::atomic<std::uint64_t> highest_token_ = 0;  // of those that were answered
};

}  // namespace latchkey::storage
