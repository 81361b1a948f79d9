"""Runs latchkey against a latchkeyd of its own."""

import json
import os
import subprocess
import time
import unittest

import programs

DEADLINE = 60  # seconds; for anything that is waited for


def wait_until(condition, what):
    """Gives what `condition` gave, once that is true."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        subprocess.run(["sleep", "0.02"], check=True)
    raise AssertionError("waited in vain for " + what)


class Ended:
    """How a latchkey ended, and what it said."""

    def __init__(self, code, output, errors):
        self.code, self.raw, self.raw_errors = code, output, errors
        self.output, self.errors = output.decode(errors="replace"), errors.decode(errors="replace")

    def __repr__(self):
        return f"code {self.code}\n{self.output}\n{self.errors}"

    def json(self):
        return json.loads(self.output)


class ServedTest(unittest.TestCase):
    """One server for a class; every test has a namespace of its own."""

    @classmethod
    def setUpClass(cls):
        context = programs.server()
        cls.address = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)

    def environment(self, **variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
        return {**kept, "LATCHKEY_ADDRESS": self.address, "LATCHKEY_NAMESPACE": self.id()[-60:],
                **variables}

    def start(self, *arguments, **variables):
        """A latchkey that runs on."""
        process = subprocess.Popen([programs.environment("LATCHKEY"), *map(str, arguments)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.environment(**variables))
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        with process:
            pass  # reaps it and closes its pipes

    def ended(self, process):
        output, errors = process.communicate(timeout=DEADLINE)
        return Ended(process.returncode, output, errors)

    def run_latchkey(self, *arguments, **variables):
        return self.ended(self.start(*arguments, **variables))

    def good(self, *arguments, **variables):
        """One that must end with 0 and say nothing on stderr."""
        ended = self.run_latchkey(*arguments, **variables)
        self.assertEqual((ended.code, ended.errors), (0, ""), arguments)
        return ended

    def acquire(self, key, *options):
        """Gives the token."""
        return self.good("acquire", key, "--output=json", *options).json()["grant"]["fencing_token"]

    def wait_for_waiters(self, key, count=1):
        def waiting():
            record = self.run_latchkey("get", key, "--output=json").json()["record"]
            return record.get("waiters") == count

        wait_until(waiting, f"{count} waiters for {key}")

    def state(self, key):
        return self.run_latchkey("check", key, "--output=json").json()["state"]

    def doubt(self, key):
        """Leaves the key in doubt; gives the token."""
        token = self.acquire(key)
        self.good("release", key, f"--token={token}", "--effect=unknown")
        return token

    def complains(self, code, part, *arguments, **variables):
        """It must end with this code and say one line with this part in it."""
        ended = self.run_latchkey(*arguments, **variables)
        self.assertEqual(ended.code, code, ended)
        self.assertEqual(ended.errors.count("\n"), 1, ended)
        self.assertTrue(ended.errors.startswith("latchkey: "), ended)
        self.assertIn(part, ended.errors)
        return ended
