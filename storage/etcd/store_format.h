// What a deployment keeps in etcd beside its records: its format, the floor of its tokens, and the
// StoreState.
#pragma once

#include "absl/status/statusor.h"
#include "storage/etcd/etcd_client.h"
#include "storage/etcd/key_layout.h"
#include "storage/etcd/record_txn.h"

namespace latchkey::storage {

// Makes format and floor where there is nothing under the prefix, in one step, so that servers
// which start together make the same. The floor. FAILED_PRECONDITION for what Latchkey did not
// write, or a newer one did.
absl::StatusOr<TokenFloor> OpenFormat(EtcdClient& client, const KeyLayout& layout);

// Raises the floor to `to`, if it is not there; what it is then.
absl::StatusOr<TokenFloor> RaiseFloor(EtcdClient& client, const KeyLayout& layout, TokenFloor to);

struct StoredState {
  StoreState state;
  std::int64_t revision = 0;  // 0: none is stored
};
// DATA_LOSS for bytes that are no state.
absl::StatusOr<StoredState> LoadStoredState(EtcdClient& client, const KeyLayout& layout);
// ABORTED if `state` is not the next version of what is stored.
absl::Status SaveStoredState(EtcdClient& client, const KeyLayout& layout, const StoreState& state);

}  // namespace latchkey::storage
