// The bounds of everything, in one place. Shown by GetServerStatus; each is tested at its limit and
// one past it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace latchkey {

struct Limits {
  std::size_t key_bytes = 255;
  std::size_t namespace_bytes = 64;
  std::size_t id_bytes = 128;  // attempt_id, holder_id
  std::size_t fingerprint_bytes = 64;
  std::size_t payload_bytes = 64 * 1024;  // configurable to kPayloadBytesMax
  std::size_t provider_reference_bytes = 256;
  std::size_t code_bytes = 64;
  std::size_t content_type_bytes = 128;
  std::size_t checkpoint_bytes = 4 * 1024;
  std::size_t actor_bytes = 128;
  std::size_t reason_bytes = 512;

  Duration lease_duration_min = std::chrono::milliseconds(100);
  Duration lease_duration_max = std::chrono::minutes(15);
  Duration wait_timeout_max = std::chrono::seconds(60);
  Duration first_sent_at_ahead_max = std::chrono::hours(1);

  std::size_t late_outcomes = 4;   // distinct ones kept with a record; the rest is counted
  std::size_t audit_entries = 64;  // kept with a key; the oldest goes first
  Duration audit_retention = std::chrono::hours(24 * 90);  // after the record is gone
  Duration key_retention_slack = std::chrono::hours(24);   // refused, not yet forgotten
  Duration ended_attempt_memory = std::chrono::seconds(60);
  std::size_t ended_attempts = 100'000;  // remembered by one partition

  std::size_t waiters_per_key = 1'024;  // configurable to kWaitersPerKeyMax
  std::size_t waiters_total = 200'000;
  std::size_t reply_bytes_in_flight = 64 * 1024 * 1024;
  std::size_t session_reply_bytes = 8 * 1024 * 1024;  // of them, to one client

  std::size_t queued_calls = 65'536;            // waiting for one partition
  std::size_t queued_bytes = 64 * 1024 * 1024;  // of their requests
  std::size_t batch_calls = 4'096;              // decided and committed together

  std::size_t page_size_default = 100;
  std::size_t page_size_max = 1'000;
  std::size_t page_scan_max = 20'000;        // records looked at for one page
  std::size_t page_bytes = 2 * 1024 * 1024;  // half of what a stock gRPC client receives

  std::size_t frame_bytes = 1024 * 1024;
  std::size_t frame_calls = 4'096;
  std::size_t session_calls = 65'536;
  std::size_t sessions = 20'000;
  Duration session_unread_max = std::chrono::seconds(30);  // then its client has stopped reading

  std::size_t watchers = 100;
  std::size_t watched_changes = 65'536;              // kept for those that lag
  std::size_t watched_bytes = 16 * 1024 * 1024;      // of them
  std::size_t watched_payload_bytes = 1'024;         // larger ones are not shown
  Duration watch_memory = std::chrono::seconds(60);  // with no watcher left, for one that returns
  std::size_t store_audit_entries = 64;              // of what was done to the store as a whole
};

inline constexpr std::size_t kPayloadBytesMax = 1024 * 1024;
inline constexpr std::size_t kWaitersPerKeyMax = 100'000;

// What an operator sets for a namespace. Quotas refuse only what begins something, and checkpoints
// that grow; 0: there is none.
struct NamespaceSettings {
  Duration payload_retention = std::chrono::hours(72);
  Duration key_retention = std::chrono::hours(24 * 90);
  Duration downstream_key_ttl = Duration::zero();  // 0: the provider does not deduplicate
  Duration lease_duration_max = std::chrono::minutes(15);
  std::uint64_t live_records_max = 1'000'000;  // HELD and IN_DOUBT
  // On the disk, results included; measured now and then.
  std::uint64_t stored_bytes_max = 0;
  // Grants on absent keys a second, with as much at once after a quiet second.
  std::uint64_t new_keys_per_second_max = 0;
  std::uint64_t waiters_max = 0;  // calls that wait, on all its keys

  bool operator==(const NamespaceSettings&) const = default;
};

}  // namespace latchkey
