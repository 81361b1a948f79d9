"""The documents' tables say what the server does: every cell of the README's table of calls and states is
tried on a real server, and limits, refusals and settings are those of the programs.
"""

import contextlib
import re
import subprocess
import tempfile
import unittest

import documents
import programs

_STATES = ("ABSENT", "HELD", "IN_DOUBT", "COMPLETED")


def words(cell):
    """What is set as code in a cell."""
    return set(re.findall(r"`([^`]+)`", cell))


class ServedTest(unittest.TestCase):
    """Has a server, stubs for it, and keys in whatever state is wanted."""

    @classmethod
    def setUpClass(cls):
        cls.enter(programs.working_directory(), programs.make_stubs)
        import grpc
        from google.protobuf.duration_pb2 import Duration
        from google.rpc import error_details_pb2, status_pb2
        from latchkey.v1 import admin_pb2, admin_pb2_grpc, coordination_pb2, coordination_pb2_grpc, errors_pb2

        cls.errors, cls.duration = grpc.RpcError, Duration
        cls.status, cls.error_info = status_pb2.Status, error_details_pb2.ErrorInfo
        cls.api, cls.admin_api, cls.reasons = coordination_pb2, admin_pb2, errors_pb2.Refusal.Reason
        channel = grpc.insecure_channel(cls.enter(programs.server()))
        cls.addClassCleanup(channel.close)
        cls.calls = coordination_pb2_grpc.CoordinationServiceStub(channel)
        cls.admin = admin_pb2_grpc.AdminServiceStub(channel)
        cls.keys = 0

    @classmethod
    def enter(cls, context, use=lambda value: value):
        value = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        return use(value) or value

    def call(self, method, **fields):
        """The reply, or the reason of the refusal."""
        request = {
            "AcquireLock": self.api.AcquireLockRequest, "RenewLease": self.api.RenewLeaseRequest,
            "CheckResult": self.api.CheckResultRequest, "RecordResult": self.api.RecordResultRequest,
            "Release": self.api.ReleaseRequest,
        }[method](**fields)
        try:
            return getattr(self.calls, method)(request, timeout=30)
        except self.errors as error:
            details = dict(error.trailing_metadata())["grpc-status-details-bin"]
            info = self.error_info()
            self.assertTrue(self.status.FromString(details).details[0].Unpack(info), error)
            return info.reason

    def acquire(self, key, attempt, **fields):
        return self.call("AcquireLock", key=key, attempt_id=attempt, lease_duration=self.duration(seconds=60),
                         **fields)

    def state_of(self, key):
        return self.api.CheckResultResponse.State.Name(self.call("CheckResult", key=key).state)

    def held(self, recover=False):
        """A key that is held by the attempt "a", and its token."""
        type(self).keys += 1
        key = f"key:{self.keys}"
        if recover:
            token = self.acquire(key, "earlier").grant.fencing_token
            self.release(key, token, "UNKNOWN")
        return key, self.acquire(key, "a", accept_recover=True).grant.fencing_token

    def key_in(self, state):
        key, token = self.held()
        if state == "ABSENT":
            self.release(key, token, "NOT_EXECUTED")
        elif state == "IN_DOUBT":
            self.release(key, token, "UNKNOWN")
        elif state == "COMPLETED":
            self.record(key, token, "ch_1")
        self.assertEqual(self.state_of(key), state)
        return key, token

    def record(self, key, token, reference):
        return self.call("RecordResult", key=key, fencing_token=token, outcome=1,
                         provider_reference=reference)

    def release(self, key, token, effect="EFFECT_UNSPECIFIED"):
        return self.call("Release", key=key, fencing_token=token, effect=effect)


