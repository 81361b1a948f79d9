"""Charges an order once, through a provider that speaks HTTP.

    pay.py [--timeout S] [--lease S] [--window S] [--quarantine S] LATCHKEY PROVIDER ORDER AMOUNT

Exit code 0: the order has its final outcome. 1: not yet, come again. 2: refused. 3: it was charged or
declined, and Latchkey could not be told; what is printed is the only copy.
"""

import argparse
import hashlib
import hmac
import json
import os
import socket
import sys
import urllib.error
import urllib.request

import grpc
from latchkey.v1.coordination_pb2_grpc import CoordinationServiceStub
from latchkey.v1.results_pb2 import Result

import once


class Provider:
    """One that takes our reference as its idempotency key."""

    def __init__(self, url, timeout):
        self._url, self._timeout = url, timeout

    def charge(self, amount, reference):
        return self._call("/charges", reference, json.dumps({"amount": amount}).encode())

    def find(self, reference):
        return self._call("/charges/" + reference, reference)

    def _call(self, path, reference, body=None):
        request = urllib.request.Request(self._url + path, body, {"Idempotency-Key": reference})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return once.Outcome(Result.SUCCEEDED, reference=json.load(answer)["id"])
        except urllib.error.HTTPError as error:
            if error.code == 402:
                return once.Outcome(Result.REJECTED, code=json.load(error)["code"])
            if error.code == 404 and body is None:
                return None
            raise once.NoAnswer(f"the provider: {error}") from error
        except OSError as error:
            raise once.NoAnswer(f"the provider: {error}") from error


def fingerprint_of(order, amount):
    """What the work is. Keyed, so that nobody who reads records can guess amounts from it; a real key
    comes from where secrets are kept."""
    return hmac.new(b"a secret of this service", f"{order}\0{amount}".encode(), hashlib.sha256).digest()


def words(outcome):
    return f"{Result.Outcome.Name(outcome.outcome)} {outcome.reference or outcome.code}"


def main():
    parser = argparse.ArgumentParser()
    for name, default in {"timeout": 10, "lease": 30, "window": 24 * 3600, "quarantine": 120}.items():
        parser.add_argument("--" + name, type=float, default=default)
    for name in ("latchkey", "provider", "order", "amount"):
        parser.add_argument(name)
    given = parser.parse_args()

    # Without the option a client of a server that was down for long takes minutes to see it again.
    service = CoordinationServiceStub(
        grpc.insecure_channel(given.latchkey, [("grpc.max_reconnect_backoff_ms", 1000)]))
    provider = Provider(given.provider, given.timeout)
    try:
        settled = once.once(
            service, "order:" + given.order, fingerprint_of(given.order, given.amount),
            f"{socket.gethostname()}:{os.getpid()}",
            once.Durations(given.timeout, given.lease, given.window, given.quarantine),
            send=lambda reference: provider.charge(given.amount, reference), find=provider.find)
    except once.Unsettled as why:
        print(f"UNSETTLED {why}")
        return 1
    except once.Refused as why:
        print(f"REFUSED {why}")
        return 2
    except once.Unrecorded as lost:
        print(f"UNRECORDED {words(lost.args[0])}")
        return 3
    result = settled.result
    print(words(once.Outcome(result.outcome, result.provider_reference, result.code)))
    if settled.superseded:
        print(f"superseded; this call: {words(settled.superseded)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
