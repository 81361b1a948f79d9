"""Hand-written histories for the checker's tests. Times are milliseconds."""

import base64
import hashlib
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools/crash_test"))

# pylint: disable=wrong-import-position
import checker  # noqa: E402
from judge.history import read  # noqa: E402

REFUSED, GONE, AWAY = 9, 4, 14  # FAILED_PRECONDITION, DEADLINE_EXCEEDED, UNAVAILABLE
KEY = "k"


def seconds(milliseconds):
    return f"{milliseconds / 1000:.3f}s"


def result(reference="r1", token=1, **more):
    digest = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    return {"outcome": "SUCCEEDED", "provider_reference": reference, "payload_digest": digest,
            "recorded_at": "2026-01-01T00:00:00Z", "fencing_token": str(token), **more}


def record(state, token=1, holder="a", **more):
    return {"namespace": "default", "key": KEY, "state": state, "fencing_token": str(token),
            "holder_id": holder, **more}


class Story:
    """What happened, call by call, and the final dump: unless told otherwise, there is no record."""

    def __init__(self):
        self._lines = []
        self._calls = 0
        self._acts = []
        self.dump = []

    def event(self, at, event, **more):
        self._lines.append({"t": at * 1_000_000, "event": event, **more})

    def act(self, kind, token, value, accepted=True, told=""):
        """What a holder did to the resource."""
        self._acts.append({"act": kind, "name": KEY, "token": token, "value": value, "accepted": accepted,
                           "told": told})

    def kill(self, at):
        self.event(at, "killed", where="random")

    def call(self, rpc, sent, end, request, reply=None, refused=None, status=None, message=""):
        """Answered with `reply`, refused for this reason, or ended with this status; at None, not at all."""
        self._calls += 1
        name = f"c1.{self._calls}"
        self._lines.append({"t": sent * 1_000_000, "id": name, "call": rpc,
                            "request": {"key": KEY, **request}})
        if end is None:
            return
        line = {"t": end * 1_000_000, "id": name}
        if reply is not None:
            self._lines.append({**line, "reply": reply})
        elif refused is not None:
            self._lines.append({**line, "status": REFUSED, "reason": refused, "message": message})
        elif status is not None:
            self._lines.append({**line, "status": status, "reason": "", "message": ""})

    def acquire(self, sent, end, attempt, reply=None, lease=1000, wait=0, on_lapse="IN_DOUBT", elapsed=0,
                **more):
        request = {"attempt_id": attempt, "holder_id": attempt, "lease_duration": seconds(lease),
                   "wait_timeout": seconds(wait), "on_lapse": on_lapse, "accept_recover": True}
        ending = {name: more.pop(name) for name in ("refused", "status", "message") if name in more}
        if reply is not None:
            reply = {**reply, "server_elapsed": seconds(elapsed)}
        self.call("AcquireLock", sent, end, {**request, **more}, reply, **ending)

    def grant(self, sent, end, attempt, token, mode="EXECUTE", number=1, lease=1000, remaining=None,
              replayed=False, checkpoint=None, previous_holder_id=None, **more):
        shown = {"fencing_token": str(token), "mode": mode, "attempt_number": number,
                 "lease_remaining": seconds(lease if remaining is None else remaining)}
        if replayed:
            shown["replayed"] = True
        if previous_holder_id is not None:
            shown["previous_holder_id"] = previous_holder_id
        if checkpoint is not None:
            shown["checkpoint"] = checkpoint
        self.acquire(sent, end, attempt, {"grant": shown}, lease=lease, **more)

    def contention(self, sent, end, attempt, holder, **more):
        self.acquire(sent, end, attempt, {"contention": {"holder_id": holder}}, **more)

    def renew(self, sent, end, token, lease=1000, remaining=None, elapsed=0, refused=None, lost=False,
              **more):
        left = lease if remaining is None else remaining
        reply = None if refused or lost else {"lease_remaining": seconds(left),
                                              "server_elapsed": seconds(elapsed)}
        self.call("RenewLease", sent, end,
                  {"fencing_token": str(token), "lease_duration": seconds(lease), **more}, reply, refused)

    def check(self, sent, end, state, refused=None, message="", fingerprint=None, **more):
        request = {} if fingerprint is None else {"fingerprint": fingerprint}
        self.call("CheckResult", sent, end, request, None if refused else {"state": state, **more}, refused,
                  message=message)

    def record(self, sent, end, token, reference="r1", refused=None, stored=None):
        request = {"fencing_token": str(token), "outcome": "SUCCEEDED", "provider_reference": reference}
        reply = None if refused else {"result": stored or result(reference, token)}
        self.call("RecordResult", sent, end, request, reply, refused)

    def release(self, sent, end, token, state=None, effect="NOT_EXECUTED", refused=None):
        self.call("Release", sent, end, {"fencing_token": str(token), "effect": effect},
                  None if state is None else {"state": state}, refused)

    def get(self, sent, end, shown):
        self.call("GetRecord", sent, end, {}, {"record": shown})

    def delete(self, sent, end, token):
        self.call("DeleteRecord", sent, end, {"expected_fencing_token": str(token)}, {})

    def judged(self, end=100_000):
        """The names of the invariants that the checker finds broken."""
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory)
            (path / "c1.history").write_text("".join(json.dumps(line) + "\n" for line in self._lines),
                                             encoding="utf-8")
            (path / "resource.log").write_text("".join(json.dumps(line) + "\n" for line in self._acts),
                                               encoding="utf-8")
            dump = {"begin": end * 1_000_000, "records": self.dump, "end": (end + 1) * 1_000_000}
            (path / "dump.json").write_text(json.dumps(dump), encoding="utf-8")
            report, _ = checker.judge(read(path))
            for violation in report.violations:
                assert violation.lines, violation
            return {violation.invariant for violation in report.violations}
