"""Judges a run of the crash tests from its histories and its final dump, and from nothing else.

    checker.py [--partial] DIRECTORY

Exits with 0 if no promise was broken and everything was exercised, 1 if not, 2 if it cannot judge. With
--partial it does not matter what was exercised.
"""

import argparse
import sys

from judge import exercised, leases, rest, results, runs, tokens, waiting
from judge.facts import gather
from judge.history import BadHistory, read
from judge.report import Report

_SHOWN = 5  # of each invariant, in full


def judge(history):
    """The report, and all that is known of each key."""
    keys = gather(history)
    report = Report(history)
    tokens.check(keys, report)
    rest.check(history, keys, report)
    for key in keys.values():
        leases.check(key, report)
        waiting.check(key, report)
        results.check(key, report)
        runs.check(history, key, report)
    return report, keys


def _print_counts(counts):
    names = sorted(counts.keys() | set(exercised.required()))
    half = (len(names) + 1) // 2
    for left, right in zip(names[:half], names[half:] + [None]):
        line = f"  {left:<34}{counts[left]:>7}"
        if right is not None:
            line += f"    {right:<34}{counts[right]:>7}"
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("directory")
    options = parser.parse_args()
    try:
        history = read(options.directory)
    except BadHistory as bad:
        print(f"checker: {bad}", file=sys.stderr)
        return 2
    report, keys = judge(history)
    counts = exercised.count(history, keys)
    print("exercised:")
    _print_counts(counts)
    report.print(_SHOWN)
    missing = [] if options.partial else [name for name in exercised.required() if counts[name] == 0]
    for name in missing:
        print(f"NOT EXERCISED: {name}: the run proves nothing about it; run it with more kills")
    kills = sum(count for name, count in counts.items() if name.startswith("killed at "))
    print(f"kills={kills} acknowledged={exercised.acknowledged(history)} lapses={counts['lapses']} "
          f"recovered={counts['recovered']} violations={len(report.violations)}")
    return 1 if report.violations or missing else 0


if __name__ == "__main__":
    sys.exit(main())
