#include "server/machine/transitions.h"

#include <algorithm>
#include <utility>

#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"

namespace latchkey {
namespace {

Duration LeaseOf(const v1::AcquireLockRequest& request) {
  return FromProto(request.lease_duration()).value_or(Duration::zero());
}

// In mode RECOVER a run that a restore has forgotten is gone on with, whatever it was: it may have
// begun, and been sent to the provider, as soon as the backup was made.
void BeginRun(KeyState& key, const v1::AcquireLockRequest& request, v1::Grant::Mode mode,
              const Context& context) {
  Record run;
  if (key.record.has_value()) run.mutable_audit()->Swap(key.record->mutable_audit());
  const auto asked = request.has_downstream_key_ttl() ? FromProto(request.downstream_key_ttl())
                                                      : context.settings->downstream_key_ttl;
  run.set_downstream_key_ttl_nanos(asked.value_or(Duration::zero()).count());
  const bool forgotten = mode == v1::Grant::RECOVER;
  run.set_created_at_nanos(
      ToNanos(forgotten ? context.restore.unknown_since : context.now.retention));
  run.set_doubted(forgotten);
  key.record = std::move(run);
}

// Of a grant that the backup does not have, so of which nobody knows when its lease ended: the
// longest one that was granted up to the restore is over by then.
void AwaitForgottenLeases(Record& record, const Context& context) {
  const WallTime over = context.now.retention + context.limits->lease_duration_max;
  record.set_doubt_since_nanos(std::max(record.doubt_since_nanos(), ToNanos(over)));
}

std::string DescribeReport(v1::Result::Outcome outcome, std::string_view code,
                           std::string_view reference) {
  std::string text = v1::Result::Outcome_Name(outcome);
  if (!code.empty()) text.append(" code=").append(code);
  if (!reference.empty()) text.append(" provider_reference=").append(reference);
  return text;
}

v1::AuditEntry OrphanedReport(std::string detail, std::uint64_t fencing_token, WallTime at) {
  v1::AuditEntry entry;
  entry.set_action("RecordResult");
  entry.set_reason("reported for a key whose run is over");
  entry.set_fencing_token(fencing_token);
  entry.set_detail(std::move(detail));
  SetProto(at, entry.mutable_at());
  return entry;
}

}  // namespace

State::State StateOf(const KeyState& key) {
  return key.record.has_value() ? key.record->state() : State::ABSENT;
}

void Forget(KeyState& key, const Context& context) {
  if (key.record.has_value() &&
      IsForgotten(*key.record, *context.limits, *context.settings, context.now.retention)) {
    ToAbsent(key, context);
  }
}

void ToHeld(KeyState& key, const v1::AcquireLockRequest& request, v1::Grant::Mode mode,
            const Context& context) {
  if (StateOf(key) == State::ABSENT) BeginRun(key, request, mode, context);
  Record& record = *key.record;
  if (mode == v1::Grant::RECOVER && context.restore.in_doubt &&
      record.fencing_token() <= context.restore.fencing_token) {
    AwaitForgottenLeases(record, context);
  }
  record.set_previous_holder_id(record.holder_id());
  record.set_state(State::HELD);
  record.set_fencing_token(0);
  record.set_holder_id(request.holder_id());
  record.set_attempt_id(request.attempt_id());
  record.set_mode(mode);
  record.set_attempt_number(record.attempt_number() + 1);
  record.set_on_lapse(request.on_lapse() == v1::AcquireLockRequest::ON_LAPSE_UNSPECIFIED
                          ? v1::AcquireLockRequest::IN_DOUBT
                          : request.on_lapse());
  const Duration lease = LeaseOf(request);
  record.set_granted_lease_nanos(lease.count());
  record.set_promised_lease_nanos(lease.count());
  record.set_token_seen(false);
  record.clear_renewals();
  if (record.fingerprint().empty()) record.set_fingerprint(request.fingerprint());
  record.set_state_since_nanos(ToNanos(context.now.retention));
  key.lease_deadline = context.now.monotonic + lease;
  key.stall_extension = Duration::zero();
  key.lease_elsewhere = false;
  key.token_pending = true;
}

void ToDoubt(Record& record, const Context& context) {
  record.set_state(State::IN_DOUBT);
  record.set_doubted(true);
  record.set_state_since_nanos(ToNanos(context.now.retention));
  record.set_doubt_since_nanos(
      std::max(record.doubt_since_nanos(), ToNanos(context.now.retention)));
}

void ToCompleted(KeyState& key, const Report& report, Duration payload_retention, bool late,
                 const Context& context, Step& step) {
  Record& record = *key.record;
  StoreResult(report, payload_retention, late, context, record);
  record.set_state(State::COMPLETED);
  record.set_state_since_nanos(ToNanos(context.now.retention));
  // What only a holder needs is not kept with a result that may stay for months.
  record.clear_on_lapse();
  record.clear_granted_lease_nanos();
  record.clear_promised_lease_nanos();
  record.clear_token_seen();
  record.clear_renewals();
  Suspect(record, step);
}

void ToAbsent(KeyState& key, const Context& context) {
  Record& record = *key.record;
  for (const auto& late : record.late_outcomes()) {
    Audit(record,
          OrphanedReport(DescribeReport(late.outcome(), late.code(), late.provider_reference()),
                         late.fencing_token(),
                         FromProto(late.received_at()).value_or(context.now.retention)),
          *context.limits);
  }
  key.token_pending = false;
  if (record.audit().empty()) {
    key.record.reset();
    return;
  }
  Record kept;
  kept.set_state(State::ABSENT);
  kept.set_state_since_nanos(ToNanos(context.now.retention));
  kept.mutable_audit()->Swap(record.mutable_audit());
  key.record = std::move(kept);
}

bool LapseIsForgotten(const Record& record, const Context& context) {
  if (record.mode() != v1::Grant::EXECUTE || record.doubted() || record.effect_started())
    return false;
  // Whoever held it before a restore may have marked it after the backup.
  const bool surely_unmarked = record.fencing_token() > context.restore.fencing_token;
  return record.on_lapse() == v1::AcquireLockRequest::FORGET ||
         (record.on_lapse() == v1::AcquireLockRequest::FORGET_UNLESS_STARTED && surely_unmarked);
}

void Audit(Record& record, v1::AuditEntry entry, const Limits& limits) {
  auto& audit = *record.mutable_audit();
  if (static_cast<std::size_t>(audit.size()) >= limits.audit_entries) {
    // Any claimant can add reports; they must not push out what operators did.
    const auto report = std::ranges::find(audit, "RecordResult", &v1::AuditEntry::action);
    audit.erase(report == audit.end() ? audit.begin() : report);
  }
  *audit.Add() = std::move(entry);
}

bool KeepOrphanedReport(KeyState& key, const Report& report, std::uint64_t fencing_token,
                        const Context& context) {
  const Limits& limits = *context.limits;
  if (!key.record.has_value()) {
    key.record.emplace();
    key.record->set_state(State::ABSENT);
  }
  Record& record = *key.record;
  const std::string detail =
      DescribeReport(report.outcome, CutUtf8(report.code, limits.code_bytes),
                     CutUtf8(report.provider_reference, limits.provider_reference_bytes));
  const auto same = [&](const v1::AuditEntry& entry) {
    return entry.fencing_token() == fencing_token && entry.detail() == detail;
  };
  if (std::ranges::any_of(record.audit(), same)) return false;
  record.set_state_since_nanos(ToNanos(context.now.retention));
  Audit(record, OrphanedReport(detail, fencing_token, context.now.retention), limits);
  return true;
}

void Suspect(Record& record, Step& step) {
  if (record.duplicate_effect_suspected() || !SuspectsDuplicateEffect(record)) return;
  record.set_duplicate_effect_suspected(true);
  step.duplicate_suspected = true;
}

}  // namespace latchkey
