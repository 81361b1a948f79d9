"""A latchkeyd and the command line, as an operator uses them.

LATCHKEY_PROGRAMS is the build directory, in which the programs are.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAMS = pathlib.Path(os.environ["LATCHKEY_PROGRAMS"])
REFUSED = 65


class Server:
    """A latchkeyd that serves, with what a test asks of it."""

    def __init__(self, directory, store):
        self._process = subprocess.Popen(
            [PROGRAMS / "server/latchkeyd", "--listen-address=127.0.0.1:0", f"--store={store}",
             f"--backup-directory={directory}/backups"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self._process.stdout.readline().split()[-1]

    def stop(self):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


def latchkey(*arguments, text=None):
    return subprocess.run([PROGRAMS / "tools/latchkey/latchkey", *arguments], input=text,
                          capture_output=True, text=True, check=False)


class OperatorTest(unittest.TestCase):
    """A directory, and at most one server at a time."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="latchkey-restore-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.store = self.directory / "store"
        self.server = None
        self.addCleanup(self.stop)

    def start(self, store=None):
        self.stop()
        self.server = Server(self.directory, store or f"rocksdb:{self.store}")

    def stop(self):
        if self.server is not None:
            self.server.stop()
        self.server = None

    def ask(self, *arguments, code=0):
        done = latchkey(*arguments, f"--address={self.server.address}", "--output=json")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def status(self):
        """As people see it."""
        return self.run_offline("status", f"--address={self.server.address}").stdout

    def run_offline(self, *arguments, text=None):
        done = latchkey(*arguments, text=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def expect_refused(self, why, *arguments, text=None, code=REFUSED):
        """One clear line, and nothing half done."""
        before = sorted(path.name for path in self.directory.iterdir())
        done = latchkey(*arguments, text=text)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(why, done.stderr)
        self.assertEqual(sorted(path.name for path in self.directory.iterdir()), before)

    def complete(self, key):
        """Locks a key and records a result; the token."""
        grant = self.ask("acquire", key)
        token = grant["grant"]["fencing_token"] if "grant" in grant else grant["fencing_token"]
        self.ask("record", key, f"--token={token}", "--outcome=succeeded", f"--reference=pay_{key}")
        return int(token)
