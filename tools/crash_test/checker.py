"""Judges a run of the crash tests from its histories and its final dump, and from nothing else.

    checker.py [--partial] [--counts FILE] DIRECTORY

Exits with 0 if no promise was broken and everything was exercised, 1 if not, 2 if it cannot judge. With
--partial it does not matter what was exercised; with --counts this goes into a file, as JSON.
"""

import argparse
import json
import pathlib
import sys

from judge import attempts, beliefs, effects, exercised, leases, rest, results, runs, tokens, waiting
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
    beliefs.check(history, keys, report)
    effects.check(history, keys, report)
    for key in keys.values():
        leases.check(key, report)
        attempts.check(key, report)
        waiting.check(history, key, report)
        results.check(key, report)
        runs.check(history, key, report)
    return report, keys


def print_counts(counts, required):
    names = sorted(counts.keys() | set(required))
    half = (len(names) + 1) // 2
    for left, right in zip(names[:half], names[half:] + [None]):
        line = f"  {left:<34}{counts[left]:>7}"
        if right is not None:
            line += f"    {right:<34}{counts[right]:>7}"
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("--counts", type=pathlib.Path)
    parser.add_argument("directory")
    options = parser.parse_args()
    try:
        history = read(options.directory)
    except BadHistory as bad:
        print(f"checker: {bad}", file=sys.stderr)
        return 2
    report, keys = judge(history)
    counts = exercised.count(history, keys)
    if options.counts is None:
        print("exercised:")
        print_counts(counts, exercised.required())
    else:
        options.counts.write_text(json.dumps({**counts, **report.counts()}), encoding="utf-8")
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
