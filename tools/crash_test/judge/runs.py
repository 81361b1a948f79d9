"""I5: one EXECUTE grant in a run, and no run before the last one is settled. I6: nothing kept is lost.

A run that was seen open must have been ended by somebody: there must be a call that may have done it.
"""

import bisect
import datetime
import itertools

from judge.facts import ABSENT, COMPLETED, EXISTS, IN_DOUBT, UNSET
from judge.results import deletions

_KEY_RETENTION_SECONDS = 90 * 24 * 3600
_DAY_SECONDS = 24 * 3600


def check(history, key, report):
    _check_attempt_numbers(key, report)
    free, settlers = list(_begins_of_runs(key)), _Settlers(key)
    _check_runs(key, free, settlers, report)
    _check_doubt(key, free, settlers, report)
    _check_completed(key, report)
    _check_checkpoints(key, report)
    _check_late_comers(history, key, report)


def _check_attempt_numbers(key, report):
    for token in key.tokens:
        if token.fresh is None:
            continue
        number = token.fresh.reply["grant"]["attempt_number"]
        if (token.mode == "EXECUTE") != (number == 1):
            report.add("I5", key, f"an {token.mode} grant is number {number} of its run", token.fresh)


def _settles(call, token):
    """Whether the call may have ended a run in which `token` was granted (None: which was in doubt)."""
    if not call.may_act():
        return False
    if call.rpc == "ResolveOutcome":
        return call.request["outcome"] == "NOT_EXECUTED"
    if call.rpc != "Release":
        return call.rpc == "DeleteRecord"
    effect = call.request.get("effect", UNSET)
    if effect == "RUN_NOT_EXECUTED":
        return token is None or not call.token or call.token >= token.number
    if token is None:
        return effect == "NOT_EXECUTED"
    if token.mode == "RECOVER":
        return False
    if not call.token:
        return call.request.get("attempt_id") == token.attempt
    if call.token != token.number:
        return False
    unmarked = not token.marked_before(call.sent)
    return effect == "NOT_EXECUTED" or effect == UNSET and unmarked or token.forgettable and unmarked


class _Settlers:
    """The calls of a key that may end a run, so that those of a time are found quickly."""

    def __init__(self, key):
        calls = [call for call in key.calls if call.may_act() and
                 call.rpc in ("Release", "ResolveOutcome", "DeleteRecord")]
        self._open = [call for call in calls if not call.ok]
        self._answered = [call for call in calls if call.ok]
        self._longest = max((call.end - call.sent for call in self._answered), default=0)

    def between(self, begin, end):
        first = bisect.bisect_left(self._answered, begin - self._longest, key=lambda call: call.sent)
        for call in itertools.chain(self._open, itertools.islice(self._answered, first, None)):
            if call.sent >= end and call.ok:
                return
            if call.sent < end and call.until > begin:
                yield call


def _begins_of_runs(key):
    """Sights that the key was free: itself, or by an EXECUTE grant."""
    for sight in key.sights:
        if sight.state == ABSENT:
            yield sight
        elif sight.told == "grant" and key.by_number[sight.token].mode == "EXECUTE":
            yield sight


def _check_runs(key, free, settlers, report):
    """After a grant that cannot have been forgotten, the key is free only if somebody said so (I5)."""
    executed = sorted((sight for sight in free if sight.told == "grant"), key=lambda sight: sight.token)
    for token in key.tokens:
        if token.mode is None or token.forgettable and not token.marks:
            continue
        later = []
        if token.forgettable:  # until it was marked
            fact = min(token.marks, key=lambda call: call.end)
        else:
            fact = min(token.grants, key=lambda call: call.end)
            next_run = bisect.bisect_right(executed, token.number, key=lambda sight: sight.token)
            later = executed[next_run:next_run + 1]
        next_free = bisect.bisect_left(free, fact.end, key=lambda sight: sight.lo)
        later = min(later + free[next_free:next_free + 1], key=lambda sight: sight.hi, default=None)
        if later is None or any(_settles(call, token)
                                for call in settlers.between(token.begun[0], later.hi)):
            continue
        report.contradiction("I5", key, f"the run of token {token.number} is over, and nobody settled it",
                             fact, later.call)


