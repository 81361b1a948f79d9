"""A latchkeyd that is looked at from outside: its calls by grpcurl, its metrics by HTTP."""

import json
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import programs

PATIENCE = 60  # seconds; for anything that is waited for


def fetch(url):
    """Status and body of a GET; None where nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
    except OSError:
        return None, ""


def await_that(condition, what):
    """Asks until the answer is true, and gives it; ten times a second, so that others get to run."""
    until = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not (answer := condition()):
        assert time.monotonic() < until, f"waited in vain for: {what}"
        pause.wait(0.1)
    return answer


class Latchkeyd:
    """Runs until it is told to end, or ends by itself; killed if the test leaves it running."""

    def __init__(self, *options, store="memory:", listen="127.0.0.1:0", metrics="127.0.0.1:0"):
        self._log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [programs.environment("LATCHKEYD"), f"--store={store}", f"--listen-address={listen}",
             f"--metrics-address={metrics}", *options],
            stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.address = self.process.stdout.readline().strip().rpartition(" ")[2]
        url = self.process.stdout.readline().strip().rpartition(" ")[2]
        assert url.endswith("/metrics"), self.log()
        self.metrics_address = url.removeprefix("http://").removesuffix("/metrics")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self._log.close()

    def log(self):
        self._log.seek(0)
        return self._log.read()

    def get(self, path):
        return fetch(f"http://{self.metrics_address}{path}")

    def sample(self, name):
        """The value of a sample, named with its labels; None where there is none."""
        for line in self.get("/metrics")[1].splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return None

    def call(self, method, headers=(), **fields):
        """Exit code, answer and errors of a call."""
        service = "AdminService" if method in ("ForceRelease", "ResolveOutcome") else "CoordinationService"
        lines = "".join(f"-H '{header}' " for header in headers)
        code, output, errors = programs.shell(
            f"grpcurl -plaintext {lines}-d '{json.dumps(fields)}' "
            f"{programs.ADDRESS} latchkey.v1.{service}/{method}", self.address)
        return code, json.loads(output) if code == 0 else None, errors

    def must(self, method, headers=(), **fields):
        code, answer, errors = self.call(method, headers, **fields)
        assert code == 0, errors
        return answer

    def grant(self, key, attempt, **fields):
        """The token of a grant."""
        answer = self.must("AcquireLock", key=key, attempt_id=attempt, lease_duration="60s", **fields)
        return int(answer["grant"]["fencingToken"] if "fencingToken" in answer["grant"]
                   else answer["grant"]["fencing_token"])

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def make_doubt(self, key):
        """A key whose holder does not know whether it acted; its token."""
        token = self.grant(key, "try-1")
        self.must("Release", key=key, fencing_token=token, effect="UNKNOWN")
        return token

    def make_duplicate(self, key):
        """Two claimants report different charges of one key."""
        first = self.make_doubt(key)
        second = self.grant(key, "try-2", accept_recover=True)
        self.call("RecordResult", key=key, fencing_token=first, outcome="SUCCEEDED",
                  provider_reference="ch_1")
        self.must("RecordResult", key=key, fencing_token=second, outcome="SUCCEEDED",
                  provider_reference="ch_2")
