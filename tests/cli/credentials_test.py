"""The credentials that latchkey shows, against a server that asks for them over TLS."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

import programs
import rig

_UNAVAILABLE, _NO_PERMISSION = 69, 77


def _openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


class CredentialsTest(rig.ServedTest):
    """One server with a certificate of its own making, and one caller whom it knows."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        _openssl(cls.directory, "req", "-x509", "-nodes",
                 "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "server.key",
                 "-out", "server.crt", "-days", "2", "-subj", "/CN=localhost",
                 "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        minted = subprocess.run([programs.environment("LATCHKEYD"), "--new-token", "checkout *=use"],
                                check=True, capture_output=True, text=True)
        token, line = minted.stdout.splitlines()[:2]
        (cls.directory / "token").write_text(token + "\n")
        (cls.directory / "access").write_text(line + "\n")
        context = programs.server(f"--access-file={cls.directory}/access",
                                  f"--tls-certificate={cls.directory}/server.crt",
                                  f"--tls-key={cls.directory}/server.key")
        cls.address = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)

    def environment(self, **variables):
        return super().environment(**{"LATCHKEY_TLS_CA": f"{self.directory}/server.crt",
                                      "LATCHKEY_TOKEN_FILE": f"{self.directory}/token", **variables})

    def test_a_known_caller_may_do_what_its_role_allows(self):
        token = self.acquire("a")
        self.good("record", "a", f"--token={token}", "--outcome=succeeded")
        self.assertEqual(self.state("a"), "COMPLETED")
        self.complains(_NO_PERMISSION, "PERMISSION_DENIED", "delete", "a", f"--token={token}", "--reason=x")

    def test_the_library_s_calls_show_them_too(self):
        ended = self.good("once", "--key=b", "--", "echo", "done")
        self.assertEqual(ended.output, "done\n")

    def test_a_watch_shows_them_too(self):
        self.acquire("c")
        self.assertIn("HELD", self.good("watch", "--count=1").output)

    def test_whoever_is_not_known_is_refused(self):
        self.complains(_NO_PERMISSION, "CREDENTIALS_REQUIRED", "check", "a", LATCHKEY_TOKEN_FILE="")
        self.complains(_NO_PERMISSION, "CREDENTIALS_REQUIRED", "check", "a", LATCHKEY_TOKEN_FILE="",
                       LATCHKEY_TOKEN="latchkey_" + "A" * 43)

    def test_a_service_that_cannot_be_trusted_is_one_line_and_runs_nothing(self):
        _openssl(self.directory, "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-keyout", "other.key", "-out", "other.crt", "-days", "2",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        for command in (["check", "a"], ["once", "--key=a", "--", "echo", "ran"]):
            for why, option in (("certificate verify failed", f"--tls-ca={self.directory}/other.crt"),
                                ("Hostname Verification Check failed", "--tls-server-name=other.example")):
                ended = self.complains(_UNAVAILABLE, why, option, "--timeout=500ms", *command)
                self.assertEqual(ended.output, "")

    def test_files_that_are_not_there_are_named(self):
        missing = os.fspath(self.directory / "missing")
        ended = self.run_latchkey("check", "a", "--timeout=1s", LATCHKEY_TOKEN_FILE=missing)
        self.assertNotEqual(ended.code, 0)
        self.assertIn(missing, ended.errors)
        ended = self.run_latchkey("check", "a", "--timeout=1s", LATCHKEY_TLS_CA=missing)
        self.assertNotEqual(ended.code, 0)
        self.assertIn(missing, ended.errors)


class WithdrawnTest(rig.ServedTest):
    """A watch whose caller loses its right to it while it is open."""

    @classmethod
    def setUpClass(cls):
        pass  # every test has a server of its own

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.access = pathlib.Path(directory.name) / "access"
        minted = subprocess.run([programs.environment("LATCHKEYD"), "--new-token", "checkout *=use"],
                                check=True, capture_output=True, text=True)
        self.token, line = minted.stdout.splitlines()[:2]
        self.access.write_text(line + "\n")
        self.server = subprocess.Popen(
            [programs.environment("LATCHKEYD"), "--store=memory:", "--listen-address=127.0.0.1:0",
             f"--access-file={self.access}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.end, self.server)
        self.address = self.server.stdout.readline().split()[-1]
        self.acquire("a")

    def environment(self, **variables):
        return super().environment(LATCHKEY_TOKEN=self.token, **variables)

    def watch_under(self, rules):
        """How a watch ends whose server reads these rules while it is open."""
        watch = self.start("watch")
        self.assertRegex(watch.stdout.readline(), rb"now +HELD +a")
        self.access.write_text(rules + "\n")
        self.server.send_signal(signal.SIGHUP)
        return self.ended(watch)

    def test_ends_with_the_role(self):
        ended = self.watch_under(self.access.read_text().replace("*=use", "elsewhere=use"))
        self.assertEqual(ended.code, _NO_PERMISSION, ended)
        self.assertIn("(PERMISSION_DENIED)", ended.errors)

    def test_ends_with_the_token(self):
        ended = self.watch_under(re.sub("sha256:[0-9a-f]+", "sha256:" + "0" * 64, self.access.read_text()))
        self.assertEqual(ended.code, _NO_PERMISSION, ended)
        self.assertIn("(CREDENTIALS_REQUIRED)", ended.errors)


if __name__ == "__main__":
    unittest.main()