def _check_doubt(key, free, settlers, report):
    """Doubt ends by a result or by somebody's word, never by itself (I6)."""
    for sight in key.sights:
        if sight.state != IN_DOUBT:
            continue
        place = bisect.bisect_left(free, sight.hi, key=lambda later: later.lo)
        if place == len(free):
            continue
        later = free[place]
        if not any(_settles(call, None) for call in settlers.between(sight.lo, later.hi)):
            since = max((token.known for token in key.tokens if token.known <= sight.lo), default=None)
            invariant = "I6" if later.state == ABSENT else "I5"
            report.contradiction(invariant, key, "the key was in doubt, and is free without anybody's word",
                                 sight.call, later.call, since=since)
            return


def _check_completed(key, report):
    """A completed key stays so until somebody deletes it (I6)."""
    deleted = deletions(key)
    completed = sorted((sight for sight in key.sights if sight.state == COMPLETED),
                       key=lambda sight: sight.hi)
    times = [sight.hi for sight in completed]
    for sight in key.sights:
        if sight.state in (COMPLETED, EXISTS):
            continue
        place = bisect.bisect_right(times, sight.lo) - 1
        if place < 0:
            continue
        fact = completed[place]
        if not any(call.sent < sight.hi and call.until > fact.lo for call in deleted):
            since = max((token.known for token in key.tokens if token.known <= fact.lo), default=None)
            report.contradiction("I6", key, f"the key was completed, and is {sight.state}", fact.call,
                                 sight.call, since=since)
            return
    for sight in completed:
        if sight.result is not None and sight.result.get("body_expired"):
            report.add("I6", key, "the payload expired within minutes", sight.call)


def _run_of(key, token):
    """All tokens of the run up to this one; None if one may be unknown.

    A grant that nobody was told of may have begun another run in between; the next one names its holder.
    """
    number = token.fresh.reply["grant"]["attempt_number"]
    place = key.tokens.index(token)
    run = key.tokens[max(0, place + 1 - number):place + 1]
    known = len(run) == number and run[0].mode == "EXECUTE" and all(
        t.fresh is not None and t.fresh.reply["grant"]["attempt_number"] == i for i, t in enumerate(run, 1))
    linked = known and all(
        after.fresh.reply["grant"].get("previous_holder_id") == before.holder and
        before.holder not in key.open_holders for before, after in zip(run, run[1:]))
    return run if linked else None


def _check_checkpoints(key, report):
    """An acknowledged checkpoint is handed to whoever recovers (D1)."""
    for token in key.tokens:
        run = _run_of(key, token) if token.mode == "RECOVER" else None
        if run is None:
            continue
        numbers = {t.number for t in run[:-1]}
        saved = [call for call in key.calls if call.rpc == "RenewLease" and call.token in numbers and
                 "checkpoint" in call.request and call.may_act() and call.sent < token.begun[1]]
        sure = [call for call in saved if call.ok and call.end <= token.begun[0]]
        last = max(sure, key=lambda call: call.sent, default=None)
        possible = {call.request["checkpoint"] for call in saved if last is None or call.until >= last.sent}
        if last is None:
            possible.add("")
        if token.fresh.reply["grant"].get("checkpoint", "") not in possible:
            report.add("D1", key, "the last checkpoint was not handed over", last, token.fresh)


def _check_late_comers(history, key, report):
    """Who comes after the key may have been forgotten is told so (I6)."""
    if history.wall_begin is None:
        return
    for call in key.calls:
        sent_at = call.request.get("first_sent_at")
        if not sent_at or not call.ok:
            continue
        age = history.wall_begin - datetime.datetime.fromisoformat(sent_at.replace("Z", "+00:00")).timestamp()
        if age < _KEY_RETENTION_SECONDS + _DAY_SECONDS:
            continue
        if call.reply.get("grant", {}).get("mode") == "EXECUTE" or call.reply.get("state") == ABSENT:
            report.add("I6", key, "a key older than is remembered was taken for new", call)
