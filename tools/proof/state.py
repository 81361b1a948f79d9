"""What a run of the proof has shown so far, in a file, so that it can be interrupted."""

import collections
import json
import time


class State:
    """Counts and seconds by tier, and every violation."""

    def __init__(self, path, commit, seed):
        self.path = path
        self.commit = commit
        self.first_seed = seed
        self.next_seed = seed
        self.wall = 0  # seconds
        self._looked_at = time.monotonic()
        self.seconds = collections.Counter()
        self.counts = collections.defaultdict(collections.Counter)
        self.violations = []

    @classmethod
    def open(cls, path, commit, seed, fresh):
        """Goes on with the run in the file, if there is one of this commit."""
        state = cls(path, commit, seed)
        if fresh or not path.exists():
            return state
        kept = json.loads(path.read_text())
        if kept["commit"] != commit:
            return state
        state.first_seed, state.next_seed = kept["first_seed"], kept["next_seed"]
        state.wall = kept["wall"]
        state.seconds.update(kept["seconds"])
        for tier, counts in kept["counts"].items():
            state.counts[tier].update(counts)
        state.violations = kept["violations"]
        return state

    def count(self, tier, unit):
        return self.counts[tier][unit]

    def take_seeds(self, count):
        """The first of so many that no other slice of the run has."""
        seed = self.next_seed
        self.next_seed += count
        return seed

    def add(self, tier, outcome, seed):
        now = time.monotonic()
        self.wall += now - self._looked_at
        self._looked_at = now
        self.seconds[tier] += outcome.seconds
        self.counts[tier].update(outcome.counts)
        if outcome.failed:
            self.violations.append({"tier": tier, "seed": seed, "invariant": outcome.invariant()})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(".new")
        written.write_text(json.dumps({
            "commit": self.commit, "first_seed": self.first_seed, "next_seed": self.next_seed,
            "wall": self.wall, "seconds": self.seconds, "counts": self.counts,
            "violations": self.violations}, indent=1))
        written.rename(self.path)

    def finish(self):
        """The next run begins anew."""
        self.path.unlink(missing_ok=True)
