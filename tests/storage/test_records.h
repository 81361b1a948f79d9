// Records and writes for the storage tests.
#pragma once

#include <string>
#include <string_view>

#include "storage/record_store.h"
#include "storage/store_key.h"

namespace latchkey::storage {

using State = latchkey::v1::CheckResultResponse;

// A record in `state` with everything that such a record has at least.
inline Record MakeRecord(State::State state, std::uint64_t token = 0,
                         std::string_view holder = "") {
  Record record;
  record.set_state(state);
  record.set_fencing_token(token);
  record.set_holder_id(std::string(holder));
  if (state == State::COMPLETED) record.mutable_result()->set_code("ok");
  return record;
}

inline Write Put(std::string store_key, const Record& record, Revision expected = 0) {
  return {.store_key = std::move(store_key),
          .expected = expected,
          .record = &record,
          .assign_token = false};
}

// Puts a record that gets its token from the store.
inline Write Grant(std::string store_key, const Record& record, Revision expected = 0) {
  return {.store_key = std::move(store_key),
          .expected = expected,
          .record = &record,
          .assign_token = true};
}

inline Write Erase(std::string store_key, Revision expected) {
  return {.store_key = std::move(store_key),
          .expected = expected,
          .record = nullptr,
          .assign_token = false};
}

}  // namespace latchkey::storage
