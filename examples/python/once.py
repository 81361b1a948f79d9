"""What a caller of Latchkey owes it, with stock stubs. docs/other-languages.md gives the reasons."""

import random
import threading
import time
import typing
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from latchkey.v1 import coordination_pb2 as api
from latchkey.v1.results_pb2 import Result

NOT_EXECUTED = api.ReleaseRequest.NOT_EXECUTED
UNKNOWN = api.ReleaseRequest.UNKNOWN
RUN_NOT_EXECUTED = api.ReleaseRequest.RUN_NOT_EXECUTED


class Durations(typing.NamedTuple):
    """In seconds; docs/recovery.md says how to choose them."""

    timeout: float  # after which our call to the provider gives up
    lease: float  # for how long nobody else is granted the key after the last renewal
    window: float  # for how long the provider deduplicates by our reference; 0: it does not
    quarantine: float  # for how long a request may still act after its lease has ended


class Outcome(typing.NamedTuple):
    """How the work ended, for good."""

    outcome: int  # Result.SUCCEEDED or Result.REJECTED
    reference: str = ""
    code: str = ""


class Settled(typing.NamedTuple):
    """The one result of the key, for every caller of it."""

    result: Result
    superseded: typing.Optional[Outcome] = None  # what this call did, if that is not what was stored


class NoAnswer(Exception):
    """Of Latchkey or of the provider: what was asked for may have happened, and may not."""


class Refused(Exception):
    """Latchkey has answered: not this call. The text is the reason, such as FINGERPRINT_MISMATCH."""


class Unsettled(Exception):
    """There is no result yet. Call `once` again, with the same key."""


class Unrecorded(Exception):
    """The work ended, and Latchkey could not be told. The text is the only copy: keep it."""


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # runs on while the machine sleeps


def seconds(duration):
    return duration.ToNanoseconds() / 1e9


def duration(of_seconds):
    result = Duration()
    result.FromNanoseconds(int(of_seconds * 1e9))
    return result


def refusal(error):
    """The reason, if this is an answer of Latchkey; None if nothing was decided, or nobody knows."""
    no_answer = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED)
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for detail in Status.FromString(details).details:
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == "latchkey" and error.code() not in no_answer:
            return info.reason
    return None


def ask(method, request, patience):
    """Repeats one and the same request until it is answered; gives the answer, and when the call that
    got it was sent."""
    give_up, pause = now() + patience, 0.05
    while True:
        sent = now()
        try:
            return method(request, timeout=10), sent
        except grpc.RpcError as error:
            if reason := refusal(error):
                raise Refused(reason) from error
            if now() + pause > give_up:
                raise NoAnswer("Latchkey: " + error.code().name) from error
        time.sleep(random.uniform(pause / 2, pause))
        pause = min(2 * pause, 2)


class Lease:
    """Renewed behind the work, until the block ends."""

    def __init__(self, service, ours, answer, sent):
        self._service, self._ours = service, ours
        self._length = seconds(answer.grant.lease_remaining)
        self._safe_until = self._end(answer.server_elapsed, answer.grant.lease_remaining, sent)
        self._lost, self._done = threading.Event(), threading.Event()
        self._renewals = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self):
        self._renewals.start()
        return self

    def __exit__(self, *_):
        self._done.set()

    def covers(self, period):
        """Nobody else is granted the key for so many seconds from now on."""
        return not self._lost.is_set() and now() + period < self._safe_until

    def sleep(self, period):
        """False: the lease was lost meanwhile."""
        return not self._lost.wait(period)

    @staticmethod
    def _end(elapsed, remaining, sent):
        # From before the call was sent; the answer may have been under way for long. 1% for drifting clocks.
        return sent + 0.99 * (seconds(elapsed) + seconds(remaining))

    def _renew(self):
        while not self._done.wait(self._length / 3):
            try:
                answer, sent = ask(self._service.RenewLease, api.RenewLeaseRequest(**self._ours),
                                   self._length / 3)
                self._safe_until = max(self._safe_until,
                                       self._end(answer.server_elapsed, answer.lease_remaining, sent))
            except NoAnswer:
                continue  # the lease may still be ours: `covers` counts on
            except Refused:
                self._lost.set()
                return


