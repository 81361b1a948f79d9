"""The README's programs are the ones in examples/, and each does what it says: it charges an order once,
also when answers are lost, its own or the provider's.
"""

import json
import pathlib
import subprocess
import unittest
import uuid

import documents
import programs

_CPP = documents.ROOT / "examples/cpp/charge_once.cc"
_PYTHON = documents.ROOT / "examples/python/charge_once.py"


class ExamplesTest:
    """What each of the programs must do. A subclass says how it is run."""

    def setUp(self):
        self.directory = self.enter(programs.working_directory())
        self.address = self.enter(programs.server())
        self.ledger = self.directory / "ledger.jsonl"

    def enter(self, context):
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def charge(self, order, amount, *options, address=None):
        """Gives exit code and output."""
        arguments = [address or self.address, order, amount, self.ledger, *options]
        done = subprocess.run([*self.program(), *arguments], capture_output=True, text=True, timeout=120,
                              env=self.environment())
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout.strip()

    def environment(self):
        return None

    def charges(self):
        return len(self.ledger.read_text().splitlines()) if self.ledger.exists() else 0

    def grpcurl(self, rpc, **request):
        """Gives the reply."""
        code, output, errors = programs.shell(
            f"grpcurl -plaintext -d '{json.dumps(request)}' {programs.ADDRESS} latchkey.v1.{rpc}",
            self.address)
        self.assertEqual(code, 0, errors)
        return json.loads(output)

    def record(self, key):
        return self.grpcurl("AdminService/GetRecord", key=key)["record"]

    def test_charges_once_however_often_it_is_run(self):
        first = self.charge("124", "25.00")
        self.assertEqual(first, (0, "charged ch_db9f7310"))
        self.assertEqual(self.charge("124", "25.00"), first)
        self.assertEqual(self.charges(), 1)
        self.assertEqual(self.record("order:124")["result"]["provider_reference"], "ch_db9f7310")

    def test_refuses_another_amount(self):
        self.charge("124", "25.00")
        code, said = self.charge("124", "26.00")
        self.assertEqual(code, 1)
        self.assertIn("FINGERPRINT_MISMATCH", said)
        self.assertEqual(self.charges(), 1)

    def test_a_decline_is_final(self):
        declined = self.charge("124", "0.00")
        self.assertEqual(declined, (0, "declined amount_too_small"))
        self.assertEqual(self.charge("124", "0.00"), declined)
        self.assertEqual(self.charges(), 0)

    def test_recovers_when_the_provider_did_not_answer(self):
        code, _ = self.charge("124", "25.00", "lose-answer")
        self.assertEqual(code, 1)
        self.assertEqual(self.record("order:124")["state"], "IN_DOUBT")
        self.assertEqual(self.charge("124", "25.00"), (0, "charged ch_db9f7310"))
        self.assertEqual(self.charges(), 1)
        self.assertEqual(self.record("order:124")["attempt_number"], 2)

    def test_repeats_the_same_attempt_when_answers_of_latchkey_are_lost(self):
        # The grant, then the answer to the result: each happened, and is asked for again.
        with programs.LosesReplies(self.address, lost={1, 3}) as proxy:
            charged = self.charge("124", "25.00", address=proxy.address)
            self.assertEqual(charged, (0, "charged ch_db9f7310"))
            self.assertGreaterEqual(proxy.replies, 4)
        self.assertEqual(self.charges(), 1)
        record = self.record("order:124")
        self.assertEqual((record["attempt_number"], record["fencing_token"]), (1, "1"))

    def test_does_nothing_while_the_provider_can_only_be_asked_and_knows_nothing(self):
        # An earlier caller, which said that the provider does not deduplicate, left the key in doubt.
        self.grpcurl("CoordinationService/AcquireLock", key="order:124", attempt_id="a", lease_duration="60s")
        self.grpcurl("CoordinationService/Release", key="order:124", fencing_token=1, effect="UNKNOWN")
        code, said = self.charge("124", "25.00")
        self.assertEqual(code, 1)
        self.assertIn("doubt", said.lower().replace("_", " "))
        self.assertEqual(self.charges(), 0)
        self.assertEqual(self.record("order:124")["state"], "IN_DOUBT")


class CppTest(ExamplesTest, unittest.TestCase):
    def program(self):
        return [programs.environment("LATCHKEY_CHARGE_ONCE")]

    def test_is_what_the_readme_shows(self):
        self.assertEqual(documents.block(documents.README, "cpp", "RunOnce").text, documents.region(_CPP))


class PythonTest(ExamplesTest, unittest.TestCase):
    def setUp(self):
        super().setUp()
        code, _, errors = programs.shell(programs.python_lines()[0], cwd=self.directory)
        self.assertEqual(code, 0, errors)

    def program(self):
        return ["/usr/bin/python3", "-B", str(_PYTHON)]

    def environment(self):
        return {"PYTHONPATH": str(self.directory / "stubs")}

    def test_is_what_the_readme_shows(self):
        self.assertEqual(documents.block(documents.README, "python", "AcquireLock").text,
                         documents.region(_PYTHON))

    def test_the_readmes_lines_run_it(self):
        shown = documents.blocks(documents.README)
        lines = documents.block(documents.README, "sh", "grpc_python_plugin")
        answer = shown[shown.index(lines) + 1].text
        code, output, errors = programs.shell(lines.text, self.address, cwd=self.directory)
        self.assertEqual((code, output.strip(), errors), (0, answer, ""))


class RecoveryTest(unittest.TestCase):
    """A program for each kind of provider: docs/recovery.md shows how it pays, and what it then says."""

    def check(self, name):
        shown = documents.blocks(documents.RECOVERY)
        code = documents.region(documents.ROOT / f"examples/cpp/{name}.cc")
        found = [place for place, block in enumerate(shown) if (block.language, block.text) == ("cpp", code)]
        self.assertEqual(len(found), 1, f"{documents.RECOVERY} does not show {name}.cc as it is")
        program = pathlib.Path(programs.environment("LATCHKEY_EXAMPLES")) / name
        done = subprocess.run([program], capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, done.stdout.strip(), done.stderr),
                         (0, shown[found[0] + 1].text, ""))

    def test_a_provider_that_deduplicates(self):
        self.check("recover_by_resending")

    def test_a_provider_that_can_be_asked(self):
        self.check("recover_by_asking")

    def test_a_provider_that_does_neither(self):
        self.check("leave_in_doubt")


class DownstreamKeyTest(unittest.TestCase):
    def test_can_be_computed_by_anybody(self):
        root = uuid.uuid5(uuid.NAMESPACE_URL, "urn:latchkey")
        key = str(uuid.uuid5(uuid.uuid5(root, "default"), "order:123"))
        for path in (documents.README, documents.ROOT / "docs/semantics.md"):
            self.assertIn(key, path.read_text())


if __name__ == "__main__":
    unittest.main()
