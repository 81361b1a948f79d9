"""One round of the fault tests: a server, callers and holders of leases, and what goes wrong between them."""

import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "crash_test"))

# pylint: disable=wrong-import-position
from crash import CLIENTS, Run  # noqa: E402
from rig import TRANSPORTS, Client, Failure  # noqa: E402
from server import die_with_parent, free_port  # noqa: E402

HERE = pathlib.Path(__file__).parent
LEASE = 0.4  # seconds: that of the holders, and the longest that a caller asks for
HOLDERS = 2  # processes
CONNECTIONS = 8  # of each process of callers
REQUESTS_PER_FAULT = 14

# Who is stopped, and for how many times the lease; one after the other.
PAUSES = [
    (("server",), 3), (("holder",), 3), (("caller",), 1), (("server", "holder"), 0.5),
    (("holder", "holder"), 3), (("server", "caller"), 1), (("caller",), 3), (("holder",), 1),
    (("server",), 1), (("server", "holder"), 3), (("caller",), 0.5), (("holder", "holder"), 1),
    (("server",), 0.5), (("server", "caller"), 3), (("holder",), 0.5), (("server", "holder"), 1),
    (("holder", "caller"), 3), (("server", "caller"), 0.5),
]
# Where the holders alone are looked at.
HOLDERS_STOPPED = [(("holder",), 3), (("holder", "holder"), 3), (("holder",), 3), (("holder",), 3)]


class Round(Run):
    """`options` also has kills, pauses (as above), lost_replies, seconds, unchecked and ignore_recover."""

    def __init__(self, options, directory):
        super().__init__(options, directory)
        self.holders = []
        self.helpers = []  # the resource and the network
        self.pauses = 0
        self.resource = str(directory / "resource")
        if options.kills == 0:
            self.server_program = "server/latchkeyd"
        if options.lost_replies > 0:
            self.client_address = f"127.0.0.1:{free_port()}"

    def client_arguments(self):
        return [f"--connections={CONNECTIONS}"]

    def all_clients(self):
        return self.clients + self.holders

    def begin_helper(self, name, *command):
        with open(self.directory / f"{name}.log", "wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors,
                                       preexec_fn=die_with_parent)
        self.helpers.append(process)
        if b"serving" not in process.stdout.readline():
            raise Failure(f"the {name} does not serve; see its log")
        return process

    def begin_everything(self):
        self.begin_helper("resource_process", sys.executable, "-B", HERE / "resource.py",
                          *(["--unchecked"] if self.options.unchecked else []),
                          self.resource, self.directory / "resource.log")
        if self.options.lost_replies > 0:
            self.network = self.begin_helper(
                "network", self.programs / "tools/fault_test/fault_proxy",
                f"--port={self.client_address.split(':')[1]}", f"--server-port={self.address.split(':')[1]}",
                f"--events={self.directory}/network.history", f"--seed={self.random.randrange(1 << 30)}",
                f"--requests-per-fault={REQUESTS_PER_FAULT}")
        for _ in range(CLIENTS if self.options.callers > 0 else 0):
            self.begin_client()
        transports = TRANSPORTS[self.options.transport]
        for number in range(1, HOLDERS + 1):
            self.holders.append(Client(
                self, f"h{number}", transports[number % len(transports)],
                "tools/fault_test/holder_client", f"--resource={self.resource}",
                *(["--ignore-recover"] if self.options.ignore_recover else [])))

    def lost_replies(self):
        """How many there have been."""
        path = self.directory / "network.history"
        return path.read_bytes().count(b'"lost_reply"') if path.exists() else 0

    def pause(self, who, leases):
        """Stops these for so many times the lease."""
        self.live(self.random.uniform(0.2, 0.6))
        left = {"holder": self.random.sample(self.holders, len(self.holders)), "caller": list(self.clients)}
        stopped = {}
        for kind in who:
            if kind == "server":
                stopped["server"] = self.server
            elif left[kind]:
                client = left[kind].pop()
                stopped[client.name] = client
        self.stop_for(leases * LEASE, **stopped)
        self.pauses += 1

    def go_on_until_done(self, progress, begin):
        """Until all replies are lost that are to be, and the time is over."""
        wanted = self.options.lost_replies
        patience = begin + self.options.seconds + 60 + wanted / 5
        while (lost := self.lost_replies()) < wanted or time.monotonic() < begin + self.options.seconds:
            if time.monotonic() > patience:
                raise Failure(f"there were only {lost} of {wanted} lost replies; "
                              "has the machine too much to do, or does latchkeyd not answer?")
            self.live(0.2)
            self.check_clients()
            progress.show(f"{self.so_far()}, {time.monotonic() - begin:.0f} s".lstrip(", "))

    def so_far(self):
        parts = [(self.kills, self.options.kills, "kills"), (self.pauses, len(self.options.pauses), "pauses"),
                 (self.lost_replies(), self.options.lost_replies, "lost replies")]
        return ", ".join(f"{done} of {wanted} {what}" for done, wanted, what in parts if wanted)

    def run(self, progress):
        begin = time.monotonic()
        try:
            if self.options.kills == 0:
                self.begin_life()
                self.serve()
            self.begin_everything()
            while self.kills < self.options.kills:
                self.kill_once()
                progress.show(self.so_far())
            if self.options.kills > 0:
                self.begin_life()
                self.serve()
            for who, leases in self.options.pauses:
                self.pause(who, leases)
                self.check_clients()
                progress.show(self.so_far())
            self.go_on_until_done(progress, begin)
            if self.options.lost_replies > 0:
                self.network.send_signal(signal.SIGUSR1)
            self.heal(progress)
        finally:
            self.close()

    def close(self):
        super().close()
        for process in self.helpers:
            process.kill()
            process.wait()
