#include "server/service/server_status.h"

#include <set>

#include "server/machine/proto_time.h"

namespace latchkey {
namespace {

void FillNamespace(const std::string& name, const NamespaceSettings& settings, WallTime horizon,
                   LiveCounts::Counts counts, v1::GetServerStatusResponse::Namespace* out) {
  out->set_name(name);
  SetProto(settings.payload_retention, out->mutable_payload_retention());
  SetProto(settings.key_retention, out->mutable_key_retention());
  SetProto(settings.downstream_key_ttl, out->mutable_downstream_key_ttl());
  SetProto(settings.lease_duration_max, out->mutable_lease_duration_max());
  out->set_live_records_max(settings.live_records_max);
  out->set_stored_bytes_max(settings.stored_bytes_max);
  out->set_new_keys_per_second_max(settings.new_keys_per_second_max);
  out->set_waiters_max(settings.waiters_max);
  SetProto(horizon, out->mutable_horizon());
  out->set_held(counts.held);
  out->set_in_doubt(counts.in_doubt);
}

template <class Size>
std::uint32_t Narrow(Size size) {
  return static_cast<std::uint32_t>(size);
}

}  // namespace

void FillLimits(const Limits& limits, v1::GetServerStatusResponse::Limits* out) {
  out->set_key_bytes(Narrow(limits.key_bytes));
  out->set_namespace_bytes(Narrow(limits.namespace_bytes));
  out->set_id_bytes(Narrow(limits.id_bytes));
  out->set_fingerprint_bytes(Narrow(limits.fingerprint_bytes));
  out->set_payload_bytes(Narrow(limits.payload_bytes));
  out->set_provider_reference_bytes(Narrow(limits.provider_reference_bytes));
  out->set_code_bytes(Narrow(limits.code_bytes));
  out->set_content_type_bytes(Narrow(limits.content_type_bytes));
  out->set_checkpoint_bytes(Narrow(limits.checkpoint_bytes));
  SetProto(limits.lease_duration_min, out->mutable_lease_duration_min());
  SetProto(limits.lease_duration_max, out->mutable_lease_duration_max());
  SetProto(limits.wait_timeout_max, out->mutable_wait_timeout_max());
  out->set_waiters_per_key(Narrow(limits.waiters_per_key));
  out->set_waiters_total(Narrow(limits.waiters_total));
  out->set_reply_bytes_in_flight(limits.reply_bytes_in_flight);
  out->set_queued_calls(Narrow(limits.queued_calls));
  out->set_queued_bytes(limits.queued_bytes);
  out->set_batch_calls(Narrow(limits.batch_calls));
  out->set_ended_attempts(Narrow(limits.ended_attempts));
  out->set_audit_entries(Narrow(limits.audit_entries));
  out->set_actor_bytes(Narrow(limits.actor_bytes));
  out->set_reason_bytes(Narrow(limits.reason_bytes));
  out->set_page_size(Narrow(limits.page_size_max));
  out->set_frame_bytes(Narrow(limits.frame_bytes));
  out->set_frame_calls(Narrow(limits.frame_calls));
  out->set_session_calls(Narrow(limits.session_calls));
  out->set_session_reply_bytes(limits.session_reply_bytes);
  out->set_sessions(Narrow(limits.sessions));
  SetProto(limits.session_unread_max, out->mutable_session_unread_max());
  out->set_page_bytes(Narrow(limits.page_bytes));
  out->set_late_outcomes(Narrow(limits.late_outcomes));
  out->set_watchers(Narrow(limits.watchers));
  out->set_watched_changes(Narrow(limits.watched_changes));
  out->set_watched_bytes(limits.watched_bytes);
}

void FillRestore(const Restore& restore, v1::GetServerStatusResponse* out) {
  if (!restore.in_doubt) return;
  out->set_restore_in_doubt(true);
  SetProto(restore.at, out->mutable_restored_at());
  SetProto(restore.unknown_since, out->mutable_unknown_since());
}

void FillNamespaces(const Namespaces& namespaces, const LiveCounts& live_counts,
                    const Quotas& quotas, const Retention& retention,
                    v1::GetServerStatusResponse* out) {
  auto counts = live_counts.All();
  std::set<std::string> names;
  for (const auto& [name, settings] : namespaces.named()) names.insert(name);
  for (const auto& [name, count] : counts) names.insert(name);
  for (const auto& name : names) {
    auto* shown = out->add_namespaces();
    FillNamespace(name, namespaces.Get(name), retention.HorizonOf(name), counts[name], shown);
    shown->set_stored_bytes(quotas.StoredBytes(name));
    shown->set_waiters(quotas.Waiters(name));
  }
  FillNamespace("*", namespaces.others(), retention.HorizonOf("*"), {}, out->add_namespaces());
}

}  // namespace latchkey
