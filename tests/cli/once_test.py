"""`latchkey once`: what it promises to a fleet, and how each run can end."""

import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

import rig

_REFUSED, _HELD, _IN_DOUBT, _WAITED_IN_VAIN = 65, 73, 75, 124
_LIMIT = 65536


class OnceTest(rig.ServedTest):
    """With a directory in which commands leave traces."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.runs_file = self.directory / "runs"

    def once(self, script, *options, key="job"):
        return self.run_latchkey("once", f"--key={key}", *options, "--", "sh", "-c", script)

    def start_once(self, script, *options, key="job"):
        return self.start("once", f"--key={key}", *options, "--", "sh", "-c", script)

    def counted(self, script):
        """The script, leaving a line for every run of it."""
        return f"echo $$ >>{self.runs_file}; {script}"

    def runs(self):
        return len(self.runs_file.read_text().splitlines()) if self.runs_file.exists() else 0

    def wait_for(self, name):
        return rig.wait_until(lambda: (path := self.directory / name).exists() and path.read_text(), name)

    def dead(self, pid):
        """Whether nothing runs under this id any more."""
        try:
            stat = pathlib.Path(f"/proc/{int(pid)}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return stat.rpartition(")")[2].split()[0] in "ZX"

    def never_ends(self, before="true"):
        """A script that leaves the ids of itself and of a child of it."""
        to = self.directory
        return self.counted(f"{before}; sleep 1000 & echo $! >{to}/child; "
                            f"echo $$ >{to}/pid.new; mv {to}/pid.new {to}/pid; wait")

    def until_go(self):
        """A line that waits until `go` is there."""
        return f"until [ -e {self.directory}/go ]; do sleep 0.05; done"

    def go(self):
        (self.directory / "go").touch()


class FleetTest(OnceTest):
    def test_twenty_callers_at_once_are_one_run_and_twenty_equal_outputs(self):
        script = self.counted("echo out $$; echo err $$ >&2; exit 3")
        callers = [self.start_once(script, "--wait=60s") for _ in range(20)]
        ended = [self.ended(caller) for caller in callers]
        self.assertEqual(self.runs(), 1)
        self.assertEqual({(one.code, one.output, one.errors) for one in ended},
                         {(3, ended[0].output, ended[0].errors)})
        self.assertRegex(ended[0].output, r"^out \d+\n$")
        self.assertRegex(ended[0].errors, r"^err \d+\n$")

    def test_who_comes_later_gets_the_same(self):
        first = self.once(self.counted("echo $$; exit 0"))
        self.assertEqual(first.code, 0)
        again = self.once(self.counted("echo $$; exit 0"), "--verbose")
        self.assertEqual((again.code, again.output, self.runs()), (0, first.output, 1))
        self.assertIn("replayed", again.errors)

    def test_who_does_not_wait_is_told_who_runs_it(self):
        runner = self.start_once(f"echo >{self.directory}/began; {self.until_go()}; echo done",
                                 "--holder=worker-7")
        self.wait_for("began")
        self.complains(_HELD, "held by worker-7", "once", "--key=job", "--", "echo", "ran")
        self.complains(_WAITED_IN_VAIN, "held by worker-7", "once", "--key=job", "--wait=200ms", "--",
                       "echo", "ran")
        waiter = self.start_once("echo ran", "--wait=60s")
        self.go()
        self.assertEqual([self.ended(one).output for one in (runner, waiter)], ["done\n", "done\n"])

    def test_namespaces_are_two_fleets(self):
        for name in ("night", "day"):
            self.assertEqual(self.once(self.counted("true"), f"--namespace={name}").code, 0)
        self.assertEqual(self.runs(), 2)

    def test_another_fingerprint_is_refused(self):
        self.assertEqual(self.once("echo secret", "--fingerprint=monday").code, 0)
        refused = self.complains(_REFUSED, "FINGERPRINT_MISMATCH", "once", "--key=job",
                                 "--fingerprint=tuesday", "--", "true")
        self.assertNotIn("secret", refused.output + refused.errors)


class OutputTest(OnceTest):
    def test_any_bytes_come_back(self):
        script = "head -c 20000 /dev/urandom; head -c 20000 /dev/urandom >&2"
        first, again = self.once(script), self.once(script)
        self.assertEqual((len(first.raw), len(first.raw_errors)), (20000, 20000))
        self.assertEqual((again.raw, again.raw_errors), (first.raw, first.raw_errors))

    def test_what_is_over_the_limit_is_passed_through_and_kept_cut(self):
        script = "yes out | head -c 300000; yes err | head -c 200000 >&2"
        first = self.once(script)
        self.assertEqual((first.code, len(first.raw), len(first.raw_errors)), (0, 300000, 200000))
        again = self.once(script)
        self.assertEqual(again.code, 0)
        kept = len(again.raw)
        self.assertTrue(_LIMIT // 2 - 100 < kept < _LIMIT // 2, kept)
        self.assertEqual(again.raw, first.raw[:kept])
        said = again.errors.splitlines()[-1]
        self.assertIn(f"latchkey: stdout was cut: the first {kept} of 300000 bytes were kept", said)
        self.assertIn("of 200000 bytes were kept", said)
        self.assertTrue(first.raw_errors.startswith(again.raw_errors[:kept]))

    def test_a_smaller_limit_keeps_less(self):
        self.once("echo 0123456789", "--output-limit=70")
        again = self.once("")
        self.assertEqual(again.output, "012345")
        self.assertIn("the first 6 of 11 bytes", again.errors)

    def test_output_is_passed_through_while_it_runs(self):
        runner = self.start_once(f"echo first; {self.until_go()}; echo second")
        self.assertEqual(runner.stdout.readline(), b"first\n")
        self.go()
        self.assertEqual(self.ended(runner).output, "second\n")

    def test_a_reader_that_goes_does_not_matter(self):
        runner = self.start_once(f"{self.until_go()}; yes | head -c 200000")
        runner.stdout.close()
        self.go()
        runner.stdout = None
        self.assertEqual(self.ended_without_output(runner), 0)
        self.assertEqual(self.once("").raw[:4], b"y\ny\n")

    def ended_without_output(self, process):
        process.stderr.read()
        process.stderr.close()
        return process.wait(rig.DEADLINE)

    def test_retention_of_nothing_keeps_the_exit_code(self):
        self.once("echo hello; exit 4", "--retention=0s")
        again = self.once("")
        self.assertEqual((again.code, again.output), (4, ""))
        self.assertIn("not kept any more", again.errors)

    def test_who_is_left_behind_does_not_hold_up_the_end(self):
        ended = self.once(f"echo hello; sleep 1000 & echo $! >{self.directory}/left")
        self.assertEqual((ended.code, ended.output), (0, "hello\n"))
        os.kill(int(self.wait_for("left")), signal.SIGKILL)


class ResultTest(OnceTest):
    def test_a_failure_is_a_result(self):
        first = self.once(self.counted("echo no >&2; exit 9"))
        self.assertRegex(self.good("check", "job").output, r"(?m)^stderr +no")
        again = self.once(self.counted("echo no >&2; exit 9"))
        self.assertEqual((first.code, again.code, again.errors, self.runs()), (9, 9, "no\n", 1))
        record = self.good("get", "job", "--output=json").json()["record"]["result"]
        self.assertEqual((record["outcome"], record["code"]), ("REJECTED", "exit 9"))
        self.assertEqual(record["content_type"], "application/vnd.latchkey.command-result")

    def test_a_failure_without_effect_may_be_tried_again(self):
        for _ in range(2):
            self.assertEqual(self.once(self.counted("exit 9"), "--retry-on-failure").code, 9)
        self.assertEqual(self.state("job"), "ABSENT")
        self.assertEqual(self.once(self.counted("exit 0"), "--retry-on-failure").code, 0)
        self.assertEqual(self.once(self.counted("exit 9"), "--retry-on-failure").code, 0)
        self.assertEqual(self.runs(), 3)

    def test_a_command_that_cannot_be_executed_leaves_the_key_free(self):
        self.complains(127, "/no/such/program", "once", "--key=job", "--", "/no/such/program")
        self.complains(127, "no-such-program", "once", "--key=job", "--", "no-such-program")
        self.complains(126, "Permission denied", "once", "--key=job", "--", str(self.directory))
        self.assertEqual(self.state("job"), "ABSENT")
        self.assertEqual(self.once("echo now").output, "now\n")

    def test_the_command_is_told_what_it_runs_under(self):
        told = self.once("env | grep ^LATCHKEY_ | sort", "--holder=me").output
        record = self.good("get", "job", "--output=json").json()["record"]
        self.assertEqual(dict(line.split("=", 1) for line in told.splitlines()), {
            "LATCHKEY_ADDRESS": self.address,
            "LATCHKEY_ATTEMPT_NUMBER": "1",
            "LATCHKEY_CHECKPOINT": "",
            "LATCHKEY_DOWNSTREAM_KEY": record["downstream_idempotency_key"],
            "LATCHKEY_FENCING_TOKEN": record["fencing_token"],
            "LATCHKEY_KEY": "job",
            "LATCHKEY_MODE": "EXECUTE",
            "LATCHKEY_NAMESPACE": record["namespace"]})

    def test_arguments_and_dashes_arrive_as_they_are(self):
        ended = self.run_latchkey("once", "--key=job", "--", "printf", "[%s]", "a b", "--", "--key=x", "")
        self.assertEqual(ended.output, "[a b][--][--key=x][]")

    def test_what_an_operator_settled_is_told(self):
        token = self.doubt("job")
        self.good("resolve", "job", "--token", token, "--outcome=rejected", "--reason=never ran",
                  "--payload=sorry")
        ended = self.once("echo ran")
        self.assertEqual((ended.code, ended.output), (1, "sorry"))
        self.assertIn("not recorded by `latchkey once`", ended.errors)


class DoubtTest(OnceTest):
    def test_a_machine_that_is_lost_leaves_doubt_and_nothing_runs_again_unless_told(self):
        runner = self.start_once(self.never_ends(), "--lease=1s")
        for pid in (int(self.wait_for("pid")), int(self.wait_for("child")), runner.pid):
            os.kill(pid, signal.SIGKILL)
        rig.wait_until(lambda: self.state("job") == "IN_DOUBT", "the lapse")
        lost = self.complains(_IN_DOUBT, "is in doubt", "once", "--key=job", "--", "echo", "ran")
        self.assertEqual(lost.output, "")
        self.complains(_IN_DOUBT, "is in doubt", "once", "--key=job", "--wait=200ms", "--", "echo", "ran")
        rerun = self.once("echo $LATCHKEY_MODE $LATCHKEY_ATTEMPT_NUMBER", "--if-in-doubt=rerun")
        self.assertEqual((rerun.code, rerun.output, rerun.errors), (0, "RECOVER 2\n", ""))
        self.assertEqual(self.once("").output, rerun.output)

    def test_who_waits_when_the_machine_is_lost_does_not_run_it_either(self):
        runner = self.start_once(self.never_ends(), "--lease=1s")
        self.wait_for("pid")
        waiters = [self.start_once(self.counted("true"), "--wait=60s") for _ in range(3)]
        self.wait_for_waiters("job", 3)
        runner.kill()
        self.assertEqual([self.ended(waiter).code for waiter in waiters], [_IN_DOUBT] * 3)
        self.assertEqual(self.runs(), 1)

    def test_a_command_does_not_outlive_who_runs_it(self):
        runner = self.start_once(self.never_ends())
        pid = self.wait_for("pid")
        runner.kill()
        rig.wait_until(lambda: self.dead(pid), "the command's end")

    def test_a_command_that_a_signal_ended_is_in_doubt(self):
        ended = self.once(self.counted("echo begun; kill -9 $$"))
        self.assertEqual((ended.code, ended.output), (_IN_DOUBT, "begun\n"))
        self.assertIn("signal 9", ended.errors)
        self.assertEqual(self.state("job"), "IN_DOUBT")

    def test_a_checkpoint_is_handed_on(self):
        self.once(f"{os.environ['LATCHKEY']} renew $LATCHKEY_KEY --token=$LATCHKEY_FENCING_TOKEN "
                  "--checkpoint='page 7' >&2; kill -9 $$")
        self.assertEqual(self.once("echo $LATCHKEY_CHECKPOINT", "--if-in-doubt=rerun").output, "page 7\n")


class LostServiceTest(OnceTest):
    """With a server that goes while the command runs."""

    def setUp(self):
        super().setUp()
        self.server = subprocess.Popen(
            [os.environ["LATCHKEYD"], "--store=memory:", "--listen-address=127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.end, self.server)
        self.address = self.server.stdout.readline().split()[-1]

    def test_a_result_that_is_not_confirmed_is_no_result(self):
        runner = self.start_once(f"touch {self.directory}/began; {self.until_go()}; echo done",
                                 "--record-timeout=500ms")
        rig.wait_until((self.directory / "began").exists, "the run")
        self.server.kill()
        self.server.wait()
        self.go()
        ended = self.ended(runner)
        self.assertEqual((ended.code, ended.output), (_IN_DOUBT, "done\n"))
        self.assertIn("the command ran (exit code 0), but the service has not confirmed that", ended.errors)

    def test_a_command_is_ended_before_its_lease_is_over(self):
        runner = self.start_once(self.never_ends("trap '' TERM"), "--lease=3s", "--kill-after=500ms")
        self.wait_for("pid")
        self.server.kill()
        ended = self.ended(runner)
        self.assertEqual(ended.code, _IN_DOUBT)
        self.assertIn("the lease was lost", ended.errors)
        for name in ("pid", "child"):
            self.assertTrue(self.dead(self.wait_for(name)), name)


class ProcessTest(OnceTest):
    def test_it_is_renewed_while_it_runs(self):
        runner = self.start_once(self.until_go(), "--lease=2s", "--kill-after=100ms")
        rig.wait_until(lambda: self.run_latchkey("check", "job").code == _HELD, "the run")
        lapsed = self.run_latchkey("check", "job", "--wait=5s")
        self.assertEqual(lapsed.code, _WAITED_IN_VAIN)
        self.go()
        self.assertEqual(self.ended(runner).code, 0)

    def lose(self, before, *options):
        """Starts a run that never ends, ends its lease, and gives how it ended."""
        runner = self.start_once(self.never_ends(before), *options)
        self.wait_for("pid")
        self.good("force-release", "job", "--token=current", "--reason=test")
        return self.ended(runner)

    def test_a_lost_lease_ends_the_whole_group(self):
        ended = self.lose("true", "--lease=3s")
        self.assertEqual(ended.code, _IN_DOUBT, ended)
        self.assertIn("the lease was lost", ended.errors)
        for name in ("pid", "child"):
            self.assertTrue(self.dead(self.wait_for(name)), name)

    def test_who_does_not_want_to_end_is_killed(self):
        ended = self.lose("trap '' TERM", "--lease=3s", "--kill-after=500ms")
        self.assertEqual(ended.code, _IN_DOUBT, ended)
        for name in ("pid", "child"):
            self.assertTrue(self.dead(self.wait_for(name)), name)

    def test_who_is_done_when_told_to_stop_is_heard(self):
        done = f"trap 'echo done; kill $(cat {self.directory}/child); exit 0' TERM"
        ended = self.lose(done, "--lease=3s")
        self.assertEqual((ended.code, ended.output), (0, "done\n"))
        self.assertEqual(self.once("").output, "done\n")

    def test_signals_are_handed_on(self):
        for name, exit_code in (("INT", 0), ("TERM", 7), ("HUP", 0)):
            with self.subTest(signal=name):
                pid = self.directory / "pid"
                pid.unlink(missing_ok=True)
                trap = f"trap 'echo {name}; kill $(cat {self.directory}/child); exit {exit_code}' {name}"
                runner = self.start_once(self.never_ends(trap), key=name)
                self.wait_for("pid")
                runner.send_signal(getattr(signal, "SIG" + name))
                ended = self.ended(runner)
                self.assertEqual(ended.output, name + "\n")
                # Told to stop, only what says that it is done is.
                self.assertEqual(ended.code, 0 if exit_code == 0 else _IN_DOUBT)
                self.assertEqual(self.state(name), "COMPLETED" if exit_code == 0 else "IN_DOUBT")

    def test_a_signal_ends_the_waiting(self):
        self.acquire("job", "--holder=somebody")
        waiting = self.start_once("echo ran", "--wait=60s")
        self.wait_for_waiters("job")
        waiting.terminate()
        ended = self.ended(waiting)
        self.assertEqual((ended.code, ended.output), (128 + signal.SIGTERM, ""))
        self.assertIn("nothing was run", ended.errors)

    def test_the_input_of_the_command_is_ours(self):
        done = subprocess.run([os.environ["LATCHKEY"], "once", "--key=job", "--", "cat"], input=b"hello",
                              capture_output=True, env=self.environment(), timeout=rig.DEADLINE)
        self.assertEqual((done.returncode, done.stdout), (0, b"hello"))


if __name__ == "__main__":
    unittest.main()
