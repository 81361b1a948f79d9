"""What holders of leases act on: registers that refuse old fencing tokens, and a provider of payments.

    resource.py [--unchecked] SOCKET LOG

A line for each request, and one back:

    read NAME TOKEN                      the register's value
    write NAME TOKEN VALUE               the value
    charge NAME TOKEN IDEMPOTENCY_KEY    the reference of the payment: the same for the same key

or `refused`, where the register has seen a higher token, in a read or a write. With --unchecked nothing is
refused. Everything goes into the log, as a line of JSON, before it is answered; tools/crash_test/judge reads
it.
"""

import argparse
import asyncio
import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "crash_test"))

# pylint: disable=wrong-import-position
from records import monotonic_nanos  # noqa: E402


class Registers:
    """Each remembers a value, and the highest token that it has seen."""

    def __init__(self, checks):
        self._checks = checks
        self._values = {}
        self._highest = {}

    def act(self, kind, name, token, value):
        highest = self._highest.get(name, 0)
        if self._checks and token < highest:
            return {"value": None, "accepted": False, "told": "refused an old token"}
        self._highest[name] = max(highest, token)
        if kind == "write":
            self._values[name] = value
        told = "written" if kind == "write" else "read"
        return {"value": self._values.get(name, 0), "accepted": True, "told": told}


class Provider:
    """Deduplicates by idempotency key, as providers of payments do."""

    def __init__(self):
        self._references = {}

    def charge(self, idempotency_key):
        known = self._references.get(idempotency_key)
        if known is None:
            self._references[idempotency_key] = f"payment-{len(self._references) + 1}"
        return {"value": self._references[idempotency_key], "accepted": True,
                "idempotency_key": idempotency_key, "told": "charged before" if known else "charged"}


class Resource:
    """Does one thing after another."""

    def __init__(self, checks, log):
        self._registers = Registers(checks)
        self._provider = Provider()
        self._log = log

    async def serve(self, reader, writer):
        while line := await reader.readline():
            kind, name, token, *rest = line.decode().split()
            if kind == "charge":
                done = self._provider.charge(rest[0])
            else:
                done = self._registers.act(kind, name, int(token), int(rest[0]) if rest else None)
            self._log.write(json.dumps({"t": monotonic_nanos(), "act": kind, "name": name,
                                        "token": int(token), **done}).encode() + b"\n")
            writer.write(f"{done['value'] if done['accepted'] else 'refused'}\n".encode())
            await writer.drain()
        writer.close()


async def run(options):
    with open(options.log, "ab", buffering=0) as log:
        resource = Resource(not options.unchecked, log)
        await asyncio.start_unix_server(resource.serve, options.socket)
        print("the resource is serving", flush=True)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unchecked", action="store_true", help="the control: take every token")
    parser.add_argument("socket")
    parser.add_argument("log")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
