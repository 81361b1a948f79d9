"""The calls of the coordination service, bad input, help and completion."""

import pathlib
import re
import subprocess
import unittest

import documents
import programs
import rig

_HELD, _WAITED_IN_VAIN, _IN_DOUBT = 73, 124, 75
_USAGE, _REFUSED, _ABSENT, _UNAVAILABLE, _FAILED = 2, 65, 66, 69, 1

SUBCOMMANDS = ("once", "lock", "acquire", "renew", "check", "record", "release", "issue-key", "get", "list",
               "watch", "resolve", "force-release", "delete", "clear-restore-doubt", "status", "backup",
               "restore", "etcd-restored", "export", "import", "completion")


class FlowTest(rig.ServedTest):
    def test_acquire_renew_record_and_check(self):
        acquired = self.good("acquire", "a", "--lease=5m", "--holder=checkout-1")
        self.assertRegex(acquired.output, r"(?m)^fencing token +\d+$")
        self.assertRegex(acquired.output, r"(?m)^mode +EXECUTE$")
        token = re.search(r"fencing token +(\d+)", acquired.output).group(1)
        held = self.run_latchkey("check", "a")
        self.assertEqual(held.code, _HELD)
        self.assertRegex(held.output, r"(?m)^holder +checkout-1$")
        renewed = self.good("renew", "a", "--token", token, "--lease=10m", "--checkpoint=page 7")
        self.assertRegex(renewed.output, r"^lease left  (9m59s|10m)$")
        recorded = self.good("record", "a", "--token", token, "--outcome=succeeded", "--code=captured",
                             "--reference=ch_42", "--payload=hello", "--content-type=text/plain")
        self.assertIn("SUCCEEDED", recorded.output)
        again = self.good("record", "a", "--token", token, "--outcome=succeeded", "--code=captured",
                          "--reference=ch_42", "--payload=hello", "--content-type=text/plain")
        self.assertIn("recorded before", again.output)
        checked = self.good("check", "a")
        for line in (r"state +COMPLETED", r"outcome +SUCCEEDED", r"code +captured", r"reference +ch_42",
                     r"content type +text/plain", r"payload +hello"):
            self.assertRegex(checked.output, rf"(?m)^{line}$")
        self.assertRegex(self.good("acquire", "a").output, r"(?m)^state +COMPLETED$")
        self.assertEqual(self.good("acquire", "a", "--output=json").json()["completed"]["result"]["code"],
                         "captured")

    def test_a_lock_that_is_held_is_told_by_the_exit_code(self):
        self.acquire("a", "--holder=somebody-else")
        self.complains(_HELD, "held by somebody-else", "acquire", "a")
        self.complains(_WAITED_IN_VAIN, "held by somebody-else", "acquire", "a", "--wait=100ms")
        self.assertEqual(self.run_latchkey("check", "a", "--wait=100ms").code, _WAITED_IN_VAIN)

    def test_waits_for_the_lock_and_for_the_result(self):
        token = self.acquire("a")
        waiting = self.start("acquire", "a", "--wait=60s", "--output=json")
        checking = self.start("check", "a", "--wait=60s")
        self.wait_for_waiters("a", 2)
        self.good("record", "a", "--token", token, "--outcome=rejected", "--code=declined")
        self.assertEqual(self.ended(waiting).json()["completed"]["result"]["code"], "declined")
        checked = self.ended(checking)
        self.assertEqual(checked.code, 0)
        self.assertRegex(checked.output, r"(?m)^outcome +REJECTED$")

    def test_release_and_doubt(self):
        token = self.acquire("a")
        self.assertRegex(self.good("release", "a", "--token", token).output, r"^state +ABSENT$")
        self.assertEqual(self.run_latchkey("check", "a").code, _ABSENT)
        token = self.acquire("a")
        self.good("renew", "a", "--token", token, "--effect-started")
        released = self.good("release", "a", "--token", token)
        self.assertRegex(released.output, r"^state +IN_DOUBT$")
        self.assertEqual(self.run_latchkey("check", "a").code, _IN_DOUBT)
        self.complains(_IN_DOUBT, "--accept-recover", "acquire", "a")
        recovered = self.good("acquire", "a", "--accept-recover")
        self.assertRegex(recovered.output, r"(?m)^mode +RECOVER$")
        self.assertRegex(recovered.output, r"(?m)^action +QUERY_ONLY$")

    def test_an_attempt_can_be_repeated_and_ended_by_its_name(self):
        first = self.acquire("a", "--attempt-id=try-1")
        self.assertEqual(self.acquire("a", "--attempt-id=try-1"), first)
        self.good("release", "a", "--attempt-id=try-1")
        self.complains(_REFUSED, "ATTEMPT_ENDED", "acquire", "a", "--attempt-id=try-1")

    def test_on_lapse_forget_leaves_nothing(self):
        token = self.acquire("a", "--on-lapse=forget")
        self.assertRegex(self.good("release", "a", "--token", token, "--effect=unknown").output, "ABSENT")

    def test_refusals_have_their_reason(self):
        token = self.acquire("a", "--fingerprint=10 EUR")
        self.complains(_REFUSED, "(FINGERPRINT_MISMATCH)", "acquire", "a", "--fingerprint=11 EUR")
        self.complains(_REFUSED, "(FINGERPRINT_MISMATCH)", "check", "a", "--fingerprint=11 EUR")
        self.complains(_REFUSED, "(STALE_FENCING_TOKEN)", "renew", "a", "--token", int(token) + 10**9)
        self.complains(_ABSENT, "(KEY_UNKNOWN)", "renew", "b", "--token", token)
        self.complains(_REFUSED, "(KEY_EXPIRED)", "acquire", "c", "--first-sent-at=2001-01-01T00:00:00Z")

    def test_issue_key(self):
        key = self.good("issue-key").output
        self.assertRegex(key, r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}\n$")
        self.assertNotEqual(self.good("issue-key").output, key)

    def test_a_payload_comes_from_a_file_or_the_standard_input(self):
        token = self.acquire("a")
        self.complains(_FAILED, "/no/such/file", "record", "a", "--token", token, "--outcome=succeeded",
                       "--payload-file=/no/such/file")
        self.good("record", "a", "--token", token, "--outcome=succeeded",
                  "--payload-file=" + str(documents.ROOT / "LICENSE"))
        self.assertIn("bytes", self.good("check", "a").output)

    def test_namespaces_do_not_meet(self):
        self.acquire("a")
        self.assertEqual(self.run_latchkey("check", "a", "--namespace=other").code, _ABSENT)
        self.assertEqual(self.run_latchkey("-n", "other", "check", "a").code, _ABSENT)


