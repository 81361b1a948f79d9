"""Reads what a run wrote down: the histories of the clients and of the run itself, and the final dump."""

import bisect
import json
import linecache
import math
import pathlib

FOREVER = math.inf

# gRPC statuses with which the service, if it gave a reason, has refused a call: the call changed nothing but
# what it says of late outcomes. All others leave open what became of the call.
_REFUSALS = {3, 5, 9}  # INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION
GIVEN_UP = {1, 4}  # CANCELLED, DEADLINE_EXCEEDED: the caller stopped waiting


class BadHistory(Exception):
    """What was written cannot be judged."""


def nanos(duration):
    """Of a Duration in JSON, such as "0.250s"; of none, 0."""
    if not duration:
        return 0
    whole, _, fraction = duration.rstrip("s").partition(".")
    value = abs(int(whole)) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)
    return -value if whole.startswith("-") else value


class Call:
    """One call: sent once, and answered, refused, or of unknown outcome."""

    __slots__ = ("id", "rpc", "request", "key", "sent", "end", "until", "reply", "status", "reason",
                 "message", "lines")

    def __init__(self, line, where):
        self.id = line["id"]
        self.rpc = line["call"]
        self.request = line["request"]
        name = self.request.get("key")
        self.key = None if name is None else (self.request.get("namespace") or "default", name)
        self.sent = line["t"]
        self.end = None
        self.until = FOREVER  # when at the latest it took effect, if it did
        self.reply = self.status = None
        self.reason = self.message = ""
        self.lines = [where]

    def finish(self, line, where):
        self.end = line["t"]
        self.reply = line.get("reply")
        self.status = line.get("status")
        self.reason = line.get("reason", "")
        self.message = line.get("message", "")
        self.lines.append(where)

    @property
    def ok(self):
        return self.reply is not None

    @property
    def refused(self):
        return self.status in _REFUSALS and self.reason != ""

    def may_act(self):
        """Whether it may have changed what it is meant to change."""
        return not self.refused

    @property
    def token(self):
        """The token that it carries; 0 if none."""
        return int(self.request.get("fencing_token") or self.request.get("expected_fencing_token") or 0)


class Act:
    """What a holder asked of the resource, and what the resource did."""

    __slots__ = ("kind", "key", "token", "value", "idempotency_key", "accepted", "told", "lines")

    def __init__(self, line, where):
        self.kind = line["act"]  # read, write or charge
        self.key = ("holders", line["name"])
        self.token = line["token"]
        self.value = line.get("value")  # of the register, after it
        self.idempotency_key = line.get("idempotency_key")
        self.accepted = line["accepted"]
        self.told = line["told"]
        self.lines = [where]


class History:
    """Everything that the checker knows."""

    def __init__(self, calls, events, dump, acts=()):
        self.acts = list(acts)
        self.calls = sorted(calls, key=lambda call: call.sent)
        self.events = sorted(events, key=lambda event: event["t"])
        self.dump = dump
        # Several servers share a store, each with clients of its own: what one has decided takes effect a
        # while later, if it does.
        self.shared = self.time_of("shared_store") is not None
        self._kills = [event["t"] for event in self.events if event["event"] == "killed"]
        self._pauses = sorted((event["begin"], event["t"]) for event in self.events
                              if event["event"] == "paused")
        for call in self.calls:
            if call.ok or call.refused:
                call.until = call.end
            elif call.end is not None and self.life(call.end) < len(self._kills):
                call.until = self._kills[self.life(call.end)]  # no later than the server that has it

    def life(self, at):
        """The number of the server's life at this time."""
        return bisect.bisect_right(self._kills, at)

    def after(self, time, duration):
        """When so much time has passed in which no process was stopped."""
        end = time + duration
        for begin, until in self._pauses:
            if until > time and begin < end:
                end += until - max(begin, time)
        return end

    def time_of(self, event):
        """When it happened first; None if it did not."""
        return next((e["t"] for e in self.events if e["event"] == event), None)

    @property
    def wall_begin(self):
        """Seconds since 1970 when the run began; None if unknown."""
        return next((event["wall"] for event in self.events if event["event"] == "begin"), None)


def _parse(path):
    """The lines of a file with their places. The last may be cut off: its writer was killed."""
    if not path.exists():
        return
    with open(path, encoding="utf-8") as lines:
        pending = None
        for number, text in enumerate(lines, 1):
            if pending is not None:
                raise pending
            try:
                yield json.loads(text), (str(path), number)
            except ValueError:
                pending = BadHistory(f"{path}:{number} is no JSON")


def read(directory):
    calls, events = {}, []
    for path in sorted(pathlib.Path(directory).glob("*.history")):
        for line, where in _parse(path):
            if "event" in line:
                events.append(line)
            elif "call" in line:
                calls[line["id"]] = Call(line, where)
            elif line["id"] in calls:
                calls[line["id"]].finish(line, where)
            else:
                raise BadHistory(f"{where[0]}:{where[1]} answers a call that was not sent")
    if not calls:
        raise BadHistory(f"there are no histories in {directory}")
    acts = [Act(line, where) for line, where in _parse(pathlib.Path(directory) / "resource.log")]
    try:
        dump = json.loads((pathlib.Path(directory) / "dump.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadHistory(f"there is no final dump: {error}") from error
    return History(calls.values(), events, dump, acts)


def show(line):
    """A line with its place; of the dump, whose lines have no numbers, the record itself."""
    path, number = line
    text = linecache.getline(path, number).rstrip("\n") if isinstance(number, int) else number
    place = f"{pathlib.Path(path).name}:{number}" if isinstance(number, int) else path
    return f"{place}: {text}"
