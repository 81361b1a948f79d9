"""The programs of examples/, each in its language: an order is charged once, whatever is lost or dies."""

import json
import os
import pathlib
import subprocess
import threading
import unittest

import documents
import programs
from provider import Provider

_CHARGED = "SUCCEEDED ch_db9f7310"  # order 124, in any language
_DEADLINE = 100  # seconds; for anything that is waited for


class Flow(unittest.TestCase):
    """Some order, a server and a provider. A subclass says how its language's program is run."""

    def setUp(self):
        self.address = self.enter(programs.server())
        self.provider = self.enter(Provider())
        self.running = []
        self.addCleanup(self.end_programs)

    def enter(self, context):
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def end_programs(self):
        for program in self.running:
            if program.poll() is None:
                program.kill()
            program.communicate()

    def start(self, amount="25.00", address=None, **durations):
        made = pathlib.Path(programs.environment("LATCHKEY_EXAMPLE_PROGRAMS"))
        command, environment = self.command(made)
        flags = [f"--{name}={seconds}{self.unit}" for name, seconds in durations.items()]
        program = subprocess.Popen(
            [*command, *flags, address or self.address, self.provider.url, "124", amount], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment})
        self.running.append(program)
        return program

    def end(self, program):
        """Gives exit code, output, errors."""
        output, errors = program.communicate(timeout=_DEADLINE)
        return program.returncode, output.strip(), errors.strip()

    def pay(self, *amount, **how):
        """Gives exit code and output."""
        code, output, errors = self.end(self.start(*amount, **how))
        self.assertEqual(errors, "")
        return code, output

    def grpcurl(self, rpc, **request):
        code, output, errors = programs.shell(
            f"grpcurl -plaintext -d '{json.dumps(request)}' {programs.ADDRESS} latchkey.v1.{rpc}",
            self.address)
        self.assertEqual(code, 0, errors)
        return json.loads(output)

    def record(self):
        return self.grpcurl("AdminService/GetRecord", key="order:124")["record"]

    def force_release(self):
        self.grpcurl("AdminService/ForceRelease", key="order:124", actor="ada", reason="test",
                     expected_fencing_token=self.record()["fencing_token"])

    def hold_answers(self):
        """The provider charges and does not answer. Gives the event that it has charged, and the one that
        lets it answer."""
        charged, answer = threading.Event(), threading.Event()
        self.addCleanup(answer.set)

        def after():
            charged.set()
            answer.wait(_DEADLINE)

        self.provider.after = after
        return charged, answer

    def answer_from_now_on(self):
        self.provider.before = self.provider.after = lambda: False


class Outcomes:
    def test_charges_once_however_often_it_is_run(self):
        self.assertEqual(self.pay(), (0, _CHARGED))
        self.assertEqual(self.pay(), (0, _CHARGED))
        self.assertEqual(self.provider.requests, ["POST"])

    def test_of_many_at_once_one_charges(self):
        started = [self.start() for _ in range(6)]
        for program in started:
            self.assertEqual(self.end(program), (0, _CHARGED, ""))
        self.assertEqual(self.provider.requests, ["POST"])

    def test_refuses_another_amount(self):
        self.pay()
        self.assertEqual(self.pay("26.00"), (2, "REFUSED FINGERPRINT_MISMATCH"))
        self.assertEqual(self.provider.requests, ["POST"])

    def test_a_decline_is_final(self):
        self.assertEqual(self.pay("0.00"), (0, "REJECTED amount_too_small"))
        self.assertEqual(self.pay("0.00"), (0, "REJECTED amount_too_small"))
        self.assertEqual(self.provider.requests, ["POST"])

    def test_waits_for_nobody_for_ever(self):
        self.grpcurl("CoordinationService/AcquireLock", key="order:124", attempt_id="a",
                     holder_id="checkout-9", lease_duration="60s")
        self.assertEqual(self.pay(), (1, "UNSETTLED held by checkout-9"))
        self.assertEqual(self.provider.requests, [])


class Recovery:
    def test_sends_again_after_the_provider_lost_its_answer(self):
        self.provider.after = lambda: True
        code, said = self.pay()
        self.assertEqual(code, 1)
        self.assertRegex(said, "^UNSETTLED in doubt: ")
        self.assertEqual(self.record()["state"], "IN_DOUBT")
        self.answer_from_now_on()
        self.assertEqual(self.pay(), (0, _CHARGED))
        self.assertEqual(len(self.provider.charges), 1)
        self.assertEqual(self.record()["attempt_number"], 2)

    def test_repeats_itself_when_answers_of_latchkey_are_lost(self):
        # The grant, twice, then the answer to the result: each happened, and is asked for again.
        with programs.LosesReplies(self.address, lost={1, 2, 4}) as proxy:
            self.assertEqual(self.pay(address=proxy.address), (0, _CHARGED))
            self.assertGreaterEqual(proxy.replies, 5)
        self.assertEqual(self.provider.requests, ["POST"])
        record = self.record()
        self.assertEqual((record["attempt_number"], record["fencing_token"]), (1, "1"))

    def crash(self, **durations):
        """Runs the program, and kills it when the provider has charged and has not answered."""
        charged, _ = self.hold_answers()
        program = self.start(timeout=2, lease=4, **durations)
        self.assertTrue(charged.wait(_DEADLINE))
        program.kill()
        self.assertLess(self.end(program)[0], 0)
        self.answer_from_now_on()

    def test_sends_again_after_a_crash_between_effect_and_record(self):
        self.crash()
        self.assertEqual(self.pay(), (0, _CHARGED))  # waits until the lease has run out
        self.assertEqual(self.provider.requests, ["POST", "POST"])
        self.assertEqual(len(self.provider.charges), 1)
        self.assertEqual(self.record()["attempt_number"], 2)

    def test_only_asks_after_a_crash_where_the_provider_does_not_deduplicate(self):
        self.provider.deduplicates = False
        self.crash(window=0)
        self.assertEqual(self.pay(window=0), (0, _CHARGED))
        self.assertEqual(self.provider.requests, ["POST", "GET"])
        self.assertEqual(len(self.provider.charges), 1)


