"""Runs of tools/faults: of the server as it is, and of what must fail.

LATCHKEY_PROGRAMS is the build directory, in which the programs are; LATCHKEY_LINEARIZABILITY is the program
that judges linearizability.
"""

import os
import pathlib
import subprocess
import sys
import unittest

FAULTS = pathlib.Path(__file__).parents[2] / "tools/fault_test/faults.py"


def faults(*arguments):
    return subprocess.run(
        [sys.executable, "-B", FAULTS, f"--programs={os.environ['LATCHKEY_PROGRAMS']}",
         f"--linearizability={os.environ['LATCHKEY_LINEARIZABILITY']}", *arguments],
        capture_output=True, text=True, check=False)


class FaultTest(unittest.TestCase):
    def test_promises_survive_6_pauses_and_200_lost_replies(self):
        done = faults("--pauses=6", "--lost-replies=200")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        last = done.stdout.splitlines()[-1]
        self.assertRegex(last, r"^kills=0 pauses=6 lost_replies=\d+ acknowledged=\d+ unknown=\d+ "
                               r"recovered=\d+ violations=0$")
        values = {name: int(value) for name, value in (pair.split("=") for pair in last.split())}
        self.assertGreaterEqual(values["lost_replies"], 200)

    def test_numbers_below_0_are_refused(self):
        self.assertEqual(faults("--pauses=-1").returncode, 2)


class ControlTest(unittest.TestCase):
    def test_each_control_fails(self):
        done = faults("--controls")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.splitlines()[-1], "controls=3 controls_failed=3")


if __name__ == "__main__":
    unittest.main()
