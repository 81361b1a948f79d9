"""The tiers of the proof: what each runs, in slices with seeds of their own, and what it counts."""

import dataclasses
import os
import pathlib
import re
import subprocess
import time
from typing import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]

INVARIANT = re.compile(r"\b(L10|L[1-9]|I[1-6]|D[1-4]|S[1-4])\b")
# Where a run leaves what it wrote down.
DIRECTORY = ROOT / "build/prove"
# A seed is a number of 32 bits, and the first of a slice.
SEEDS = 1 << 32
# From here on a run, in seconds, is a long one.
LONG = 45 * 60


@dataclasses.dataclass
class Outcome:
    """What became of a slice."""

    counts: dict[str, int]
    seconds: float
    failed: bool
    output: str

    def keep(self, name):
        """Writes the output to a file of that name, and says which."""
        path = DIRECTORY / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.output)
        return path

    def invariant(self):
        """The first invariant that the output of a failed slice names; empty: none."""
        lines = self.output.splitlines()
        told = [line for line in lines if re.search(r"violat|invariant|is broken|Failure|FAIL", line)]
        for line in told + lines:
            if found := INVARIANT.search(line):
                return found.group(1)
        return ""


@dataclasses.dataclass(frozen=True)
class Tier:
    """A kind of test that can run for as long as one likes."""

    name: str
    what: str
    # What is built for it.
    targets: tuple[str, ...]
    # The command and the environment of a slice of `amount` with a seed.
    command: Callable[[pathlib.Path, int, int], tuple[list[str], dict[str, str]]]
    # How much a slice does, and what the amount is counted as.
    slice: int
    unit: str
    # Part of the time of a long run.
    share: float = 0
    # At least so much in a quick run; in one of an hour.
    quick: int = 0
    long: int = 0
    # What the last line of its output or others say: key=value pairs that are summed up.
    counted: tuple[str, ...] = ()
    # The bound of a slice.
    timeout: int = 900

    def floor(self, seconds):
        """What a run of this length does at least."""
        if seconds < LONG:
            return self.quick
        return self.long * min(1, seconds / 3600)

    def run(self, programs, seed, amount=None, extra=None):
        amount = amount or self.slice
        arguments, environment = self.command(programs, seed, amount)
        started = time.monotonic()
        try:
            done = subprocess.run(arguments, cwd=ROOT, check=False, timeout=self.timeout, errors="replace",
                                  env={**os.environ, **environment, **(extra or {})}, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            failed, output = done.returncode != 0, done.stdout
        except subprocess.TimeoutExpired as expired:
            failed = True
            output = (expired.stdout or b"").decode(errors="replace")
            output += f"\nL10: no end after {self.timeout} s"
        counts = {self.unit: amount} | pairs_of(output, self.counted)
        return Outcome(counts, time.monotonic() - started, failed, output)


def pairs_of(output, wanted):
    """The last value of each wanted key=value pair."""
    found = {}
    for key in wanted:
        values = re.findall(rf"\b{re.escape(key)}=(\d+)\b", output)
        if values:
            found[key] = int(values[-1])
    return found


def _gtest(program, test, **variables):
    def command(programs, seed, amount):
        environment = {name: str(value(seed, amount)) for name, value in variables.items()}
        return [str(programs / "tests" / program), f"--gtest_filter={test}"], environment

    return command


def _seed(seed, _):
    return seed


def _amount(_, amount):
    return amount


def _crash(programs, seed, amount):
    return ["python3", "-B", "tools/crash_test/crash.py", f"--programs={programs}",
            "--linearizability=build/tools/linearizability", f"--kills={amount}", f"--seed={seed}"], {}


def _simulate(programs, seed, amount):
    return [str(programs / "tools/simulation/latchkey_simulate"), f"--seeds={amount}",
            f"--first-seed={seed}", "--jobs=1"], {}


def _fuzz(_, __, amount):
    return ["tools/fuzz", "--seconds", str(amount)], {}


def _faults(programs, seed, amount):
    return ["python3", "-B", "tools/fault_test/faults.py", f"--programs={programs}",
            "--linearizability=build/tools/linearizability", f"--pauses={amount}",
            f"--lost-replies={100 * amount}", f"--seed={seed}"], {}


TIERS = (
    Tier("model", "random commands on the machine, beside a naive model of it; every invariant after each",
         ("model_test",), _gtest("machine/model_test", "*", LATCHKEY_MODEL_SEED=_seed,
                                 LATCHKEY_MODEL_COMMANDS=_amount),
         slice=2_000_000, unit="commands", share=0.05, quick=2_000_000, long=50_000_000),
    Tier("machine-search", "everything that can happen to a record of three callers, at small scope",
         ("exhaustive_test",), _gtest("machine/exhaustive_test", "*"),
         slice=1, unit="searches", quick=1, long=1, counted=("states", "transitions", "depth")),
    Tier("partition-search", "the same of a partition, with waits, cancellations, crashes and operators",
         ("partition_search_test",), _gtest("partition/partition_search_test", "*"),
         slice=1, unit="searches", quick=1, long=1, counted=("states", "transitions", "depth")),
    Tier("partition", "random calls, cancellations, faults and restarts on a partition",
         ("partition_random_run_test",),
         _gtest("partition/partition_random_run_test", "*", LATCHKEY_SEED=_seed),
         slice=1, unit="runs", share=0.02, quick=1, long=10),
    Tier("simulation", "server, sessions and clients on a virtual clock, under every fault",
         ("latchkey_simulate",), _simulate,
         slice=3_000, unit="seeds", share=0.28, quick=3_000, long=200_000,
         counted=("steps", "simulated_seconds", "acknowledged", "unknown", "crashes")),
    Tier("lost-writes", "RocksDB on a file system that loses what was not synced",
         ("lost_write_test",), _gtest("storage/lost_write_test", "*", LATCHKEY_SEED=_seed,
                                      LATCHKEY_LOST_WRITE_REOPENINGS=_amount),
         slice=300, unit="reopenings", share=0.12, quick=300, long=10_000),
    Tier("kills", "the real server, killed at random and at named places, under real clients",
         ("latchkeyd_failpoints", "crash_client"), _crash,
         slice=20, unit="kills", share=0.38, quick=20, long=800,
         counted=("acknowledged", "lapses", "recovered", "operations", "unknown")),
    Tier("faults", "the real server and its clients, stopped, and cut off by a proxy",
         ("latchkeyd", "latchkeyd_failpoints", "crash_client", "fault_proxy", "holder_client"), _faults,
         slice=6, unit="pauses", share=0.15, quick=6, long=100,
         counted=("lost_replies", "acknowledged", "recovered", "operations", "unknown")),
    Tier("fuzzing", "bytes that nobody thought of, for whatever reads bytes; each target for so long",
         (), _fuzz, slice=30, unit="fuzz_seconds", share=0.1, quick=30, long=300,
         counted=("targets", "runs", "crashes")),
)


def tier(name):
    return next(one for one in TIERS if one.name == name)