class CallsTest(ServedTest):
    """One method for each row of the table of calls and states."""

    def row(self, begins):
        rows = documents.table(documents.README, ["", *_STATES])
        found = [row for row in rows if row[0].startswith(begins)]
        self.assertEqual(len(found), 1, begins)
        return dict(zip(_STATES, found[0][1:]))

    @contextlib.contextmanager
    def at(self, call, state):
        """The cell, a key in that state, and its newest token."""
        with self.subTest(call=call, state=state):
            key, token = self.key_in(state)
            yield self.row(call)[state], key, token

    def test_acquire_lock(self):
        for state in _STATES:
            with self.at("`AcquireLock`", state) as (cell, key, token):
                seen = set()
                if state == "HELD":
                    again = self.acquire(key, "a").grant
                    self.assertEqual((again.replayed, again.fencing_token), (True, token))
                    seen.add("replayed")
                for accept in (False, True):
                    answer = self.acquire(key, f"b{accept}", accept_recover=accept)
                    seen.add(answer.WhichOneof("outcome"))
                    if answer.HasField("grant"):
                        self.assertGreater(answer.grant.fencing_token, token)
                        seen.add(self.api.Grant.Mode.Name(answer.grant.mode))
                    if answer.contention.in_doubt:
                        seen.add("in_doubt")
                if state == "ABSENT":  # the second of the two met the first one's grant
                    seen.discard("contention")
                self.assertEqual(words(cell) - {"accept_recover"}, seen - {"grant"})
                self.assertEqual("grant" in cell, "grant" in seen or "replayed" in seen)

    def test_check_result(self):
        for state in _STATES:
            with self.at("`CheckResult`", state) as (cell, key, _):
                answer = self.call("CheckResult", key=key)
                self.assertEqual(words(cell), {self.api.CheckResultResponse.State.Name(answer.state)})
                self.assertEqual(answer.HasField("result"), "result" in cell)

    def test_renew_lease(self):
        for state in _STATES:
            with self.at("`RenewLease`", state) as (cell, key, token):
                answer = self.call("RenewLease", key=key, fencing_token=token)
                if state == "HELD":
                    self.assertIn("the lease", cell)
                    self.assertGreater(answer.lease_remaining.seconds, 30)
                else:
                    self.assertEqual(words(cell), {answer})

    def test_record_result(self):
        for state in _STATES:
            with self.at("`RecordResult`", state) as (cell, key, token):
                answer = self.record(key, token, "ch_1")
                if state == "ABSENT":
                    self.assertEqual(words(cell), {answer})
                    audit = self.admin.GetRecord(self.admin_api.GetRecordRequest(key=key)).record.audit
                    self.assertEqual([entry.action for entry in audit], ["RecordResult"])
                    continue
                self.assertEqual(self.state_of(key), "COMPLETED")
                self.assertEqual("late" in words(cell), answer.late)
                self.assertEqual("already_recorded" in words(cell), answer.already_recorded)
                if state == "COMPLETED":
                    self.assertIn(self.record(key, token, "ch_2"), words(cell))
                    record = self.admin.GetRecord(self.admin_api.GetRecordRequest(key=key)).record
                    self.assertEqual(record.late_outcomes[0].provider_reference, "ch_2")

    def test_release(self):
        for state in _STATES:
            with self.at("`Release`", state) as (cell, key, token):
                if state == "ABSENT":
                    self.assertEqual(self.release(key, token).state, 1)
                    self.assertEqual(words(cell), {self.release(key, token + 10**9)})
                elif state != "HELD":  # HELD has a table of its own
                    self.release(key, token)
                    self.assertEqual(self.state_of(key), state)
                    self.assertIn(state, cell)
                if state == "IN_DOUBT":
                    self.release(key, token, "NOT_EXECUTED")
                    self.assertEqual(self.state_of(key), "ABSENT")

    def test_any_other_token(self):
        for state in _STATES:
            with self.at("any other token", state) as (cell, key, token):
                if state == "ABSENT":
                    continue
                self.assertEqual(words(cell), {"STALE_FENCING_TOKEN"})
                for other in (token - 1 or token + 2, token + 1):
                    answers = {self.call("RenewLease", key=key, fencing_token=other),
                               self.release(key, other), self.record(key, other, "x")}
                    self.assertEqual(answers, {"STALE_FENCING_TOKEN"})

    def test_how_a_grant_ends_without_a_result(self):
        rows = documents.table(documents.README, ["how a grant ends without a result"])[1:]
        self.assertEqual(len(rows), 5)
        for label, execute, recover in rows:
            for cell, is_recovery in ((execute, False), (recover, True)):
                with self.subTest(ending=label, recover=is_recovery):
                    key, token = self.held(recover=is_recovery)
                    self.end(label, key, token)
                    self.assertTrue(cell.startswith(self.state_of(key)), cell)

    def end(self, label, key, token):
        if "ForceRelease" in label:
            self.admin.ForceRelease(self.admin_api.ForceReleaseRequest(
                key=key, expected_fencing_token=token, actor="test", reason="to see"))
            return
        named = words(label) & set(self.api.ReleaseRequest.Effect.keys())
        self.assertEqual(len(named) == 0, "effect unset" in label)
        self.release(key, token, *named)


