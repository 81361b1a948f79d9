"""A stand-in for a payment provider, so that the example runs: it deduplicates by idempotency key and
can be asked about one, unless it is told otherwise, and it can lose an answer."""

import collections
import json
import pathlib

# Exactly one is set.
Charge = collections.namedtuple("Charge", "id code", defaults=("", ""))


class NoAnswer(Exception):
    """Whether anything was charged is not known."""


class Provider:
    timeout = 20.0  # seconds; no call takes longer

    def __init__(self, ledger, lose_answer=False):
        """`ledger` is a file with one JSON object for each charge."""
        self._ledger = pathlib.Path(ledger)
        self._lose_answer = lose_answer

    def charge(self, amount, idempotency_key):
        if amount == "0.00":
            return Charge(code="amount_too_small")
        found = self.find(idempotency_key)
        if found is None:
            found = Charge(id="ch_" + idempotency_key[:8])
            with self._ledger.open("a") as ledger:
                print(json.dumps({"key": idempotency_key, "id": found.id, "amount": amount}), file=ledger)
        if self._lose_answer:
            raise NoAnswer
        return found

    def find(self, idempotency_key):
        """What became of the charge with this key; None if there is none."""
        if not self._ledger.exists():
            return None
        for line in self._ledger.read_text().splitlines():
            charge = json.loads(line)
            if charge["key"] == idempotency_key:
                return Charge(id=charge["id"])
        return None
