"""What must fail: each control takes away what a promise rests on, and the judges must find out.

A judge that finds nothing here would find nothing anywhere.
"""

import argparse
import json
import pathlib
import tempfile

from progress import Progress
from rounds import HOLDERS_STOPPED, Round, Run


def _counts(run):
    """What the checker counts, broken promises included."""
    counts = run.directory / "counts.json"
    run.check("--partial", f"--counts={counts}", capture_output=True, text=True)
    return json.loads(counts.read_text(encoding="utf-8"))


def _of_holders(options, directory, **broken):
    """A round of holders alone, who are stopped again and again."""
    values = {"kills": 0, "lost_replies": 0, "seconds": 0, "callers": 0, "pauses": HOLDERS_STOPPED, **broken}
    run = Round(argparse.Namespace(**{**vars(options), **values}), directory)
    progress = Progress()
    try:
        run.run(progress)
    finally:
        progress.end()
    return _counts(run)


def _fencing(options, directory):
    return _of_holders(options, directory, unchecked=True)["updates lost"]


def _recover(options, directory):
    return _of_holders(options, directory, ignore_recover=True).get("I5", 0)


def _sync(options, directory):
    run = Run(argparse.Namespace(**{**vars(options), "kills": 6, "skip_sync": True}), directory)
    run.run()
    return _counts(run).get("D1", 0)


# The name, what is taken away, what must happen then, and how often it did.
CONTROLS = [
    ("fencing", "a resource that takes every token", "updates lost (L3)", _fencing),
    ("sync", "a server that does not sync", "D1 broken", _sync),
    ("recover", "callers who take RECOVER for a new grant, and pay again", "I5 broken", _recover),
]


def run(options):
    """One line for each; 0 if all of them failed."""
    failed = 0
    for name, what, happens, how in CONTROLS:
        with tempfile.TemporaryDirectory(prefix="latchkey-control-") as directory:
            times = how(options, pathlib.Path(directory))
        failed += times > 0
        verdict = "failed, as it must" if times else "DID NOT FAIL: the judges are blind to it"
        print(f"control {name}: {what}: {happens} {times} times: {verdict}", flush=True)
    print(f"controls={len(CONTROLS)} controls_failed={failed}")
    return 0 if failed == len(CONTROLS) else 1
