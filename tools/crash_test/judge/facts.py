"""What the histories show of each key: the tokens that were granted, and what the key was seen to be.

All conclusions hold whatever happened to the calls that were not answered. A call takes effect somewhere
between `sent` and `end`; where the server's own figures (`server_elapsed`, `lease_remaining`) say more, they
are used, because they are promises, too.
"""

import bisect
import collections
import itertools
import json

from judge.history import FOREVER, nanos

ABSENT, HELD, IN_DOUBT, COMPLETED = "ABSENT", "HELD", "IN_DOUBT", "COMPLETED"
EXISTS = "HELD, IN_DOUBT or COMPLETED"  # all that a refused token says

# Something that a call showed of a key: at some moment from `lo` to `hi` it was in `state`. `token` is the
# newest one then, `other` one that was not, `holder` who had it; None where the call did not say. `told` is
# how: by "grant", "replay", "renewal", "record" (a whole record), "refusal", or a "read" or "step".
Sight = collections.namedtuple("Sight", "lo hi state token other holder told call result")

MUTATIONS = {"AcquireLock", "RenewLease", "RecordResult", "Release", "ResolveOutcome", "ForceRelease",
             "DeleteRecord"}
UNSET = "EFFECT_UNSPECIFIED"


def acknowledges(call):
    """Whether its answer promises that something was changed."""
    if not call.ok or call.rpc not in MUTATIONS:
        return False
    return call.rpc != "AcquireLock" or "grant" in call.reply


class Token:
    """A token that was granted."""

    def __init__(self, number):
        self.number = number
        self.grants = []  # calls that were answered with it
        self.renewals = []  # renewals that were answered OK
        self.fresh = None  # the one that was not a repetition
        self.mode = None  # as granted
        self.attempt = self.holder = None
        self.fingerprint = ""
        self.forgettable = False  # on_lapse says so
        self.lease = 0
        self.begun = [FOREVER, FOREVER]  # it was decided between these
        self.known = FOREVER  # when somebody was first told of it
        self.by_duration = 0  # its lease lasts until then at least: from durations (L4)
        self.by_reply = 0  # and from what its holder was told (L5)
        self.ended = FOREVER  # the first call that may have ended it was sent then
        self.marks = []  # renewals that marked it, answered

    @property
    def live(self):
        """An interval in which its lease surely lives; empty if the end is before the beginning."""
        return self.begun[1], min(max(self.by_duration, self.by_reply), self.ended)

    def marked_before(self, time):
        return any(call.end <= time for call in self.marks)

    def _widen(self, call, duration, elapsed, remaining):
        self.by_duration = max(self.by_duration, call.sent + duration)
        if remaining > 0:  # else it says that nothing is left, and not until when there was
            self.by_reply = max(self.by_reply, call.sent + elapsed + remaining)

    def add_grant(self, call, grant, shared):
        elapsed, remaining = nanos(call.reply.get("server_elapsed")), nanos(grant.get("lease_remaining"))
        self.grants.append(call)
        self.known = min(self.known, call.end)
        self.attempt = call.request["attempt_id"]
        self.holder = call.request.get("holder_id", "")
        self.begun[1] = min(self.begun[1], call.end)
        if grant.get("replayed"):
            self._widen(call, 0, elapsed, remaining)
            self.begun[0] = min(self.begun[0], call.sent)
            return
        self.fresh = call
        self.mode = grant["mode"]
        self.lease = nanos(call.request["lease_duration"])
        self.fingerprint = call.request.get("fingerprint", "")
        self.forgettable = (self.mode == "EXECUTE" and
                            call.request.get("on_lapse") in ("FORGET", "FORGET_UNLESS_STARTED"))
        self._widen(call, self.lease, elapsed, remaining)
        if 0 < remaining <= self.lease:
            # The lease began lease - remaining before the reply was written, when it was decided.
            self.begun = [call.sent + elapsed - (self.lease - remaining),
                          min(self.begun[1], call.end if shared else call.end - (self.lease - remaining))]
        else:
            self.begun = [call.sent, min(self.begun[1], call.end)]

    def add_renewal(self, call):
        self.renewals.append(call)
        asked = nanos(call.request.get("lease_duration")) or self.lease
        self._widen(call, asked, nanos(call.reply.get("server_elapsed")),
                    nanos(call.reply.get("lease_remaining")))
        if call.request.get("effect_started"):
            self.marks.append(call)


class Key:
    """All about one key."""

    def __init__(self, name):
        self.name = name
        self.calls = []
        self.by_number = {}
        self.by_token = collections.defaultdict(list)  # calls, by the token that they carry
        self.open_holders = set()  # of calls that may have been granted a token that is not known
        self.tokens = []  # in order
        self.sights = []  # by `lo`

    def token(self, number):
        return self.by_number.setdefault(number, Token(number))

    def newer(self, number, time):
        """A token above `number` that somebody had been told of by `time`."""
        first = bisect.bisect_right(self.tokens, number, key=lambda token: token.number)
        return next((token for token in self.tokens[first:] if token.known <= time), None)

    def calls_with(self, number):
        """The calls that carry this token."""
        return self.by_token.get(number, ())

    def sights_from(self, time):
        first = bisect.bisect_left(self.sights, time, key=lambda sight: sight.lo)
        return itertools.islice(self.sights, first, None)


def _sight(call, lo, state, told, **more):
    values = {"token": None, "other": None, "holder": None, "result": None, **more}
    return Sight(lo=lo, hi=call.end, state=state, told=told, call=call, **values)


