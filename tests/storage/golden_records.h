// What is in the golden stores under tests/storage/golden.
#pragma once

#include <map>
#include <string>

#include "tests/storage/test_records.h"

namespace latchkey::storage {

// Every state, every field, binary bytes, an empty and a large payload.
inline std::map<std::string, Record> GoldenRecords() {
  std::map<std::string, Record> records;
  Record held;
  held.set_state(State::HELD);
  held.set_fencing_token(7);
  held.set_holder_id("worker-1");
  held.set_attempt_id("attempt-1");
  held.set_mode(latchkey::v1::Grant::RECOVER);
  held.set_attempt_number(3);
  held.set_on_lapse(latchkey::v1::AcquireLockRequest::FORGET_UNLESS_STARTED);
  held.set_granted_lease_nanos(30'000'000'000);
  held.set_promised_lease_nanos(60'000'000'000);
  held.set_token_seen(true);
  held.set_effect_started(true);
  held.set_doubted(true);
  held.set_fingerprint(std::string("\x00\xff\x10", 3));
  held.set_checkpoint("half way");
  held.set_previous_holder_id("worker-0");
  held.set_downstream_key_ttl_nanos(86'400'000'000'000);
  held.set_created_at_nanos(1'700'000'000'000'000'000);
  held.set_state_since_nanos(1'700'000'001'000'000'000);
  held.set_doubt_since_nanos(1'700'000'000'500'000'000);
  records[MakeStoreKey("default", "held")] = held;

  Record doubt = held;
  doubt.set_state(State::IN_DOUBT);
  doubt.set_fencing_token(6);
  auto& late = *doubt.add_late_outcomes();
  late.set_fencing_token(5);
  late.set_outcome(latchkey::v1::Result::SUCCEEDED);
  late.set_provider_reference("pay_5");
  doubt.set_late_outcome_count(2);
  doubt.set_duplicate_effect_suspected(true);
  records[MakeStoreKey("payments", "in-doubt")] = doubt;

  Record completed;
  completed.set_state(State::COMPLETED);
  completed.set_fencing_token(4);
  completed.set_fingerprint("fingerprint");
  auto& result = *completed.mutable_result();
  result.set_outcome(latchkey::v1::Result::REJECTED);
  result.set_code("card_declined");
  result.set_provider_reference("pay_4");
  result.set_content_type("application/json");
  result.set_payload(std::string(10'000, '\x7f'));
  result.set_payload_digest(std::string(32, '\xd1'));
  result.set_recorded_at_nanos(1'700'000'002'000'000'000);
  result.set_payload_retention_nanos(259'200'000'000'000);
  result.set_late(true);
  result.set_truncated(true);
  records[MakeStoreKey("payments", "completed")] = completed;
  completed.set_fencing_token(3);
  completed.mutable_result()->clear_payload();
  completed.mutable_result()->set_body_omitted(true);
  records[MakeStoreKey("payments", "completed-without-payload")] = completed;

  Record absent;
  absent.set_state(State::ABSENT);
  auto& audit = *absent.add_audit();
  audit.set_actor("ops");
  audit.set_reason("the provider confirms that nothing was charged");
  records[MakeStoreKey("payments", "deleted")] = absent;
  return records;
}

inline StoreState GoldenState() {
  StoreState state;
  state.set_retention_clock_nanos(1'700'000'003'000'000'000);
  (*state.mutable_horizon_nanos())["payments"] = 1'699'000'000'000'000'000;
  state.set_restored_at_nanos(1'698'000'000'000'000'000);
  return state;
}

// No token above this one was ever reserved in a golden store.
inline constexpr std::uint64_t kGoldenTokenLimit = 1000;

}  // namespace latchkey::storage
