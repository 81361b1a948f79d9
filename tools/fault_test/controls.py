"""What must fail: each control takes away what a promise rests on, and the judges must find out.

A judge that finds nothing here would find nothing anywhere.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from progress import Progress
from rounds import Round

CRASH = pathlib.Path(__file__).parents[1] / "crash_test/crash.py"
_HOLDERS_STOPPED = [(("holder",), 3), (("holder", "holder"), 3), (("holder",), 3), (("holder",), 3)]


def _of_holders(options, directory, **broken):
    """How often each invariant is broken in a round of holders alone."""
    values = {"kills": 0, "lost_replies": 0, "seconds": 0, "callers": 0, "pauses": _HOLDERS_STOPPED, **broken}
    run = Round(argparse.Namespace(**{**vars(options), **values}), directory)
    progress = Progress()
    try:
        run.run(progress)
    finally:
        progress.end()
    counts = directory / "counts.json"
    run.judge("--partial", f"--counts={counts}", capture_output=True, text=True)
    return json.loads(counts.read_text(encoding="utf-8"))


def _fencing(options, directory):
    return _of_holders(options, directory, unchecked=True)


def _recover(options, directory):
    return _of_holders(options, directory, ignore_recover=True)


def _sync(options, directory):
    done = subprocess.run(
        [sys.executable, "-B", CRASH, f"--programs={options.programs}",
         f"--linearizability={options.linearizability}", "--kills=6", "--skip-sync", f"--seed={options.seed}"],
        env={"TMPDIR": str(directory)}, capture_output=True, text=True, timeout=300, check=False)
    found = re.search(r"^violations: (.*)$", done.stdout, re.MULTILINE)
    pairs = (pair.split() for pair in found[1].split(", ")) if found else ()
    return {name: int(count) for name, count in pairs}


# The name, what is taken away, what must be broken then, and how it is run.
CONTROLS = [
    ("fencing", "a resource that takes every token", "L3", _fencing),
    ("sync", "a server that does not sync", "D1", _sync),
    ("recover", "callers who take RECOVER for a new grant, and pay again", "I5", _recover),
]


def run(options):
    """One line for each; 0 if all of them failed."""
    failed = 0
    for name, what, invariant, how in CONTROLS:
        with tempfile.TemporaryDirectory(prefix="latchkey-control-") as directory:
            broken = how(options, pathlib.Path(directory)).get(invariant, 0)
        failed += broken > 0
        verdict = "failed, as it must" if broken else "DID NOT FAIL: the judges are blind to it"
        print(f"control {name}: {what}: {invariant} broken {broken} times: {verdict}", flush=True)
    print(f"controls={len(CONTROLS)} controls_failed={failed}")
    return 0 if failed == len(CONTROLS) else 1
