#include "tests/storage/step_writer.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <utility>

#include "tests/storage/test_records.h"

namespace latchkey::storage {
namespace {

constexpr std::uint64_t kKeys = 12;
constexpr std::uint64_t kStateEvery = 8;  // steps

// For messages.
std::string Readable(std::string store_key) {
  std::replace(store_key.begin(), store_key.end(), '\0', '/');
  return store_key;
}

std::string RandomPayload(std::mt19937_64& random) {
  std::string payload(random() % 3000, '\0');
  std::generate(payload.begin(), payload.end(), [&] { return static_cast<char>(random()); });
  return payload;
}

Record RandomRecord(std::uint64_t step, std::mt19937_64& random) {
  constexpr State::State kStates[] = {State::HELD, State::IN_DOUBT, State::COMPLETED,
                                      State::COMPLETED, State::ABSENT};
  Record record = MakeRecord(kStates[random() % std::size(kStates)], 1);
  record.set_attempt_number(static_cast<std::uint32_t>(step));
  if (record.has_result()) record.mutable_result()->set_payload(RandomPayload(random));
  return record;
}

}  // namespace

StepWriter::StepWriter(std::uint64_t seed, int id) : seed_(seed), id_(id) {}

std::string StepWriter::Key(std::uint64_t number) const {
  return MakeStoreKey("writer" + std::to_string(id_), std::to_string(100 + number));
}

Step StepWriter::Next() const {
  Step step;
  step.number = steps_ + 1;
  if (id_ == 0 && step.number % kStateEvery == 0) {
    step.saves_state = true;
    step.state.set_retention_clock_nanos(static_cast<std::int64_t>(step.number));
    return step;
  }
  std::seed_seq seeds{seed_, static_cast<std::uint64_t>(id_), step.number};
  std::mt19937_64 random(seeds);
  std::set<std::string> keys;
  while (keys.size() < 1 + step.number % 5) keys.insert(Key(random() % kKeys));
  for (const std::string& key : keys) {
    const auto known = entries_.find(key);
    const Revision expected = known == entries_.end() ? 0 : known->second.revision;
    if (expected != 0 && random() % 4 == 0) {
      step.writes.push_back(Erase(key, expected));
      continue;
    }
    const Record& record = step.records.emplace_back(RandomRecord(step.number, random));
    const bool grant = record.state() == State::HELD;
    step.writes.push_back(grant ? Grant(key, record, expected) : Put(key, record, expected));
  }
  return step;
}

void StepWriter::Apply(const Step& step, const std::vector<WriteResult>& results) {
  steps_ = step.number;
  if (step.saves_state) saved_ = step.state.retention_clock_nanos();
  for (std::size_t i = 0; i < step.writes.size(); ++i) {
    const Write& write = step.writes[i];
    if (write.record == nullptr) {
      entries_.erase(write.store_key);
      continue;
    }
    Entry& entry = entries_[write.store_key];
    entry = {*write.record, results[i].revision};
    if (!write.assign_token) continue;
    entry.record.set_fencing_token(results[i].token);
    highest_token_ = std::max(highest_token_, results[i].token);
  }
}

std::string StepWriter::Difference(const Entries& expected, const Entries& stored) const {
  for (const auto& [key, entry] : stored) {
    if (!expected.contains(key))
      return "there is a record " + Readable(key) + " that should not be";
  }
  for (const auto& [key, entry] : expected) {
    const auto found = stored.find(key);
    if (found == stored.end()) return "record " + Readable(key) + " is missing";
    Record wanted = entry.record;
    if (wanted.fencing_token() == 0) {
      wanted.set_fencing_token(found->second.record.fencing_token());
      if (wanted.fencing_token() <= highest_token_)
        return "record " + Readable(key) + " has an old token";
    }
    if (wanted.SerializeAsString() == found->second.record.SerializeAsString()) continue;
    return "record " + Readable(key) + " is of step " +
           std::to_string(found->second.record.attempt_number()) + ", not of step " +
           std::to_string(wanted.attempt_number());
  }
  return {};
}

std::string StepWriter::Recover(RecordStore& store) {
  StepWriter found(seed_, id_);
  if (std::string wrong = found.Adopt(store, steps_); !wrong.empty()) return wrong;
  const std::string after_these = saved_ != found.saved_
                                      ? "the saved state is of step " + std::to_string(found.saved_)
                                      : Difference(entries_, found.entries_);
  if (!after_these.empty()) {
    // Not what was acknowledged, so it must be that and the step that was under way.
    StepWriter next = *this;
    const Step step = next.Next();
    next.Apply(step, std::vector<WriteResult>(step.writes.size()));
    if (next.saved_ != found.saved_ || !next.Difference(next.entries_, found.entries_).empty()) {
      return "writer " + std::to_string(id_) + " after " + std::to_string(steps_) +
             " acknowledged steps: " + after_these;
    }
    ++steps_;
  }
  entries_ = std::move(found.entries_);
  saved_ = found.saved_;
  highest_token_ = std::max(highest_token_, found.highest_token_);
  return {};
}

std::string StepWriter::Adopt(RecordStore& store, std::uint64_t steps) {
  const auto scanned = store.Scan({.prefix = MakeStoreKey("writer" + std::to_string(id_), "")});
  if (!scanned.ok()) return "cannot be listed: " + scanned.status().ToString();
  for (const Scanned& record : *scanned) {
    if (record.loaded.corrupt) return "record " + Readable(record.store_key) + " is corrupt";
    entries_[record.store_key] = {*record.loaded.record, record.loaded.revision};
    // Only grants have tokens that the store gave.
    if (record.loaded.record->state() != State::HELD) continue;
    highest_token_ = std::max(highest_token_, record.loaded.record->fencing_token());
  }
  const auto state = store.LoadState();
  if (!state.ok()) return "state cannot be loaded: " + state.status().ToString();
  if (id_ == 0) saved_ = state->retention_clock_nanos();
  steps_ = steps;
  return {};
}

std::string StepRunner::Run(StepWriter& writer, std::uint64_t steps,
                            const Acknowledged& acknowledged) {
  for (std::uint64_t i = 0; i < steps; ++i) {
    const Step step = writer.Next();
    const bool failed_before = failed_.load();
    const std::uint64_t answered_before = highest_token_.load();
    absl::StatusOr<std::vector<WriteResult>> results = std::vector<WriteResult>();
    if (step.saves_state) {
      const absl::Status saved = store_.SaveState(step.state);
      if (!saved.ok()) results = saved;
    } else {
      results = store_.Commit(step.writes);
    }
    if (!results.ok()) {
      failed_.store(true);
      return {};
    }
    if (failed_before) return "D4: a step was acknowledged after another had failed";
    for (const WriteResult& result : *results) {
      if (result.token == 0) continue;
      if (result.token <= answered_before) return "L2: a token is not above an answered one";
      std::uint64_t highest = highest_token_.load();
      while (highest < result.token &&
             !highest_token_.compare_exchange_weak(highest, result.token)) {
      }
    }
    writer.Apply(step, *results);
    acknowledged(step, *results);
  }
  return {};
}

}  // namespace latchkey::storage
