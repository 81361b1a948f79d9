"""Puts seeded bugs to the tiers: each must be found, by an invariant that the tier names by itself."""

import re
import subprocess
import sys

from build import build
from tiers import ROOT, tier

# Every mutant goes through these, in this order, until one finds it: (tier, how much of it).
COURSE = (
    ("model", 300_000),
    ("partition", 1),
    ("partition-search", 1),
    ("simulation", 1_000),
    ("lost-writes", 300),
    ("kills", 20),
    ("faults", 3),
)
SEED = 1


def names():
    """The mutants and what each does wrong, as base/mutant.h lists them."""
    text = (ROOT / "base/mutant.h").read_text()
    return re.findall(r'MUTANT\((\w+), "([^"]+)"\)', text)


def find(name):
    """Which tier finds the mutant: (invariant, tier, amount, seconds), or nothing."""
    for tier_name, amount in COURSE:
        one = tier(tier_name)
        print(f"  {name}: {tier_name} ...", file=sys.stderr, flush=True)
        outcome = one.run(build("mutants", one.targets), SEED, amount, {"LATCHKEY_MUTANT": name})
        if outcome.failed and outcome.invariant():
            return outcome.invariant(), tier_name, f"{amount:,} {one.unit}", outcome.seconds
        if outcome.failed:
            kept = outcome.keep(f"{name}-{tier_name}")
            print(f"  {name}: {tier_name} failed and named no invariant: {kept}", file=sys.stderr)
    return None


def controls():
    """How many there are, and how many failed as they must."""
    done = subprocess.run(["tools/faults", "--controls"], cwd=ROOT, check=False, stdout=subprocess.PIPE,
                          text=True)
    print(done.stdout, end="")
    counted = re.search(r"controls=(\d+) controls_failed=(\d+)", done.stdout)
    return (int(counted[1]), int(counted[2])) if counted else (0, 0)


def main(options):
    every = dict(names())
    for name in options.only:
        if name not in every:
            sys.exit(f"tools/prove: there is no mutant {name}; base/mutant.h lists them")
    chosen = options.only or list(every)
    caught = 0
    print("| mutant | what it does wrong | found by | in | invariant |\n|---|---|---|---|---|")
    for name in chosen:
        found = find(name)
        caught += found is not None
        by = f"{found[1]} | {found[2]}, {found[3]:.1f} s | {found[0]}" if found else "**nothing** | | "
        print(f"| {name} | {every[name]} | {by} |", flush=True)
    total, failed = (0, 0) if options.only else controls()
    print(f"mutants={len(chosen)} caught={caught} controls={total} controls_failed={failed}")
    return 0 if caught == len(chosen) and total == failed and (total > 0 or options.only) else 1
