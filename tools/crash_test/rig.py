"""What a test of the running server is made of: latchkeyd, clients that write histories, and two judges.

All times in the histories are CLOCK_MONOTONIC.
"""

import json
import pathlib
import random
import signal
import subprocess
import sys
import time

from records import Log, monotonic_nanos, pause
from server import Server, die_with_parent, free_port

HERE = pathlib.Path(__file__).parent
TRANSPORTS = {"unary": ["unary"], "session": ["session"], "both": ["unary", "session"]}


class Failure(Exception):
    """The run cannot go on, or did not do what it is for."""


class Client:
    """One process of callers."""

    def __init__(self, rig, name, transport, program, *arguments):
        self.name = name
        rig.log.write(event="client_start", name=name, transport=transport)
        with open(rig.directory / f"{name}.log", "wb") as errors:
            self.process = subprocess.Popen(
                [rig.programs / program, f"--address={rig.client_address}",
                 f"--history={rig.directory}/{name}.history", f"--name={name}",
                 f"--seed={rig.random.randrange(1 << 30)}", *arguments,
                 *(["--session"] if transport == "session" else [])],
                stderr=errors, preexec_fn=die_with_parent)

    def send_signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Lets it finish what it has begun."""
        self.process.terminate()
        return self.process.wait(timeout=30)


class Rig:
    """One run in a directory of its own.

    `options` has programs, linearizability, callers, transport and seed.
    """

    server_program = "tests/crash/latchkeyd_failpoints"

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.programs = pathlib.Path(options.programs)
        self.random = random.Random(options.seed)
        self.address = f"127.0.0.1:{free_port()}"
        self.client_address = self.address  # where clients think that the server is
        self.log = Log(directory / "run.history")
        self.log.write(event="begin", wall=time.time())
        self.clients = []
        self.clients_begun = 0
        self.server = None

    def begin_client(self):
        """One more process of callers; over each transport in turn."""
        transports = TRANSPORTS[self.options.transport]
        transport = transports[self.clients_begun % len(transports)]
        self.clients_begun += 1
        self.clients.append(Client(self, f"c{self.clients_begun}", transport, "tools/crash_test/crash_client",
                                   f"--callers={self.options.callers}", *self.client_arguments()))

    def client_arguments(self):
        return []

    def start_server(self, environment=None):
        self.server = Server(self.programs / self.server_program, self.address, self.directory,
                             environment or {}, self.log)

    def serve(self):
        """Waits until it serves, or has killed itself already."""
        if not self.server.await_serving(20) and not self.server.was_killed():
            raise Failure(f"latchkeyd does not serve: {self.server.last_words()}")

    def live(self, seconds):
        if self.server.wait(seconds):
            raise Failure(f"latchkeyd ended by itself: {self.server.last_words()}")

    def stop_for(self, seconds, **processes):
        """Stops processes, as machines are that hang, and lets them go on."""
        begin = monotonic_nanos()
        for process in processes.values():
            process.send_signal(signal.SIGSTOP)
        pause(seconds)
        for process in processes.values():
            process.send_signal(signal.SIGCONT)
        for name in processes:
            self.log.write(event="paused", name=name, begin=begin)

    def all_clients(self):
        return self.clients

    def check_clients(self):
        for client in self.all_clients():
            if client.process.poll() is not None:
                raise Failure(f"the client {client.name} ended by itself; see its log")

    def heal(self, progress):
        """No more faults: the clients finish, every key comes to rest, everything is written down."""
        progress.show("no more faults: the clients finish")
        self.log.write(event="faults_end")
        pause(5)  # long waits end, and who left them would show
        for client in self.all_clients():
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

    def close(self):
        for client in self.all_clients():
            client.kill()
        if self.server is not None:
            self.server.kill()
        self.log.close()

    # The judges are other programs, which are given the directory and nothing else. What they did is
    # answered; `how` is for subprocess.run.

    def check(self, *options, **how):
        return self._judge([sys.executable, "-B", HERE / "checker.py", *options], how)

    def linearize(self, **how):
        return self._judge([self.options.linearizability], how)

    def _judge(self, command, how):
        verdict = subprocess.run([*command, self.directory], check=False, timeout=600, **how)
        if verdict.returncode not in (0, 1):
            raise Failure(f"{command[-1]} could not judge the run: {verdict.stderr or 'see above'}")
        return verdict


def known_keys(directory):
    """All keys that a history names, as lines of namespace and key."""
    names = set()
    for path in directory.glob("*.history"):
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