class LimitsTest(ServedTest):
    def test_are_those_of_the_server(self):
        status = self.admin.GetServerStatus(self.admin_api.GetServerStatusRequest())
        limits, defaults = status.limits, status.namespaces[-1]
        self.assertEqual(defaults.name, "*")
        rows = {row[0]: row[1] for row in documents.table(documents.README, ["what", "limit"])[1:]}

        def says(row, *numbers):
            cell = rows.pop(row)
            for number in numbers:
                text = f"{number:,}" if isinstance(number, int) else number
                self.assertRegex(cell, rf"(?<!\d)(?<!\d,){re.escape(text)}(?!,?\d)")

        says("key", limits.key_bytes)
        says("namespace; `attempt_id`, `holder_id`", limits.namespace_bytes, limits.id_bytes)
        says("`fingerprint`", limits.fingerprint_bytes)
        says("`payload`", limits.payload_bytes)
        says("`provider_reference`, `code`, `content_type`", limits.provider_reference_bytes,
             limits.code_bytes, limits.content_type_bytes)
        says("`checkpoint`", limits.checkpoint_bytes)
        says("`lease_duration`", f"{limits.lease_duration_min.ToMilliseconds()} ms",
             f"{limits.lease_duration_max.seconds // 60} min")
        says("`wait_timeout`", f"{limits.wait_timeout_max.seconds} s")
        says("waiting calls", limits.waiters_per_key, limits.waiters_total)
        says("replies over 512 bytes in flight; of one session",
             f"{limits.reply_bytes_in_flight >> 20} MiB", f"{limits.session_reply_bytes >> 20} MiB")
        says("sessions; how long one may leave a frame unread", limits.sessions,
             f"{limits.session_unread_max.seconds} s")
        says("`WatchRecords` streams; changes kept for those that lag", limits.watchers,
             limits.watched_changes, f"{limits.watched_bytes >> 20} MiB")
        says("a page of `ListRecords`", f"{limits.page_size:,} records", f"{limits.page_bytes >> 20} MiB")
        says("`late_outcomes`; audit entries", limits.late_outcomes, limits.audit_entries)
        says("held and doubtful records of a namespace", defaults.live_records_max)
        says("payload retention, key retention", f"{defaults.payload_retention.seconds // 3600} h",
             f"{defaults.key_retention.seconds // 86400} d")
        says("a frame of a `Session`; its calls and leases; calls of a session that are unanswered",
             f"{limits.frame_bytes >> 20} MiB", limits.frame_calls, limits.session_calls)
        self.assertEqual(list(rows), ["a request"])


class RefusalsTest(ServedTest):
    def test_are_all_explained_and_no_others(self):
        rows = documents.table(documents.README, ["reason", "what to do"])[1:]
        explained = set().union(*(words(row[0]) for row in rows))
        reasons = set(self.reasons.keys()) - {"REASON_UNSPECIFIED"}
        endings = tuple(name[3:] for name in explained if name.startswith("..."))
        self.assertEqual({name for name in explained if not name.startswith("...")} - reasons, set())
        unexplained = {name for name in reasons - explained if not name.endswith(endings)}
        self.assertEqual(unexplained, set())


class SettingsTest(unittest.TestCase):
    def run_server(self, *arguments):
        """For starts that end at once; gives exit code and what was said."""
        done = subprocess.run([programs.environment("LATCHKEYD"), *arguments], capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stdout + done.stderr

    def test_are_those_of_the_server(self):
        code, said = self.run_server("--help")
        self.assertEqual(code, 0)
        flags = set(re.findall(r"--([a-z-]+)", said)) - {"help", "version", "config", "new-token"}
        rows = documents.table(documents.RUNNING, ["setting", "default", "what"])[1:]
        self.assertEqual({row[0].strip("`").replace("_", "-") for row in rows}, flags)
        helped = " ".join(said.split())
        for name, default, _ in rows:
            shown = re.search(rf"--{name.strip('`').replace('_', '-')}[^[\]]*? \[(.*?)\](?= --|$)", helped)
            if shown and "--" not in shown.group(0)[2:]:
                self.assertEqual(shown.group(1), default.strip("`"), name)

    def test_the_file_shown_is_read(self):
        shown = documents.block(documents.RUNNING, "toml", "[namespaces").text
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(shown)
            file.flush()
            # The flags that the test adds, store and address, beat the file.
            with programs.server("--config=" + file.name) as address:
                status = f"grpcurl -plaintext {programs.ADDRESS} latchkey.v1.AdminService/GetServerStatus"
                code, output, _ = programs.shell(status, address)
        self.assertEqual(code, 0)
        self.assertIn('"store": "memory:"', output)
        self.assertIn('"name": "shop/charge"', output)
        self.assertIn('"key_retention": "34560000s"', output)

    def test_a_wrong_one_is_named_with_its_line(self):
        shown = documents.block(documents.RUNNING, "toml", "[namespaces").text
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(shown + '\nkey_retenion = "1d"\n')
            file.flush()
            code, said = self.run_server("--store=memory:", "--config=" + file.name)
        self.assertEqual(code, 2)
        self.assertIn(f"{file.name}:{len(shown.splitlines()) + 1}: ", said)
        self.assertEqual(len(said.splitlines()), 1)


class LinksTest(unittest.TestCase):
    def test_lead_somewhere(self):
        checked = 0
        for path in documents.documents():
            for target in documents.links(path):
                with self.subTest(document=path.name, target=target):
                    name, _, anchor = target.partition("#")
                    file = (path.parent / name).resolve() if name else path
                    self.assertTrue(file.exists())
                    if anchor:
                        self.assertIn(anchor, documents.anchors(file))
                    checked += 1
        self.assertGreater(checked, 20)

    def test_commands_that_are_named_exist(self):
        for path in documents.documents():
            for name in re.findall(r"(?<![\w/.-])tools/\w+", path.read_text()):
                with self.subTest(document=path.name, command=name):
                    self.assertTrue((documents.ROOT / name).exists())


if __name__ == "__main__":
    unittest.main()
