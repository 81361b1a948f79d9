"""What the run itself writes down, in the form of the clients' histories."""

import json
import time


def monotonic_nanos():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def pause(seconds):
    time.sleep(seconds)


class Log:
    """A file of JSON lines, each {"t": NANOS, "event": NAME, ...}."""

    def __init__(self, path):
        self._file = open(path, "ab", buffering=0)

    def write(self, **fields):
        self._file.write(json.dumps({"t": monotonic_nanos(), **fields}).encode() + b"\n")

    def close(self):
        self._file.close()
