"""Runs three latchkeyd over three members of etcd under real clients, does to all of them and to the network
between them what machines and networks do, and has it judged by what the clients saw.

Started by tools/prove --cluster, which builds the programs. All times in the histories are CLOCK_MONOTONIC.
"""

import argparse
import collections
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from progress import Progress
from records import pause
from rig import Failure, Rig, known_keys
from server import Server, die_with_parent, free_port

SIZE = 3
ETCD = "/usr/bin/etcd"
RELAY = pathlib.Path(__file__).with_name("relay.py")


class Member:
    """A member of etcd."""

    def __init__(self, name, directory):
        self.name = name
        self.directory = directory
        self.client = f"127.0.0.1:{free_port()}"
        self.peer = f"127.0.0.1:{free_port()}"
        self.process = None

    def start(self, program, cluster):
        with open(self.directory / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [program, f"--name={self.name}", f"--data-dir={self.directory}/{self.name}",
                 f"--listen-client-urls=http://{self.client}",
                 f"--advertise-client-urls=http://{self.client}",
                 f"--listen-peer-urls=http://{self.peer}",
                 f"--initial-advertise-peer-urls=http://{self.peer}",
                 f"--initial-cluster={cluster}", "--logger=zap", "--log-level=warn"],
                stdout=log, stderr=log, preexec_fn=die_with_parent)

    def send_signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Relay:
    """The network from one latchkeyd to one member."""

    def __init__(self, member):
        port = free_port()
        self.member = member
        self.address = f"127.0.0.1:{port}"
        self._process = subprocess.Popen([sys.executable, "-B", RELAY, str(port), member.client],
                                         preexec_fn=die_with_parent)

    def send_signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        self._process.kill()
        self._process.wait()


class Run(Rig):
    """The servers have clients of their own, which go on asking them while they are away."""

    server_program = "server/latchkeyd"

    def __init__(self, options, directory):
        super().__init__(options, directory)
        self.log.write(event="shared_store")
        self.members = [Member(f"etcd{i}", directory) for i in range(SIZE)]
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(SIZE)]
        # By server: one for each member.
        self.relays = [[Relay(member) for member in self.members] for _ in range(SIZE)]
        self.servers = []
        self.counts = collections.Counter()

    def start_member(self, member):
        member.start(self.options.etcd, ",".join(f"{one.name}=http://{one.peer}" for one in self.members))

    def start_latchkeyd(self, place):
        store = "etcd://" + ",".join(relay.address for relay in self.relays[place])
        return Server(self.programs / self.server_program, self.addresses[place], self.directory, {},
                      self.log, store, f"latchkeyd{place}")

    def await_serving(self, server):
        if not server.await_serving(30):
            raise Failure(f"latchkeyd does not serve: {server.last_words()}")

    def start_all(self):
        for member in self.members:
            self.start_member(member)
        until = time.monotonic() + 30
        while True:  # the first says that etcd is there
            self.servers = [self.start_latchkeyd(0)]
            if self.servers[0].await_serving(10):
                break
            if time.monotonic() > until:
                raise Failure(f"etcd does not answer: {self.servers[0].last_words()}")
        for place in range(1, SIZE):
            self.servers.append(self.start_latchkeyd(place))
            self.await_serving(self.servers[place])
        for address in self.addresses:
            self.client_address = address
            self.begin_client()

    # What is done to them. Everything is back when each of these returns.

    def kill_server(self):
        place = self.random.randrange(SIZE)
        self.servers[place].kill()
        self.log.write(event="server_killed", place=place)
        pause(self.random.uniform(0, 1.5))
        self.servers[place] = self.start_latchkeyd(place)
        self.await_serving(self.servers[place])
        self.counts["kills"] += 1

    def kill_member(self):
        member = self.random.choice(self.members)
        member.kill()
        self.log.write(event="member_killed", name=member.name)
        pause(self.random.uniform(0.2, 3))
        self.start_member(member)
        self.counts["kills"] += 1

    def kill_majority(self):
        gone = self.random.sample(self.members, 2)
        for member in gone:
            member.kill()
        self.log.write(event="majority_killed")
        pause(self.random.uniform(0.5, 3))
        for member in gone:
            self.start_member(member)
        self.counts["kills"] += 2

    def freeze_server(self):
        self.stop_for(self.random.uniform(0.3, 4), server=self.random.choice(self.servers))
        self.counts["pauses"] += 1

    def freeze_member(self):
        self.stop_for(self.random.uniform(0.3, 4), member=self.random.choice(self.members))
        self.counts["pauses"] += 1

    def freeze_client(self):
        self.stop_for(self.random.uniform(0.3, 3), client=self.random.choice(self.clients))
        self.counts["pauses"] += 1

    def cut(self, relays):
        """What they pass on is lost for a while."""
        self.stop_for(self.random.uniform(0.3, 6), **{f"network{i}": relay for i, relay in enumerate(relays)})
        self.counts["partitions"] += 1

    def cut_server(self):
        self.cut(self.random.choice(self.relays))

    def cut_member(self):
        member = self.random.choice(self.members)
        self.cut([relay for row in self.relays for relay in row if relay.member is member])

    def cut_some(self):
        self.cut([relay for row in self.relays for relay in row if self.random.random() < 0.5])

    def trouble(self):
        self.random.choice([self.kill_server, self.kill_server, self.kill_member, self.kill_member,
                            self.freeze_server, self.freeze_member, self.freeze_client, self.kill_majority,
                            self.cut_server, self.cut_member, self.cut_some])()

    def check_servers(self):
        for server in self.servers:
            if server.wait(0):
                raise Failure(f"latchkeyd ended by itself: {server.last_words()}")

    def settle(self, progress):
        progress.show("no more faults: the clients finish, and every key comes to rest")
        pause(5)  # etcd has a leader again
        self.log.write(event="faults_end")
        pause(5)
        for client in self.clients:
            if client.stop() != 0:
                raise Failure(f"the client {client.name} did not end as asked; see its log")
        keys = self.directory / "keys"
        keys.write_text(known_keys(self.directory), encoding="utf-8")
        done = subprocess.run(
            [self.programs / "tools/crash_test/crash_client", f"--address={self.addresses[0]}",
             f"--history={self.directory}/settle.history", "--name=settle", f"--keys={keys}",
             f"--dump={self.directory}/dump.json"], timeout=300, check=False)
        if done.returncode != 0:
            raise Failure("the records could not be written down")
        for server in self.servers:
            server.terminate()
            if not server.wait(30) or server.exit_code() != 0:
                raise Failure(f"latchkeyd did not shut down cleanly: {server.last_words()}")

    def run(self):
        progress = Progress()
        until = time.monotonic() + self.options.seconds
        try:
            self.start_all()
            while time.monotonic() < until:
                pause(self.random.uniform(0.5, 3))
                self.trouble()
                self.check_clients()
                self.check_servers()
                progress.show(f"{self.counts['kills']} kills, {self.counts['pauses']} pauses, "
                              f"{self.counts['partitions']} partitions, "
                              f"{max(0, until - time.monotonic()):.0f} s left")
            self.settle(progress)
        finally:
            progress.end()
            self.close()

    def close(self):
        for server in self.servers:
            server.kill()
        for relay in (relay for row in self.relays for relay in row):
            relay.kill()
        for member in self.members:
            if member.process is not None:
                member.kill()
        super().close()


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/prove --cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5, help="how long, in slices of a minute [5]")
    parser.add_argument("--seed", type=int, default=None, help="repeats the plan of a run")
    parser.add_argument("--keep", action="store_true", help="keep the directories with all that was written")
    parser.add_argument("--callers", type=int, default=8, help="callers at each server [8]")
    parser.add_argument("--etcd", metavar="PROGRAM", default=ETCD, help="the etcd to run [%(default)s]")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--linearizability", required=True, help=argparse.SUPPRESS)
    parser.set_defaults(transport="both")
    options = parser.parse_args()
    if options.minutes <= 0 or options.callers < 1:
        parser.error("--minutes and --callers need a number above 0")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def last_counts(text):
    """The numbers of the checker's last line."""
    words = (word.partition("=") for word in text.strip().splitlines()[-1].split())
    return {name: int(value) for name, _, value in words}


