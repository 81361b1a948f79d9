"""Puts latchkeyd through pauses, lost replies and kills, and has it judged by what clients saw.

Started by tools/faults, which builds the programs.
"""

import argparse
import collections
import itertools
import json
import math
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "crash_test"))

# pylint: disable=wrong-import-position
import controls  # noqa: E402
from checker import print_counts  # noqa: E402
from judge.report import INVARIANTS  # noqa: E402
from progress import Progress  # noqa: E402
from rig import TRANSPORTS, Failure  # noqa: E402
from rounds import PAUSES, Round  # noqa: E402

# A round is judged at its end, so these bound how long a history gets.
KILLS_PER_ROUND = 20
PAUSES_PER_ROUND = 12
LOST_REPLIES_PER_ROUND = 1200
SECONDS_PER_ROUND = 60


def required(options):
    """What may not be zero: what did not happen was not put to the test."""
    names = [f"clients by {transport}" for transport in TRANSPORTS[options.transport]]
    names += ["answered AcquireLock", "answered RecordResult", "executed", "recovered", "replays",
              "already recorded", "leases believed in", "resource: written", "resource: charged",
              "resource: charged before"]
    if options.pauses >= 6:
        names += ["server paused", "callers paused", "holders paused", "two paused at once", "lapses",
                  "resource: refused an old token"]
    if options.lost_replies >= 200:
        names += [f"network: {fault}" for fault in ("lost reply", "lost request", "torn request", "reset",
                                                    "half close", "stall", "delay")]
        names += ["lost replies made up for"]
    return names


def share(total, parts, part):
    """What of a total falls to one part."""
    return total * (part + 1) // parts - total * part // parts


class Totals:
    """What all rounds together did, and what was found."""

    def __init__(self):
        self.counts = collections.Counter()
        self.done = collections.Counter()
        self.violations = 0

    def add(self, run, checked, linear):
        """What the checker counted, and the last line of the other judge."""
        self.counts.update(checked)
        self.violations += sum(checked.get(name, 0) for name in INVARIANTS)
        verdict = dict(pair.split("=") for pair in linear.split())
        self.violations += int(verdict["violations"]) + int(verdict["timeouts"])
        self.done["kills"] += run.kills
        self.done["pauses"] += run.pauses
        self.done["lost_replies"] += run.lost_replies()

    def line(self):
        values = {**{name: self.done[name] for name in ("kills", "pauses", "lost_replies")},
                  **{name: self.counts[name] for name in ("acknowledged", "unknown", "recovered")},
                  "violations": self.violations}
        return " ".join(f"{name}={value}" for name, value in values.items())


def run_round(options, totals, progress):
    """Runs and judges one. Keeps what was written if something is wrong with it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="latchkey-faults-"))
    clean = False
    try:
        run = Round(options, directory)
        run.run(progress)
        progress.show("judging")
        counts = directory / "counts.json"
        linear = run.linearize(capture_output=True, text=True)
        checked = run.check("--partial", f"--counts={counts}", capture_output=True, text=True)
        progress.end()
        clean = linear.returncode == checked.returncode == 0
        if not clean:
            print(linear.stdout + checked.stdout, flush=True)
        totals.add(run, json.loads(counts.read_text(encoding="utf-8")), linear.stdout.splitlines()[-1])
    finally:
        if clean and not options.keep:
            shutil.rmtree(directory)
        else:
            print(f"what was written is in {directory}", file=sys.stderr, flush=True)


def plans(options):
    """The options of each round."""
    rounds = max(1, math.ceil(options.kills / KILLS_PER_ROUND), math.ceil(options.pauses / PAUSES_PER_ROUND),
                 math.ceil(options.lost_replies / LOST_REPLIES_PER_ROUND),
                 math.ceil(options.seconds / SECONDS_PER_ROUND))
    pauses = itertools.cycle(PAUSES)
    seeds = random.Random(options.seed)
    for number in range(rounds):
        values = {name: share(getattr(options, name), rounds, number)
                  for name in ("kills", "lost_replies", "seconds")}
        values["pauses"] = list(itertools.islice(pauses, share(options.pauses, rounds, number)))
        yield argparse.Namespace(**{**vars(options), **values, "seed": seeds.randrange(1 << 32)})


def judge_totals(options, totals):
    """Whether the run was one that proves something."""
    print("exercised:")
    print_counts(totals.counts, required(options))
    missing = [name for name in required(options) if totals.counts[name] == 0]
    for name in missing:
        print(f"NOT EXERCISED: {name}: the run proves nothing about it; run it for longer")
    few = totals.counts["acknowledged"] * 2 < totals.counts["operations"]
    if few:
        print(f"only {totals.counts['acknowledged']} of {totals.counts['operations']} operations were "
              "acknowledged: the faults drown what they are to show")
    print(totals.line())
    return 1 if totals.violations or missing or few else 0


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/faults", description=__doc__.splitlines()[0])
    for name, default, what in (
            ("kills", 0, "how often the server is killed"),
            ("pauses", 20, "how often processes are stopped, and go on later"),
            ("lost-replies", 300, "how many connections break between a request and its reply, and two "
             "thirds as many faults of other kinds"),
            ("seconds", 0, "go on for at least so long")):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{what} [{default}]")
    parser.add_argument("--transport", choices=TRANSPORTS, default="both", help="of the clients [both]")
    parser.add_argument("--seed", type=int, default=None,
                        help="repeats the plan of a run; when things meet is up to the machine")
    parser.add_argument("--controls", action="store_true",
                        help="run what must fail: the tests without what they are to prove")
    parser.add_argument("--keep", action="store_true", help="keep the directories with all that was written")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--linearizability", required=True, help=argparse.SUPPRESS)
    parser.set_defaults(callers=16, unchecked=False, ignore_recover=False, skip_sync=False)
    options = parser.parse_args()
    if min(options.kills, options.pauses, options.lost_replies, options.seconds) < 0:
        parser.error("numbers below 0 mean nothing here")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("tools/faults: ended as asked"))
    print(f"seed {options.seed}", flush=True)
    try:
        if options.controls:
            return controls.run(options)
        totals, progress = Totals(), Progress()
        rounds = list(plans(options))
        for number, plan in enumerate(rounds, 1):
            progress.show(f"round {number} of {len(rounds)}")
            run_round(plan, totals, progress)
        return judge_totals(options, totals)
    except (Failure, subprocess.TimeoutExpired) as failure:
        print(f"tools/faults: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
