"""latchkeyd as a child process."""

import ctypes
import os
import random
import select
import signal
import socket
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def die_with_parent():
    """In a new child: it does not outlive whoever started it."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    """One that the kernel gives to nobody who asks for any, so that it is still free after a kill."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue  # in use


class Server:
    """One life of latchkeyd."""

    def __init__(self, program, address, directory, environment, log, store=None, name="latchkeyd"):
        self._log_file = directory / f"{name}.log"
        self._log = log
        self._output = b""
        log.write(event="server_start", environment=environment)
        with open(self._log_file, "ab") as errors:
            self._process = subprocess.Popen(
                [program, f"--listen-address={address}", f"--store={store or f'rocksdb:{directory}/store'}",
                 "--drain-timeout=2s"],
                env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=errors,
                preexec_fn=die_with_parent)
        os.set_blocking(self._process.stdout.fileno(), False)

    def await_serving(self, seconds):
        """Whether it says so in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._process.poll() is None:
            select.select([self._process.stdout], [], [], 0.05)
            self._output += self._process.stdout.read() or b""
            if b"is serving" in self._output:
                self._log.write(event="serving")
                return True
        return False

    def wait(self, seconds):
        """Whether it ends in time."""
        try:
            self._process.wait(timeout=seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def send_signal(self, number):
        self._process.send_signal(number)

    def terminate(self):
        self._log.write(event="terminate")
        self._process.terminate()

    def kill(self):
        self._process.kill()
        self._process.wait()

    def exit_code(self):
        return self._process.returncode

    def was_killed(self):
        return self._process.returncode == -signal.SIGKILL

    def last_words(self):
        with open(self._log_file, encoding="utf-8", errors="replace") as lines:
            last = lines.readlines()[-3:]
        return f"exit code {self._process.returncode}, log: " + " | ".join(line.strip() for line in last)
