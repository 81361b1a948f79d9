"""Runs every tier of the proof for as long as asked, and writes the report. Started by tools/prove.

A run goes in slices, and what each has shown is written down when it ends; a run that was interrupted goes on
where it was, unless the commit is another one.
"""

import argparse
import collections
import concurrent.futures
import pathlib
import signal
import subprocess
import sys
import time

import mutants
from build import build
from report import write_report
from state import State
from tiers import DIRECTORY, ROOT, SEEDS, TIERS


# Slices at a time, each of about one core.
LANES = 2


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/prove", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, metavar="N",
                        help="how long the tiers run together, at least once each (default 10)")
    parser.add_argument("--mutants", action="store_true",
                        help="put seeded bugs and controls to the tiers instead: each must be found")
    parser.add_argument("--only", metavar="NAME", action="append", default=[],
                        help="with --mutants: only this one; may be repeated")
    parser.add_argument("--seed", type=int, metavar="S", help="where the seeds begin (default: the time)")
    parser.add_argument("--fresh", action="store_true", help="forget an interrupted run")
    parser.add_argument("--report", type=pathlib.Path, default=DIRECTORY / "report.md", metavar="FILE",
                        help="where the report goes (default build/prove/report.md)")
    options = parser.parse_args(arguments)
    if options.minutes <= 0:
        parser.error("--minutes must be above 0")
    return options


def commit():
    """The commit, and whether the files are others."""
    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if git("status", "--porcelain") else "")


def next_tier(state, seconds, running):
    """The tier that is farthest behind: first what is short of its floor, then what is short of its share.

    None: there is nothing left to begin. No tier runs twice at a time.
    """
    idle = [tier for tier in TIERS if tier.name not in running]
    candidates = [tier for tier in idle if state.count(tier.name, tier.unit) < tier.floor(seconds)]
    if not candidates and state.wall < seconds:
        candidates = [tier for tier in idle if tier.share > 0]
    return min(candidates, key=lambda tier: state.seconds[tier.name] / max(tier.share, 0.01), default=None)


def progress(state, seconds, text):
    print(f"[{state.wall / 60:5.1f} of {seconds / 60:.1f} min, {len(state.violations)} violations] {text}",
          file=sys.stderr, flush=True)


def note(state, tier, seed, outcome):
    """Writes down what a slice has shown."""
    state.add(tier.name, outcome, seed)
    if outcome.failed:
        print(outcome.output[-6000:], flush=True)
        kept = outcome.keep(f"{tier.name}-{seed}")
        print(f"violation: {outcome.invariant() or '?'} found by {tier.name} with seed {seed}: {kept}",
              flush=True)


def prove(options):
    programs = build("release", tuple(sorted({target for tier in TIERS for target in tier.targets})))
    seconds = options.minutes * 60
    first_seed = options.seed if options.seed is not None else int(time.time())
    state = State.open(DIRECTORY / "state.json", commit(), first_seed, options.fresh)
    running = {}
    with concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
        while True:
            names = {tier.name for tier, _ in running.values()}
            tier = next_tier(state, seconds, names) if len(running) < LANES else None
            if tier is not None:
                seed = state.take_seeds(tier.slice) % SEEDS
                progress(state, seconds, f"{tier.name}: {tier.slice} {tier.unit}, seed {seed}")
                running[lanes.submit(tier.run, programs, seed)] = (tier, seed)
            elif running:
                done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for one in done:
                    note(state, *running.pop(one), one.result())
            else:
                break
    write_report(options.report, state, seconds)
    state.finish()
    print(f"report: {options.report}")
    totals = collections.Counter()
    for counts in state.counts.values():
        totals.update(counts)
    good = not state.violations
    if totals["acknowledged"] < totals["unknown"]:
        print("fewer operations were acknowledged than not: the faults drowned what was to be seen")
        good = False
    print(f"seeds={totals['seeds']} reopenings={totals['reopenings']} kills={totals['kills']} "
          f"pauses={totals['pauses']} lost_replies={totals['lost_replies']} "
          f"acknowledged={totals['acknowledged']} violations={len(state.violations)}")
    return 0 if good else 1


def main():
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return mutants.main(options) if options.mutants else prove(options)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
