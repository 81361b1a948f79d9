"""Violations, each with the lines that prove it."""

import collections

from judge.facts import acknowledges
from judge.history import show

INVARIANTS = ("L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "L10",
              "I1", "I2", "I3", "I4", "I5", "I6", "D1", "D2", "D3")

_LINE_MAX = 1000

Violation = collections.namedtuple("Violation", "invariant what lines")


class Report:
    def __init__(self, history):
        self._history = history
        self.violations = []

    def add(self, invariant, key, what, *calls):
        name = "" if key is None else f"{key.name[0]}/{key.name[1]}: "
        lines = [line for call in calls if call is not None for line in call.lines]
        self.violations.append(Violation(invariant, name + what, lines))

    def contradiction(self, invariant, key, what, fact, later, since=None):
        """Something that was shown or promised by the call `fact` does not hold when `later` was answered.

        Where the server was killed in between, a restart has lost it: D1 if it was acknowledged. Otherwise it
        was only seen, which is D3 if the server had recovered it before (it comes from `since`), else D2.
        """
        lives = self._history.life(fact.end), self._history.life(later.end)
        if lives[0] != lives[1]:
            if acknowledges(fact):
                invariant = "D1"
            elif since is not None and self._history.life(since) < lives[0]:
                invariant = "D3"
            else:
                invariant = "D2"
        self.add(invariant, key, what, fact, later)

    def counts(self):
        """How many there are of each invariant."""
        return collections.Counter(violation.invariant for violation in self.violations)

    def print(self, most):
        """All by number, and up to `most` of each invariant with what proves them."""
        counts = self.counts()
        if counts:
            print("violations: " + ", ".join(f"{name} {counts[name]}" for name in INVARIANTS if counts[name]))
        shown = collections.Counter()
        for violation in self.violations:
            shown[violation.invariant] += 1
            if shown[violation.invariant] > most:
                continue
            print(f"violation: {violation.invariant} {violation.what}")
            for line in violation.lines:
                print(f"    {show(line)[:_LINE_MAX]}")