def one_slice(options, totals):
    """Whether nothing was wrong in it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="latchkey-cluster-"))
    good = False
    try:
        run = Run(options, directory)
        run.run()
        line = run.linearize()
        checked = run.check("--partial", stdout=subprocess.PIPE, text=True)
        print(checked.stdout, end="", flush=True)
        found = last_counts(checked.stdout)
        totals["acknowledged"] += found["acknowledged"]
        totals["violations"] += found["violations"] + line.returncode
        totals["kills"] += run.counts["kills"]
        totals["pauses"] += run.counts["pauses"]
        totals["partitions"] += run.counts["partitions"]
        good = line.returncode == 0 and checked.returncode == 0
    finally:
        if good and not options.keep:
            shutil.rmtree(directory)
        else:
            print(f"what was written is in {directory}", file=sys.stderr, flush=True)
    return good


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("tools/prove: ended as asked"))
    until = time.monotonic() + options.minutes * 60
    totals = collections.Counter()
    good = True
    while good and (totals["seeds"] == 0 or time.monotonic() < until):
        options.seconds = min(60, max(10, until - time.monotonic()))
        print(f"seed {options.seed}", flush=True)
        try:
            good = one_slice(options, totals)
        except (Failure, subprocess.TimeoutExpired) as failure:
            print(f"tools/prove: {failure}", file=sys.stderr)
            good = False
        totals["seeds"] += 1
        options.seed = (options.seed + 1) % (1 << 32)
    for exercised in ("kills", "pauses", "partitions", "acknowledged"):
        if totals[exercised] == 0:
            print(f"NOT EXERCISED: {exercised}")
            good = False
    print(f"seeds={totals['seeds']} reopenings=0 kills={totals['kills']} pauses={totals['pauses']} "
          f"partitions={totals['partitions']} lost_replies=0 acknowledged={totals['acknowledged']} "
          f"violations={totals['violations']}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
