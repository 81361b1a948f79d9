"""`latchkey lock`: mutual exclusion for commands, as flock(1) has it on one machine."""

import pathlib
import signal
import tempfile
import unittest

import rig

_REFUSED, _HELD, _IN_DOUBT, _WAITED_IN_VAIN = 65, 73, 75, 124


class LockTest(rig.ServedTest):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def lock(self, script, *options):
        return self.run_latchkey("lock", "--key=lock", *options, "--", "sh", "-c", script)

    def hold(self, *options):
        """A holder that ends when the file `go` is there."""
        holder = self.start("lock", "--key=lock", "--holder=worker-7", *options, "--", "sh", "-c",
                            f"touch {self.directory}/began; "
                            f"until [ -e {self.directory}/go ]; do sleep 0.05; done")
        rig.wait_until((self.directory / "began").exists, "the holder")
        return holder

    def test_runs_with_the_commands_exit_code_and_remembers_nothing(self):
        for code in (0, 5):
            ended = self.lock(f"echo here; exit {code}")
            self.assertEqual((ended.code, ended.output, ended.errors), (code, "here\n", ""))
        self.assertEqual(self.state("lock"), "ABSENT")
        self.assertEqual(self.lock("kill -9 $$").code, 128 + signal.SIGKILL)
        self.assertEqual(self.run_latchkey("lock", "--key=lock", "--", "/no/such/program").code, 127)
        self.assertEqual(self.state("lock"), "ABSENT")

    def test_never_two_at_once(self):
        # Each adds one to a number that nothing else protects.
        number = self.directory / "number"
        number.write_text("0")
        script = f"n=$(cat {number}); sleep 0.02; echo $((n + 1)) >{number}"
        callers = [self.start("lock", "--key=lock", "--", "sh", "-c", script) for _ in range(10)]
        self.assertEqual({self.ended(caller).code for caller in callers}, {0})
        self.assertEqual(number.read_text().strip(), "10")

    def test_how_not_getting_it_ends(self):
        holder = self.hold()
        self.assertEqual(self.lock("echo ran", "--nonblock").code, _HELD)
        self.assertEqual(self.lock("echo ran", "--wait=0s").code, _HELD)
        self.assertEqual(self.lock("echo ran", "--nonblock", "-E", "1").code, 1)
        waited = self.lock("echo ran", "--wait=200ms")
        self.assertEqual((waited.code, waited.output), (_WAITED_IN_VAIN, ""))
        self.assertIn("held by worker-7", waited.errors)
        (self.directory / "go").touch()
        self.assertEqual(self.ended(holder).code, 0)
        self.assertEqual(self.lock("echo ran", "--nonblock").output, "ran\n")

    def test_a_lost_machine_frees_it_after_the_lease(self):
        holder = self.hold("--lease=1s")
        holder.kill()
        self.assertEqual(self.lock("echo ran").output, "ran\n")

    def test_a_lost_lock_ends_the_command(self):
        holder = self.hold("--lease=3s")
        self.good("force-release", "lock", "--token=current", "--reason=test")
        ended = self.ended(holder)
        self.assertEqual(ended.code, _IN_DOUBT)
        self.assertIn("the lock was lost", ended.errors)

    def test_signals_are_handed_on(self):
        holder = self.hold()
        holder.terminate()
        self.assertEqual(self.ended(holder).code, 128 + signal.SIGTERM)
        self.assertEqual(self.state("lock"), "ABSENT")

    def test_a_key_of_work_is_no_lock(self):
        token = self.doubt("lock")
        self.complains(_IN_DOUBT, "is no lock", "lock", "--key=lock", "--", "true")
        token = self.run_latchkey("get", "lock", "--output=json").json()["record"]["fencing_token"]
        self.good("resolve", "lock", "--token", token, "--outcome=succeeded", "--reason=x")
        self.complains(_REFUSED, "is no lock", "lock", "--key=lock", "--", "true")

    def test_it_is_a_lock_with_a_token(self):
        told = self.lock("echo $LATCHKEY_KEY $LATCHKEY_MODE $LATCHKEY_FENCING_TOKEN").output.split()
        self.assertEqual(told[:2], ["lock", "EXECUTE"])
        self.assertGreater(int(told[2]), 0)


if __name__ == "__main__":
    unittest.main()