class BadInputTest(rig.ServedTest):
    def test_wrong_usage_is_one_line(self):
        for part, *arguments in [
                ("subcommand is required",),
                ("--kye", "get", "a", "--kye=a"),
                ("--key is required", "get"),
                ("no duration", "acquire", "a", "--lease=soon"),
                ("no time", "acquire", "a", "--first-sent-at=yesterday"),
                ("--outcome", "record", "a", "--token=1", "--outcome=maybe"),
                ("--token is required", "record", "a", "--outcome=succeeded"),
                ("--token", "renew", "a", "--token=0"),
                ("--token", "renew", "a", "--token=x"),
                ("excludes", "release", "a", "--token=1", "--attempt-id=b"),
                ("--reason is required", "delete", "a", "--token=1"),
                ("--limit", "list", "--limit=0"),
                ("excludes", "list", "--limit=5", "--all"),
                ("--state", "list", "--state=lost"),
                ("--output", "list", "--output=yaml"),
                ("no command is given", "once", "--key=a"),
                ("no command is given", "once", "--key=a", "--"),
                ("--key is required", "once", "--", "true"),
                ("takes no command", "get", "a", "--", "true"),
                ("excludes", "lock", "--key=a", "--wait=1s", "--nonblock", "--", "true"),
                ("--conflict-exit-code", "lock", "--key=a", "-E", "300", "--", "true"),
                ("--tls-cert and --tls-key", "get", "a", "--tls-cert=x"),
                ("tcsh", "completion", "tcsh")]:
            with self.subTest(arguments=arguments):
                ended = self.complains(_USAGE, part, *arguments)
                self.assertIn("--help", ended.errors)
                self.assertEqual(ended.output, "")

    def test_what_the_service_finds_wrong_is_usage_too(self):
        self.complains(_USAGE, "(KEY_TOO_LONG)", "get", "a" * 256)
        self.complains(_USAGE, "(KEY_MALFORMED)", "once", "--key=a b", "--", "true")
        self.complains(_USAGE, "(LEASE_DURATION_OUT_OF_RANGE)", "acquire", "a", "--lease=1h")
        self.complains(_USAGE, "(LEASE_DURATION_OUT_OF_RANGE)", "lock", "--key=a", "--lease=1h", "--", "true")
        self.complains(_USAGE, "(NAMESPACE_MALFORMED)", "get", "a", "--namespace=no blanks")
        self.complains(_USAGE, "\"seven\"", "delete", "a", "--token=seven", "--reason=x")

    def test_a_service_that_is_not_there_runs_nothing(self):
        away = {"LATCHKEY_ADDRESS": "127.0.0.1:1", "LATCHKEY_TIMEOUT": "300ms"}
        for arguments in (["get", "a"], ["status"], ["watch"], ["once", "--key=a", "--", "echo", "ran"],
                          ["lock", "--key=a", "--", "echo", "ran"]):
            with self.subTest(arguments=arguments):
                ended = self.complains(_UNAVAILABLE, "127.0.0.1:1 ", *arguments, **away)
                self.assertEqual(ended.output, "")

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([programs.environment("LATCHKEY"), "issue-key"], stdout=full,
                                  stderr=subprocess.PIPE, env=self.environment(), timeout=rig.DEADLINE)
        self.assertEqual((done.returncode, done.stderr),
                         (_FAILED, b"latchkey: the standard output cannot be written\n"))

    def test_output_is_no_terminal_so_there_are_no_colours_unless_told(self):
        self.acquire("a")
        self.assertNotIn("\033", self.run_latchkey("get", "a").output)
        self.assertIn("\033[33mHELD\033[0m", self.run_latchkey("get", "a", "--color=always").output)

    def test_what_others_wrote_does_not_drive_the_terminal(self):
        token = self.acquire("a")
        self.good("record", "a", "--token", token, "--outcome=succeeded", "--code=\033[2J",
                  "--payload=\a\033]0;x")
        for arguments in (["check", "a"], ["get", "a"], ["list"]):
            self.assertNotRegex(self.good(*arguments).output, r"[\x00-\x09\x0b-\x1f\x7f]")


