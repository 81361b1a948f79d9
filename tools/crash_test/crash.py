"""Runs latchkeyd under real clients, kills it again and again, and has it judged by what they saw.

Started by tools/crash, which builds the programs. All times in the histories are CLOCK_MONOTONIC.
"""

import argparse
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from server import Server, free_port
from progress import Progress
from records import Log, pause

HERE = pathlib.Path(__file__).parent
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


class Failure(Exception):
    """The run cannot go on, or did not do what it is for."""


class Client:
    """One process of callers."""

    def __init__(self, run, number):
        self.name = f"c{number}"
        over_session = number % 2 == 0
        run.log.write(event="client_start", name=self.name, transport="session" if over_session else "unary")
        self.process = subprocess.Popen(
            [run.programs / "tools/crash_test/crash_client", f"--address={run.address}",
             f"--history={run.directory}/{self.name}.history", f"--name={self.name}",
             f"--seed={run.random.randrange(1 << 30)}", f"--callers={run.options.callers}",
             *(["--session"] if over_session else [])],
            stderr=open(run.directory / f"{self.name}.log", "wb"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Lets it finish what it has begun."""
        self.process.terminate()
        return self.process.wait(timeout=30)


class Run:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.programs = pathlib.Path(options.programs)
        self.random = random.Random(options.seed)
        self.address = f"127.0.0.1:{free_port()}"
        self.log = Log(directory / "run.history")
        self.log.write(event="begin", wall=time.time())
        self.clients = []
        self.clients_begun = 0
        self.kills = 0
        self.server = None

    def begin_client(self):
        self.clients_begun += 1
        self.clients.append(Client(self, self.clients_begun))

    def replace_client(self):
        client = self.clients.pop(self.random.randrange(len(self.clients)))
        self.log.write(event="client_kill", name=client.name)
        client.kill()
        self.begin_client()

    def start_server(self, failpoint=None, passes=1):
        """One life. What is not synced is lost at its end, in most of them."""
        environment = {}
        if failpoint is not None:
            environment["LATCHKEY_FAILPOINT"] = f"{failpoint}:{passes}"
        if self.options.skip_sync:
            environment["LATCHKEY_SKIP_SYNC"] = "1"
        if self.options.skip_sync or self.random.random() < 0.8:
            environment["LATCHKEY_LOSE_UNSYNCED"] = "1"
        self.server = Server(self.programs / "tests/crash/latchkeyd_failpoints", self.address,
                             self.directory, environment, self.log)

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
        self.start_server()
        self.serve()
        if self.kills % 2 == 0:
            self.live(self.random.uniform(0.1, 0.5))
            self.log.write(event="paused")
            self.server.pause(self.random.uniform(0.2, 0.9))
        self.live(self.random.uniform(0.15, 1.2))
        self.server.kill()
        self.count_kill("random")

    def serve(self):
        """Waits until it serves, or is at its failpoint already."""
        if not self.server.await_serving(20) and not self.server.was_killed():
            raise Failure(f"latchkeyd does not serve: {self.server.last_words()}")

    def live(self, seconds):
        if self.server.wait(seconds):
            raise Failure(f"latchkeyd ended by itself: {self.server.last_words()}")

    def kill_at_failpoint(self, failpoint, passes, phase):
        self.start_server(failpoint, passes)
        if phase != "start":
            self.serve()
        if phase == "shutdown":
            pause(self.random.uniform(0.1, 0.6))
            self.server.terminate()
        self.expect_kill(failpoint, 30)

    def kill_often(self, progress):
        turn = 0
        while self.kills < self.options.kills:
            if self.kills % 3 == 0:
                self.kill_at_random()
            else:
                failpoint, (least, most), phase = FAILPOINTS[turn % len(FAILPOINTS)]
                turn += 1
                self.kill_at_failpoint(failpoint, self.random.randint(least, most), phase)
            if self.kills % 4 == 0:
                self.replace_client()
            for client in self.clients:
                if client.process.poll() is not None:
                    raise Failure(f"the client {client.name} ended by itself; see its log")
            progress.show(f"{self.kills} of {self.options.kills} kills, {len(self.clients)} clients, "
                          f"{self.clients_begun - CLIENTS} of them killed before")

    def heal(self, progress):
        """No more faults: the clients finish, every key comes to rest, everything is written down."""
        progress.show("no more kills: the clients finish")
        self.start_server()
        self.serve()
        self.log.write(event="faults_end")
        pause(5)  # long waits end, and who left them would show
        for client in self.clients:
            if client.stop() != 0:
                raise Failure(f"the client {client.name} did not end as asked; see its log")
        progress.show("every key comes to rest and is written down")
        keys = self.directory / "keys"
        keys.write_text(known_keys(self.directory), encoding="utf-8")
        done = subprocess.run(
            [self.programs / "tools/crash_test/crash_client", f"--address={self.address}",
             f"--history={self.directory}/settle.history", "--name=settle", f"--keys={keys}",
             f"--dump={self.directory}/dump.json"], timeout=300, check=False)
        if done.returncode != 0:
            raise Failure("the records could not be written down")
        self.server.terminate()
        if not self.server.wait(30) or self.server.exit_code() != 0:
            raise Failure(f"latchkeyd did not shut down cleanly: {self.server.last_words()}")

    def run(self):
        progress = Progress()
        try:
            for _ in range(CLIENTS):
                self.begin_client()
            self.kill_often(progress)
            self.heal(progress)
        finally:
            progress.end()
            for client in self.clients:
                client.kill()
            if self.server is not None:
                self.server.kill()
            self.log.close()

    def judge(self):
        """The judges are other programs, which are given the directory and nothing else."""
        judges = {"linearizability": [self.options.linearizability],
                  "the checker": [sys.executable, "-B", HERE / "checker.py"]}
        worst = 0
        for name, command in judges.items():
            done = subprocess.run([*command, self.directory], check=False, timeout=600)
            if done.returncode not in (0, 1):
                raise Failure(f"{name} could not judge the run")
            worst = max(worst, done.returncode)
        return worst


def known_keys(directory):
    """All keys that a history names, as lines of namespace and key."""
    names = set()
    for path in directory.glob("c*.history"):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if '"call"' not in line:
                    continue
                try:
                    request = json.loads(line)["request"]
                except ValueError:
                    continue  # cut off by a kill
                if "key" in request:
                    names.add(f"{request.get('namespace', 'default')} {request['key']}\n")
    return "".join(sorted(names))


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
        status = run.judge()
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
