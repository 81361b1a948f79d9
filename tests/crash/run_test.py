"""Runs of tools/crash: of the server as it is, and of one that breaks its promise.

LATCHKEY_PROGRAMS is the build directory, in which the programs are; LATCHKEY_LINEARIZABILITY is the program
that judges linearizability.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

CRASH = pathlib.Path(__file__).parents[2] / "tools/crash_test/crash.py"


def crash(*arguments, directory=None):
    environment = dict(os.environ) if directory is None else {**os.environ, "TMPDIR": directory}
    return subprocess.run(
        [sys.executable, "-B", CRASH, f"--programs={os.environ['LATCHKEY_PROGRAMS']}",
         f"--linearizability={os.environ['LATCHKEY_LINEARIZABILITY']}", *arguments],
        env=environment, capture_output=True, text=True, check=False)


class CrashTest(unittest.TestCase):
    def test_promises_survive_20_kills(self):
        done = crash("--kills=20")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\nhistories=\d+ keys=\d+ operations=\d+ unknown=\d+ "
                                      r"violations=0 timeouts=0\n")
        last = done.stdout.splitlines()[-1]
        self.assertRegex(last, r"^kills=20 acknowledged=\d+ lapses=\d+ recovered=\d+ violations=0$")


class ControlTest(unittest.TestCase):
    def test_unsynced_promises_are_found_out(self):
        with tempfile.TemporaryDirectory() as directory:
            done = crash("--kills=6", "--skip-sync", directory=directory)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\nviolations: .*\bD1 [1-9]", done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\nhistories=.* violations=[1-9]\d* timeouts=\d+\n")
        violations = re.search(r"violations=(\d+)$", done.stdout.splitlines()[-1])
        self.assertGreater(int(violations[1]), 0)


if __name__ == "__main__":
    unittest.main()