class HelpTest(unittest.TestCase):
    def help(self, *arguments):
        done = subprocess.run([programs.environment("LATCHKEY"), *arguments, "--help"], capture_output=True,
                              text=True, timeout=rig.DEADLINE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_names_every_subcommand_and_each_has_an_example(self):
        text = self.help()
        for name in SUBCOMMANDS:
            with self.subTest(name):
                self.assertRegex(text, rf"(?m)^  {name} ")
                self.assertRegex(self.help(name), rf"(?s)Example:\n.*latchkey {name}\b")

    def test_the_exit_codes_are_those_of_the_guide(self):
        told = re.findall(r"(?m)^ +(\d+)  (\S.*)$", self.help().partition("Exit codes:")[2])
        rows = documents.table(pathlib.Path(documents.ROOT / "docs/cli.md"), ["exit code", "means"])[1:]
        self.assertEqual([[code, meaning] for code, meaning in told], [row[:2] for row in rows])

    def test_version(self):
        done = subprocess.run([programs.environment("LATCHKEY"), "--version"], capture_output=True, text=True,
                              timeout=rig.DEADLINE)
        self.assertRegex(done.stdout, r"^latchkey \d+\.\d+\.\d+\n$")


class CompletionTest(unittest.TestCase):
    def complete(self, *words):
        """What bash offers for the last word."""
        quoted = " ".join(f"'{word}'" for word in words)
        script = (f"source <('{programs.environment('LATCHKEY')}' completion bash)\n"
                  f"COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1} COMPREPLY=()\n"
                  "_latchkey; printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True,
                              timeout=rig.DEADLINE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_subcommands(self):
        self.assertEqual(set(SUBCOMMANDS) - set(self.complete("latchkey", "")), set())
        self.assertEqual(self.complete("latchkey", "rec"), ["record"])
        self.assertEqual(self.complete("latchkey", "--output", "json", "on"), ["once"])

    def test_options(self):
        self.assertEqual(self.complete("latchkey", "once", "--if"), ["--if-in-doubt"])
        self.assertIn("--address", self.complete("latchkey", "once", "--"))
        self.assertNotIn("--if-in-doubt", self.complete("latchkey", "get", "--"))

    def test_values(self):
        self.assertEqual(self.complete("latchkey", "get", "--output", ""), ["table", "json"])
        self.assertEqual(self.complete("latchkey", "list", "--state", "=", "in"), ["in-doubt"])
        self.assertEqual(self.complete("latchkey", "list", "--state", "="), ["held", "in-doubt", "completed"])

    def test_a_command_after_the_dashes_is_one_of_the_machine(self):
        self.assertIn("true", self.complete("latchkey", "once", "--key", "a", "--", "tru"))


if __name__ == "__main__":
    unittest.main()
