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
// write, a newer one did, or was not filled to its end, and in another etcd cluster than it was
// made in.
absl::StatusOr<TokenFloor> OpenFormat(EtcdClient& client, const KeyLayout& layout);

// The same, but makes nothing: FAILED_PRECONDITION where there is nothing.
absl::StatusOr<TokenFloor> ReadFormat(EtcdClient& client, const KeyLayout& layout);

// A deployment that OpenFormat refuses until it is filled. FAILED_PRECONDITION if there is anything
// under the prefix.
absl::Status BeginFilling(EtcdClient& client, const KeyLayout& layout);
absl::Status FinishFilling(EtcdClient& client, const KeyLayout& layout);

// What MarkAsRestored did to the tokens.
struct RestoredSnapshot {
  std::uint64_t token_before = 0;  // none above it had been given when the snapshot was made
  std::uint64_t token_now = 0;     // new ones begin above it
};

// After etcd was restored from a snapshot, with no server running: moves the tokens on, opens the
// doubt of a restore (rule 17), and takes this cluster for the deployment's. FAILED_PRECONDITION
// for a clock that is behind the snapshot, and for what OpenFormat refuses but the other cluster;
// ABORTED if somebody else writes to it.
absl::StatusOr<RestoredSnapshot> MarkAsRestored(EtcdClient& client, const KeyLayout& layout,
                                                WallTime now, std::uint64_t token_floor);

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