def once(service, key, fingerprint, holder_id, durations, send, find):
    """Has the work of `key` done once among all callers.

    `send(reference)` does it, `find(reference)` looks for it: they give an Outcome, or raise NoAnswer.
    `find` gives None where the provider says that there is nothing.
    """
    attempt_id = str(uuid.uuid4())  # new for every attempt, in memory only, the same on every retry
    try:
        answer, sent = ask(service.AcquireLock, api.AcquireLockRequest(
            key=key, attempt_id=attempt_id, holder_id=holder_id, fingerprint=fingerprint,
            lease_duration=duration(durations.lease),
            wait_timeout=duration(5),
            downstream_key_ttl=duration(durations.window),
            accept_recover=True,  # because `work` looks at the mode
        ), patience=30)
    except NoAnswer as error:
        # It may have been granted all the same; then nobody has used the grant, and nobody will.
        release(service, patience=0, key=key, attempt_id=attempt_id)
        raise Unsettled("no answer; nothing was done") from error
    received = now()
    if answer.HasField("completed"):
        return Settled(answer.completed.result)
    if answer.HasField("contention"):
        raise Unsettled(f"held by {answer.contention.holder_id}")

    ours = {"key": key, "fencing_token": answer.grant.fencing_token}
    with Lease(service, ours, answer, sent) as lease:
        try:
            outcome = work(answer.grant, sent, received, lease, durations, send, find)
        except Exception as error:  # silence and surprises alike: it may have acted
            release(service, **ours, effect=UNKNOWN)
            raise Unsettled(f"in doubt: {error}") from error
        if not isinstance(outcome, Outcome):
            release(service, **ours, effect=outcome)
            raise Unsettled("nothing was done" if outcome != UNKNOWN else "in doubt")
        return record(service, ours, outcome)


def work(grant, sent, received, lease, durations, send, find):
    """Gives an Outcome, or what `Release` has to say about the effect."""
    reference = grant.downstream_idempotency_key  # the same for every attempt of this key, for ever
    if grant.mode == api.Grant.EXECUTE:
        if not lease.covers(durations.timeout):
            return NOT_EXECUTED
        return send(reference)

    # RECOVER: an earlier attempt may have acted. Its own word comes first, however late.
    told = {(late.provider_reference, late.code) for late in grant.late_outcomes
            if late.outcome == Result.SUCCEEDED}
    if told:
        return Outcome(Result.SUCCEEDED, *told.pop()) if len(told) == 1 else UNKNOWN

    window_ends = sent + seconds(grant.downstream_key_remaining)
    if grant.recover_action == api.Grant.RESEND_SAME_KEY and now() + durations.timeout < window_ends:
        return send(reference) if lease.covers(durations.timeout) else UNKNOWN

    # QUERY_ONLY: never send. "Nothing" counts once no request can be under way any more.
    certain = received - seconds(grant.doubt_age) + durations.quarantine
    while True:
        asked = now()
        found = find(reference)
        if found:
            return found
        if asked >= certain:
            return RUN_NOT_EXECUTED
        if not lease.sleep(certain - asked):
            return UNKNOWN


def record(service, ours, outcome):
    """Repeats itself until the outcome is stored, or something else is."""
    try:
        answer, _ = ask(service.RecordResult, api.RecordResultRequest(
            **ours, outcome=outcome.outcome, provider_reference=outcome.reference, code=outcome.code,
        ), patience=120)
        return Settled(answer.result)
    except NoAnswer as error:
        raise Unrecorded(outcome) from error
    except Refused as error:
        if str(error) not in ("STALE_FENCING_TOKEN", "RESULT_CONFLICT"):
            raise Unrecorded(outcome) from error
    # Somebody was quicker. What they stored is the result; what we did is kept beside it, for people.
    try:
        stored, _ = ask(service.CheckResult, api.CheckResultRequest(
            key=ours["key"], wait_timeout=duration(5)), patience=30)
    except (NoAnswer, Refused) as error:
        raise Unsettled(f"superseded, and the result is not to be had: {error}") from error
    if stored.state != api.CheckResultResponse.COMPLETED:
        raise Unsettled("superseded, and whoever came after is still at it")
    return Settled(stored.result, superseded=outcome)


def release(service, patience=30, **what):
    try:
        ask(service.Release, api.ReleaseRequest(**what), patience)
    except (NoAnswer, Refused):
        pass  # it lapses by itself, or is somebody else's by now
