"""I2, I3, I4: results stand, stale claimants are only heard, and other fingerprints learn nothing."""

import base64
import bisect
import hashlib

from judge.history import FOREVER

_SAME = ("outcome", "code", "provider_reference", "content_type", "payload_digest")


def check(key, report):
    _check_unchanged(key, report)
    _check_as_recorded(key, report)
    _check_stale(key, report)
    _check_heard(key, report)
    _check_fingerprints(key, report)
    _check_refusals(key, report)


def identity(result):
    """What must not change, in one value."""
    return tuple(result.get(name) for name in (*_SAME, "recorded_at", "fencing_token"))


def deletions(key):
    return [call for call in key.calls if call.rpc == "DeleteRecord" and call.may_act()]


def _check_unchanged(key, report):
    """A result never changes while it is kept (I2)."""
    deleted = deletions(key)
    shown = sorted((sight for sight in key.sights if sight.result is not None), key=lambda sight: sight.hi)
    for one, other in zip(shown, shown[1:]):
        begin, end = min(one.lo, other.lo), max(one.hi, other.hi)
        if any(call.sent < end and call.until > begin for call in deleted):
            continue
        if identity(one.result) != identity(other.result):
            report.contradiction("I2", key, "the recorded result changed", one.call, other.call,
                                 since=begin)
    for sight in shown:
        payload = sight.result.get("payload")
        if payload and hashlib.sha256(base64.b64decode(payload)).digest() != base64.b64decode(
                sight.result["payload_digest"]):
            report.add("I2", key, "the payload is not the one whose digest was recorded", sight.call)


def _check_as_recorded(key, report):
    """What is acknowledged is what was sent (I2)."""
    for call in key.calls:
        if call.rpc != "RecordResult" or not call.ok:
            continue
        digest = hashlib.sha256(base64.b64decode(call.request.get("payload", ""))).digest()
        sent = {**call.request, "payload_digest": base64.b64encode(digest).decode()}
        result = call.reply["result"]
        if any(sent.get(name) != result.get(name) for name in _SAME):
            report.add("I2", key, "another result was acknowledged than was sent", call)


def _check_stale(key, report):
    """Who has been superseded records nothing (I3)."""
    for call in key.calls:
        if call.rpc != "RecordResult" or not call.ok:
            continue
        newer = key.newer(call.token, call.sent)
        if newer is not None:
            report.add("I3", key, f"token {call.token} recorded a result after {newer.number} was granted",
                       newer.grants[0], call)


def _report_of(request):
    return (request["fencing_token"], request["outcome"], request.get("code"),
            request.get("provider_reference"))


def _check_heard(key, report):
    """What a stale claimant reports is kept (I3), as long as there are no more reports than are kept."""
    refused = [call for call in key.calls if call.rpc == "RecordResult" and call.reason in
               ("STALE_FENCING_TOKEN", "RESULT_CONFLICT", "KEY_UNKNOWN")]
    sent = {_report_of(call.request) for call in key.calls if call.rpc == "RecordResult" and not call.ok}
    dumped = next(sight.call.record for sight in key.sights if sight.call.rpc == "dump")
    audit = dumped.get("audit", ())
    if len(sent) > 4 or len(audit) >= 64:
        return
    heard = {_report_of(late) for late in dumped.get("late_outcomes", ())}
    for call in refused:
        request = call.request
        wanted = [request["outcome"], request.get("code", ""), request.get("provider_reference", "")]
        if _report_of(request) in heard or any(
                entry.get("fencing_token") == request["fencing_token"] and
                all(text in entry.get("detail", "") for text in wanted) for entry in audit):
            continue
        report.add("I3", key, "a stale claimant's outcome was not kept", call)


def _bound_fingerprints(key):
    """Times in which the record surely has a fingerprint: (from, to, fingerprint, the proof)."""
    deleted = deletions(key)
    for token in key.tokens:
        if not token.fingerprint:
            continue
        begin, end = token.live
        if begin < end:
            yield begin, end, token.fingerprint, token.grants[0]
        for call in key.calls_with(token.number):
            if call.rpc == "RecordResult" and call.ok:
                until = min((d.sent for d in deleted if d.until > call.sent), default=FOREVER)
                yield call.end, until, token.fingerprint, call


def _check_fingerprints(key, report):
    """Another fingerprint is refused (I4)."""
    asked = [call for call in key.calls if call.rpc in ("AcquireLock", "CheckResult") and call.ok and
             call.request.get("fingerprint")]
    times = [call.sent for call in asked]
    for begin, end, fingerprint, fact in _bound_fingerprints(key):
        for call in asked[bisect.bisect_left(times, begin):bisect.bisect_right(times, end)]:
            if call.end <= end and call.request["fingerprint"] != fingerprint:
                report.contradiction("I4", key, "a call with another fingerprint was answered", fact, call)
                return


def _check_refusals(key, report):
    """It is refused only then, and told nothing (I4)."""
    given = {call.request["fingerprint"] for call in key.calls if call.request.get("fingerprint")}
    references = {sight.result["provider_reference"] for sight in key.sights
                  if sight.result is not None and sight.result.get("provider_reference")}
    for call in key.calls:
        if call.reason != "FINGERPRINT_MISMATCH":
            continue
        if not given - {call.request.get("fingerprint")}:
            report.add("I4", key, "refused, although nobody gave another fingerprint", call)
        if any(reference in call.message for reference in references):
            report.add("I4", key, "the refusal reveals what is stored", call)