class Doubt:
    def test_nothing_counts_as_nothing_after_the_quarantine_only(self):
        self.provider.deduplicates = False
        self.provider.before = lambda: True  # the request is lost
        self.assertEqual(self.pay(window=0)[0], 1)
        self.answer_from_now_on()
        self.assertEqual(self.pay(window=0, quarantine=3), (1, "UNSETTLED nothing was done"))
        self.assertEqual(self.provider.requests, ["POST", "GET", "GET"])
        self.assertEqual(self.grpcurl("CoordinationService/CheckResult", key="order:124")["state"], "ABSENT")
        self.assertEqual(self.pay(window=0), (0, _CHARGED))
        self.assertEqual(len(self.provider.charges), 1)

    def test_the_word_of_an_earlier_attempt_settles_it(self):
        for attempt in ("a", "b"):
            token = self.grpcurl("CoordinationService/AcquireLock", key="order:124", attempt_id=attempt,
                                 lease_duration="60s", accept_recover=True)["grant"]["fencing_token"]
            self.grpcurl("CoordinationService/Release", key="order:124", fencing_token=token,
                         effect="UNKNOWN")
        programs.shell("grpcurl -plaintext -d '" + json.dumps(
            {"key": "order:124", "fencing_token": 1, "outcome": "SUCCEEDED", "provider_reference": "ch_7"}) +
            f"' {programs.ADDRESS} latchkey.v1.CoordinationService/RecordResult", self.address)
        self.assertEqual(self.pay(), (0, "SUCCEEDED ch_7"))
        self.assertEqual(self.provider.requests, [])


class Superseded:
    def test_the_result_of_whoever_came_after_is_the_result(self):
        charged, answer = self.hold_answers()
        first = self.start(timeout=60, lease=120)
        self.assertTrue(charged.wait(_DEADLINE))
        self.force_release()
        self.answer_from_now_on()
        self.assertEqual(self.pay(), (0, _CHARGED))
        answer.set()
        self.assertEqual(self.end(first), (0, _CHARGED, f"superseded; this call: {_CHARGED}"))
        record = self.record()
        self.assertEqual(record["late_outcome_count"], 1)  # what it says is heard
        self.assertEqual(len(self.provider.charges), 1)

    def test_another_result_than_ours_is_shown_beside_it(self):
        charged, answer = self.hold_answers()
        program = self.start(timeout=60, lease=120)
        self.assertTrue(charged.wait(_DEADLINE))
        self.force_release()
        self.grpcurl("AdminService/ResolveOutcome", key="order:124", actor="ada", reason="test",
                     expected_fencing_token=1, outcome="REJECTED", code="by_hand")
        answer.set()
        self.assertEqual(self.end(program), (0, "REJECTED by_hand", f"superseded; this call: {_CHARGED}"))


class Renewal:
    def test_a_lease_is_renewed_behind_long_work(self):
        self.provider.deduplicates = False
        self.provider.before = lambda: True
        self.pay(window=0)
        asked = threading.Event()
        self.provider.asked = asked.set
        # It waits for the quarantine under a lease that is much shorter.
        program = self.start(window=0, timeout=2, lease=5, quarantine=12)
        self.assertTrue(asked.wait(_DEADLINE))
        other = self.grpcurl("CoordinationService/AcquireLock", key="order:124", attempt_id="b",
                             lease_duration="60s", wait_timeout="8s", accept_recover=True)
        self.assertIn("contention", other)
        self.assertEqual(self.end(program), (1, "UNSETTLED nothing was done", ""))


class Unreachable:
    def test_does_nothing_while_latchkey_does_not_answer(self):
        with programs.LosesReplies(self.address, lost=set(range(1, 1000))) as proxy:
            self.assertEqual(self.pay(address=proxy.address), (1, "UNSETTLED no answer; nothing was done"))
        self.assertEqual(self.provider.requests, [])
        # Its grant was given back by the attempt's name: nobody has to recover what never began.
        self.assertEqual(self.grpcurl("CoordinationService/CheckResult", key="order:124")["state"], "ABSENT")


class Python:
    unit = ""

    def command(self, made):
        return (["/usr/bin/python3", "-B", str(documents.ROOT / "examples/python/pay.py")],
                {"PYTHONPATH": str(made / "python")})


class Go:
    unit = "s"

    def command(self, made):
        return [str(made / "go/pay")], {}


class Node:
    unit = ""

    def command(self, made):
        proto = documents.ROOT / "proto"
        return ["node", str(made / "node/pay.js")], {"LATCHKEY_PROTOS": f"{proto}:{proto / 'third_party'}"}


for _language in (Python, Go, Node):
    for _cases in (Outcomes, Recovery, Doubt, Superseded, Renewal, Unreachable):
        _name = _language.__name__ + _cases.__name__
        globals()[_name] = type(_name, (_language, _cases, Flow), {"__module__": __name__})


if __name__ == "__main__":
    unittest.main()