def _of_acquire(call):
    reply = call.reply
    if "grant" in reply:
        grant = reply["grant"]
        yield _sight(call, call.sent, HELD, "replay" if grant.get("replayed") else "grant",
                     token=int(grant["fencing_token"]), holder=call.request.get("holder_id", ""))
    elif "completed" in reply:
        yield _sight(call, call.sent, COMPLETED, "read", result=reply["completed"]["result"])
    else:
        contention = reply["contention"]
        # Who waits is answered so when the time is up, not before.
        yield _sight(call, call.sent + nanos(call.request.get("wait_timeout")),
                     IN_DOUBT if contention.get("in_doubt") else HELD, "read",
                     holder=contention.get("holder_id"))


def _of_check(call):
    state = call.reply["state"]
    lo = call.sent if state == COMPLETED else call.sent + nanos(call.request.get("wait_timeout"))
    yield _sight(call, lo, state, "read", holder=call.reply.get("holder_id"),
                 result=call.reply.get("result"))


def of_record(call, record, lo):
    """A whole record, as the admin API or the dump shows it."""
    state = record["state"]
    if state == ABSENT:
        return _sight(call, lo, ABSENT, "record")
    return _sight(call, lo, state, "record", token=int(record["fencing_token"]),
                  holder=record.get("holder_id"), result=record.get("result"))


def _of_reply(call):
    if call.rpc == "AcquireLock":
        yield from _of_acquire(call)
    elif call.rpc == "CheckResult":
        yield from _of_check(call)
    elif call.rpc == "RenewLease":
        yield _sight(call, call.sent, HELD, "renewal", token=call.token)
    elif call.rpc == "RecordResult":
        yield _sight(call, call.sent, COMPLETED, "step", token=call.token, result=call.reply["result"])
    elif call.rpc in ("Release", "ForceRelease"):
        if call.reply["state"] != HELD:  # where nothing was released, it says little
            yield _sight(call, call.sent, call.reply["state"], "step")
    elif call.rpc in ("GetRecord", "ResolveOutcome"):
        yield of_record(call, call.reply["record"], call.sent)


def _of_refusal(call):
    token = call.token or None
    if call.reason == "LEASE_EXPIRED":
        yield _sight(call, call.sent, IN_DOUBT, "refusal", token=token)
    elif call.reason in ("ALREADY_COMPLETED", "RESULT_CONFLICT"):
        yield _sight(call, call.sent, COMPLETED, "refusal", token=token)
    elif call.reason == "STALE_FENCING_TOKEN":
        yield _sight(call, call.sent, EXISTS, "refusal", other=token)
    elif call.reason == "KEY_UNKNOWN":
        yield _sight(call, call.sent, ABSENT, "refusal")


def may_end(call, token):
    """Whether this call, sent by whomever, may have ended the lease of the token."""
    if not call.may_act():
        return False
    if call.rpc in ("RecordResult", "ForceRelease"):
        return call.token == token.number
    if call.rpc != "Release":
        return False
    if call.token:
        return call.token == token.number
    return call.request.get("attempt_id") == token.attempt


def _add_listed(history, keys):
    for call in history.calls:
        if call.rpc == "ListRecords" and call.ok:
            for record in call.reply.get("records", ()):
                name = (record["namespace"], record["key"])
                keys[name].sights.append(of_record(call, record, call.sent))


class _Dump:
    """Stands for a call where a sight comes from the final dump."""

    rpc = "dump"
    ok = True

    def __init__(self, record, end):
        self.record = record
        self.end = end
        self.lines = [("dump.json", json.dumps(record))]


def _add_dumped(history, keys):
    begin, end = history.dump["begin"], history.dump["end"]
    shown = {(record["namespace"], record["key"]): record for record in history.dump["records"]}
    for name in keys.keys() | shown.keys():
        record = shown.get(name) or {"namespace": name[0], "key": name[1], "state": ABSENT}
        keys[name].sights.append(of_record(_Dump(record, end), record, begin))


def gather(history):
    """All keys, by name."""
    keys = _Keys()
    for call in history.calls:
        if call.key is None:
            continue
        key = keys[call.key]
        key.calls.append(call)
        if call.ok:
            key.sights.extend(_of_reply(call))
            if call.rpc == "AcquireLock" and "grant" in call.reply:
                grant = call.reply["grant"]
                key.token(int(grant["fencing_token"])).add_grant(call, grant, history.shared)
        elif call.rpc == "AcquireLock" and not call.refused:
            key.open_holders.add(call.request.get("holder_id"))
        if call.refused:
            key.sights.extend(_of_refusal(call))
    _add_listed(history, keys)
    _add_dumped(history, keys)
    for key in keys.values():
        _complete(key)
    return keys


class _Keys(dict):
    def __missing__(self, name):
        self[name] = Key(name)
        return self[name]


def _complete(key):
    key.tokens = sorted(key.by_number.values(), key=lambda token: token.number)
    key.sights.sort(key=lambda sight: sight.lo)
    by_attempt = collections.defaultdict(list)
    for token in key.tokens:
        by_attempt[token.attempt].append(token)
    for call in key.calls:
        key.by_token[call.token].append(call)
        if call.rpc == "RenewLease" and call.ok and call.token in key.by_number:
            key.by_number[call.token].add_renewal(call)
        if call.token in key.by_number:
            named = [key.by_number[call.token]]
        else:
            named = by_attempt.get(call.request.get("attempt_id"), ()) if call.rpc == "Release" else ()
        for token in named:
            if may_end(call, token):
                token.ended = min(token.ended, call.sent)
