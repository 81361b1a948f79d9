"""Runs latchkeyd under real clients, kills it again and again, and has it judged by what they saw.

Started by tools/crash, which builds the programs. All times in the histories are CLOCK_MONOTONIC.
"""

import argparse
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile

from progress import Progress
from records import pause
from rig import Failure, Rig

CLIENTS = 3

# Where the server is killed: the failpoint, at which of its passes, and in what part of a life. In between
# come kills at random moments.
FAILPOINTS = [
    ("before_sync", (3, 60), "serving"),
    ("opened_store", (1, 1), "start"),
    ("after_sync", (3, 60), "serving"),
    ("reserving_tokens", (1, 1), "serving"),
    ("drained", (1, 1), "shutdown"),
    ("committed", (3, 60), "serving"),
    ("saving_retention", (1, 1), "start"),
    ("reserved_tokens", (1, 1), "serving"),
    ("saved_retention", (2, 2), "shutdown"),
    ("starting_service", (1, 1), "start"),
    ("closing_store", (1, 1), "shutdown"),
    ("before_sync", (1, 3), "serving"),
    ("saved_retention", (1, 1), "start"),
    ("saving_retention", (2, 2), "shutdown"),
    ("saved_retention", (2, 2), "serving"),
]


class Run(Rig):
    def __init__(self, options, directory):
        super().__init__(options, directory)
        self.kills = 0
        self.turn = 0

    def replace_client(self):
        client = self.clients.pop(self.random.randrange(len(self.clients)))
        self.log.write(event="client_kill", name=client.name)
        client.kill()
        self.begin_client()

    def begin_life(self, failpoint=None, passes=1):
        """What is not synced is lost at its end, in most of them."""
        environment = {}
        if failpoint is not None:
            environment["LATCHKEY_FAILPOINT"] = f"{failpoint}:{passes}"
        if self.options.skip_sync:
            environment["LATCHKEY_SKIP_SYNC"] = "1"
        if self.options.skip_sync or self.random.random() < 0.8:
            environment["LATCHKEY_LOSE_UNSYNCED"] = "1"
        self.start_server(environment)

    def expect_kill(self, where, patience):
        """Waits until the server has killed itself."""
        if not self.server.wait(patience):
            raise Failure(f"latchkeyd was not at the failpoint {where} within {patience} s")
        if not self.server.was_killed():
            raise Failure(f"latchkeyd ended by itself instead of at {where}: {self.server.last_words()}")
        self.count_kill(where)

    def count_kill(self, where):
        self.kills += 1
        self.log.write(event="killed", where=where)

    def kill_at_random(self):
        self.begin_life()
        self.serve()
        if self.kills % 2 == 0:
            self.live(self.random.uniform(0.1, 0.5))
            self.stop_for(self.random.uniform(0.2, 0.9), server=self.server)
        self.live(self.random.uniform(0.15, 1.2))
        self.server.kill()
        self.count_kill("random")

    def kill_at_failpoint(self, failpoint, passes, phase):
        self.begin_life(failpoint, passes)
        if phase != "start":
            self.serve()
        if phase == "shutdown":
            pause(self.random.uniform(0.1, 0.6))
            self.server.terminate()
        self.expect_kill(failpoint, 30)

    def kill_once(self):
        """A life, and its end."""
        if self.kills % 3 == 0:
            self.kill_at_random()
        else:
            failpoint, (least, most), phase = FAILPOINTS[self.turn % len(FAILPOINTS)]
            self.turn += 1
            self.kill_at_failpoint(failpoint, self.random.randint(least, most), phase)
        if self.kills % 4 == 0:
            self.replace_client()
        self.check_clients()

    def kill_often(self, progress):
        while self.kills < self.options.kills:
            self.kill_once()
            progress.show(f"{self.kills} of {self.options.kills} kills, {len(self.clients)} clients, "
                          f"{self.clients_begun - CLIENTS} of them killed before")

    def run(self):
        progress = Progress()
        try:
            for _ in range(CLIENTS):
                self.begin_client()
            self.kill_often(progress)
            self.begin_life()
            self.serve()
            self.heal(progress)
        finally:
            progress.end()
            self.close()


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/crash", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="how often the server is killed [20]")
    parser.add_argument("--seed", type=int, default=None,
                        help="repeats the plan of a run; when things meet is up to the machine")
    parser.add_argument("--keep", action="store_true", help="keep the directory with all that was written")
    parser.add_argument("--callers", type=int, default=16, help="callers in each of the 3 clients [16]")
    parser.add_argument("--skip-sync", action="store_true",
                        help="the control: a server that breaks its promise, which must be found out")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--linearizability", required=True, help=argparse.SUPPRESS)
    parser.set_defaults(transport="both")
    options = parser.parse_args()
    if options.kills < 1 or options.callers < 1:
        parser.error("--kills and --callers need a number above 0")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("tools/crash: ended as asked"))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="latchkey-crash-"))
    print(f"seed {options.seed}", flush=True)
    status = 1
    try:
        run = Run(options, directory)
        run.run()
        status = max(judge().returncode for judge in (run.linearize, run.check))
    except (Failure, subprocess.TimeoutExpired) as failure:
        print(f"tools/crash: {failure}", file=sys.stderr)
    finally:
        if status == 0 and not options.keep:
            shutil.rmtree(directory)
        else:
            print(f"what was written is in {directory}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
