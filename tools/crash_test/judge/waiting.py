"""L8: who waits is served in order. L9: no grant is decided for a call that is known to be gone."""

import bisect

from judge.facts import HELD
from judge.history import GIVEN_UP, nanos

# A call that arrived is queued within this time, and its end is known to the server, however busy the
# machine is, not counting the times in which a process was stopped.
_QUEUED = 500_000_000
_KNOWN_GONE = 1_500_000_000
# The caller stopped waiting, or its connection broke.
_OVER = GIVEN_UP | {14}


def check(history, key, report):
    """Over a shared store order holds among the waiters of one server, and a commit whose outcome its
    server did not know may be done a while after its caller had gone."""
    _check_order(history, key, report)
    if not history.shared:
        _check_gone(history, key, report)


def _client_of(call):
    return call.id.partition(".")[0]


def _waited(history, key):
    """Calls that surely were in the queue: from when until when, and the call."""
    for call in key.calls:
        wait = nanos(call.request.get("wait_timeout"))
        if call.rpc != "AcquireLock" or not call.ok or not wait:
            continue
        queued = history.after(call.end - nanos(call.reply.get("server_elapsed")), _QUEUED)
        if "contention" in call.reply:
            left = call.sent + wait
        elif "grant" in call.reply and not call.reply["grant"].get("replayed"):
            left = key.by_number[int(call.reply["grant"]["fencing_token"])].begun[0]
        else:
            continue
        if queued < left:
            yield queued, left, call


def _check_order(history, key, report):
    first_sent = {}
    for call in key.calls:
        if call.rpc == "AcquireLock":
            first_sent.setdefault(call.request["attempt_id"], call.sent)
    granted = sorted((token for token in key.tokens if token.fresh is not None),
                     key=lambda token: token.begun[0])
    begins = [token.begun[0] for token in granted]
    for queued, left, waiter in _waited(history, key):
        for token in granted[bisect.bisect_left(begins, queued):]:
            if token.begun[0] >= left:
                break
            if (token.fresh is waiter or token.begun[1] >= left or
                    history.shared and _client_of(token.fresh) != _client_of(waiter) or
                    first_sent[token.attempt] <= queued or
                    token.mode == "RECOVER" and not waiter.request.get("accept_recover")):
                continue
            report.add("L8", key, f"token {token.number} was granted to a call that came after one that was "
                       "waiting", waiter, token.fresh)
            break


def served_in_order(history, key):
    """How many pairs of waiters were granted the key in the order in which they came."""
    later = sorted((token.fresh.sent, token.begun[0]) for token in key.tokens if token.fresh is not None)
    pairs = 0
    for queued, left, waiter in _waited(history, key):
        if "grant" in waiter.reply:
            came = later[bisect.bisect_left(later, (queued, 0)):bisect.bisect_left(later, (left, 0))]
            pairs += sum(1 for _, begun in came if begun > left)
    return pairs


def _granted(key):
    """Who surely was granted the key, before when, and the call that shows it."""
    for sight in key.sights:
        if sight.state == HELD and sight.told in ("record", "read"):
            yield sight.holder, sight.lo, sight.call
    for token in key.tokens:
        if token.fresh is not None:
            yield token.fresh.reply["grant"].get("previous_holder_id"), token.begun[0], token.fresh


def _check_gone(history, key, report):
    calls_of = {}
    for call in key.calls:
        if call.rpc == "AcquireLock":
            calls_of.setdefault(call.request.get("holder_id"), []).append(call)
    for holder, before, shown in _granted(key):
        calls = calls_of.get(holder, ())
        if not calls or any(call.end is None or call.status not in _OVER for call in calls):
            continue
        gone = history.after(max(call.end for call in calls), _KNOWN_GONE)
        for token in key.tokens:
            begun, ended = token.live
            if token.holder != holder and begun < ended and gone < ended <= before:
                report.add("L9", key, f"{holder} was granted the key after {token.number}, when its caller "
                           "was long gone", *calls, token.grants[0], shown)
                return
