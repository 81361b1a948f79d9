"""What a run did: a promise that nothing put to the test was not judged."""

import collections

from judge.effects import lost_updates
from judge.facts import acknowledges
from judge.history import GIVEN_UP, nanos
from judge.waiting import served_in_order

_RPCS = ("AcquireLock", "RenewLease", "CheckResult", "RecordResult", "Release", "IssueKey", "GetRecord",
         "ListRecords", "ResolveOutcome", "ForceRelease", "DeleteRecord")
_REASONS = ("STALE_FENCING_TOKEN", "LEASE_EXPIRED", "ALREADY_COMPLETED", "RESULT_CONFLICT",
            "FINGERPRINT_MISMATCH", "ATTEMPT_ENDED", "KEY_UNKNOWN", "KEY_EXPIRED", "SUPERSEDED_BY_RETRY")
FAILPOINTS = ("random", "before_sync", "after_sync", "committed", "reserving_tokens", "reserved_tokens",
              "saving_retention", "saved_retention", "opened_store", "starting_service", "drained",
              "closing_store")
# By the name of the process; l and m are servers and members of a cluster.
_PAUSED = {"s": "server paused", "c": "callers paused", "h": "holders paused", "l": "server paused",
           "m": "members paused", "n": "network cut"}
_WAITED = 20_000_000  # nanoseconds from its arrival on that a grant had to wait for


def count(history, keys):
    """How often everything was done that a run must do, in order of names that people can read."""
    counts = collections.Counter()
    for event in history.events:
        if event["event"] == "killed":
            counts[f"killed at {event['where']}"] += 1
        elif event["event"] == "client_start":
            counts[f"clients by {event['transport']}"] += 1
        elif event["event"] == "client_kill":
            counts["clients killed"] += 1
        elif event["event"] == "paused":
            counts[_PAUSED[event["name"][0]]] += 1
        elif event["event"] == "network":
            counts[f"network: {event['name'].replace('_', ' ')}"] += 1
        elif event["event"] == "believes":
            counts["leases believed in"] += 1
    counts["two paused at once"] = _paused_at_once(history)
    counts["lost replies made up for"] = _made_up_for(history)
    counts["operations"] = len(history.calls)
    for call in history.calls:
        counts["acknowledged"] += call.ok
        counts["unknown"] += not call.ok and not call.refused
        if call.ok:
            counts[f"answered {call.rpc}"] += 1
        elif call.refused or call.reason:
            counts[f"refused {call.reason}"] += 1
        else:
            counts["calls of unknown outcome"] += 1
            counts["calls given up"] += call.status in GIVEN_UP
    for act in history.acts:
        counts[f"resource: {act.told}"] += 1
    counts["updates lost"] = sum(1 for _ in lost_updates(history.acts))
    for key in keys.values():
        _count_tokens(history, key, counts)
        _count_results(key, counts)
        counts["waiters served in order"] += served_in_order(history, key)
    return counts


def _paused_at_once(history):
    stopped = collections.Counter(event["begin"] for event in history.events if event["event"] == "paused")
    return sum(1 for processes in stopped.values() if processes > 1)


def _made_up_for(history):
    """Calls that were answered with what an earlier one had done, whose answer was lost."""
    unanswered, made_up_for = set(), 0
    for call in history.calls:
        identity = (call.rpc, call.key, call.request.get("attempt_id") or call.token)
        reply = call.reply or {}
        if reply.get("grant", {}).get("replayed") or reply.get("already_recorded"):
            made_up_for += identity in unanswered
        if not call.ok and not call.refused and call.end is not None:
            unanswered.add(identity)
    return made_up_for


def _count_tokens(history, key, counts):
    for place, token in enumerate(key.tokens):
        counts["replays"] += sum(1 for call in token.grants if call is not token.fresh)
        if token.fresh is not None:
            counts["recovered" if token.mode == "RECOVER" else "executed"] += 1
            if nanos(token.fresh.request.get("wait_timeout")) and token.begun[0] > token.fresh.sent + _WAITED:
                counts["waits granted"] += 1
            if token.mode == "RECOVER" and token.fresh.reply["grant"].get("checkpoint"):
                counts["checkpoints handed over"] += 1
        newer = place + 1 < len(key.tokens)
        if _lapsed(key, token, newer):
            counts["lapses"] += 1
        begun, ended = token.live
        if begun < ended and history.life(begun) != history.life(ended):
            counts["leases live at a kill"] += 1
        if any(history.life(token.known) != history.life(call.sent) for call in token.renewals):
            counts["leases renewed after a restart"] += 1
        counts["marks"] += len(token.marks)


def _lapsed(key, token, newer):
    """Whether its lease surely ran out."""
    for call in key.calls_with(token.number):
        late = call.rpc == "RecordResult" and call.ok and call.reply.get("late")
        if late or call.reason == "LEASE_EXPIRED":
            return True
    return newer and token.ended == float("inf")


def _count_results(key, counts):
    late = 0
    for call in key.calls:
        if call.rpc == "RecordResult" and call.ok:
            counts["already recorded"] += bool(call.reply.get("already_recorded"))
            counts["late results"] += bool(call.reply.get("late"))
    for sight in key.sights:
        if sight.call.rpc == "dump":
            late = len(sight.call.record.get("late_outcomes", ()))
            counts["audit entries"] += len(sight.call.record.get("audit", ()))
    counts["late outcomes kept"] += late


def required():
    """What may not be zero."""
    return ([f"killed at {name}" for name in FAILPOINTS] + ["clients killed", "server paused"] +
            ["clients by unary", "clients by session"] +
            [f"answered {rpc}" for rpc in _RPCS] + [f"refused {reason}" for reason in _REASONS] +
            ["calls of unknown outcome", "calls given up", "waits granted", "waiters served in order",
             "executed", "recovered", "replays", "checkpoints handed over", "lapses",
             "leases live at a kill", "leases renewed after a restart", "marks", "already recorded",
             "late results", "late outcomes kept", "audit entries"])


def acknowledged(history):
    return sum(1 for call in history.calls if acknowledges(call))
