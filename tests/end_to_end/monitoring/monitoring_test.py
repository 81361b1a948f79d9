"""/metrics, /healthz and /readyz of the real server, from its start to its end."""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import unittest

import programs
from monitored import PATIENCE, Latchkeyd, await_that, fetch


class EndpointsTest(unittest.TestCase):
    def test_promtool_takes_the_metrics(self):
        with Latchkeyd() as server:
            server.make_duplicate("order:1")
            self.assertNotEqual(server.call("AcquireLock", key="")[0], 0)
            status, text = server.get("/metrics")
            self.assertEqual(status, 200)
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                     capture_output=True, timeout=PATIENCE)
            self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))
            for sample, value in {
                    'latchkey_acquire_total{namespace="default",outcome="execute"}': 1,
                    'latchkey_acquire_total{namespace="default",outcome="recover"}': 1,
                    'latchkey_acquire_total{namespace="default",outcome="refused"}': 1,
                    'latchkey_refusals_total{rpc="AcquireLock",reason="KEY_REQUIRED"}': 1,
                    'latchkey_duplicate_effects_suspected_total': 1,
                    'latchkey_fencing_token': 2,
                    'latchkey_sessions': 0}.items():
                self.assertEqual(server.sample(sample), value, sample)

    def test_what_is_asked_for_is_answered_and_nothing_else(self):
        with Latchkeyd() as server:
            self.assertEqual(server.get("/healthz"), (200, "ok\n"))
            self.assertEqual(server.get("/readyz"), (200, "ready\n"))
            for path in ("/", "/metrics/", "/../../etc/passwd", "/" + "x" * 5000):
                self.assertEqual(server.get(path)[0], 404, path)
            for request, status in {
                    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi": b"405",
                    b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n": b"200",
                    b"nonsense\r\n\r\n": b"400",
                    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n": b"4"}.items():
                host, _, port = server.metrics_address.rpartition(":")
                with socket.create_connection((host, int(port)), PATIENCE) as asked:
                    with contextlib.suppress(OSError):  # it need not read all of it
                        asked.sendall(request)
                    answer = b""
                    with contextlib.suppress(OSError):
                        while data := asked.recv(65536):
                            answer += data
                    if answer:
                        self.assertTrue(answer.split()[1].startswith(status), answer[:100])
                    self.assertFalse(answer.endswith(b"ok\n"), "HEAD has no body")
            self.assertEqual(server.get("/readyz"), (200, "ready\n"))

    def test_those_who_never_finish_their_question_do_not_keep_others_out_for_long(self):
        with Latchkeyd() as server, contextlib.ExitStack() as stack:
            host, _, port = server.metrics_address.rpartition(":")
            for _ in range(20):
                slow = stack.enter_context(socket.create_connection((host, int(port)), PATIENCE))
                slow.sendall(b"GET /met")
            self.assertEqual(server.get("/healthz"), (200, "ok\n"))


class EndsTest(unittest.TestCase):
    # A call that is still waiting for its turn to be written keeps the server draining.
    def test_not_ready_while_it_shuts_down(self):
        with Latchkeyd("--drain-timeout=30s") as server:
            seen = []
            with Drained(server) as drained:
                server.terminate()
                await_that(lambda: seen.append(server.get("/readyz")) or seen[-1][0] != 200,
                           "the end of readiness")
                self.assertEqual(seen[-1], (503, "not ready: shutting down\n"))
                self.assertEqual(server.get("/healthz"), (200, "ok\n"))
                self.assertEqual(server.get("/metrics")[0], 200)
                drained.let_go()
            self.assertEqual(server.process.wait(PATIENCE), 0, server.log())
            self.assertIsNone(server.get("/readyz")[0])

    @unittest.skipUnless(os.geteuid() == 0, "mounting a tmpfs needs root")
    def test_not_ready_once_the_store_has_failed(self):
        with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", directory])
            if mounted.returncode != 0:
                self.skipTest("a tmpfs cannot be mounted here")
            stack.callback(subprocess.run, ["umount", "--lazy", directory])
            server = stack.enter_context(Latchkeyd("--storage-reserve-bytes=0",
                                                   store=f"rocksdb:{directory}/store"))
            self.assertEqual(server.get("/readyz")[0], 200)
            fill(pathlib.Path(directory) / "ballast")
            states = []

            def look():
                while (seen := server.get("/readyz"))[0] is not None:
                    states.append(seen)
            watcher = threading.Thread(target=look)
            watcher.start()
            payload = "A" * 80_000  # as base64
            for number in range(1000):
                code, answer, _ = server.call("AcquireLock", key=f"order:{number}", attempt_id="a",
                                              lease_duration="60s")
                if code != 0:
                    break
                token = answer["grant"].get("fencing_token") or answer["grant"]["fencingToken"]
                if server.call("RecordResult", key=f"order:{number}", fencing_token=token,
                               outcome="SUCCEEDED", payload=payload)[0] != 0:
                    break
            self.assertEqual(server.process.wait(PATIENCE), 3, server.log())
            watcher.join()
            self.assertIn((503, "not ready: the store has failed\n"), states)


def fill(path):
    """Takes what is free but for one MiB or so."""
    with path.open("wb") as file, contextlib.suppress(OSError):
        while True:
            space = os.statvfs(path.parent)
            if space.f_bavail * space.f_frsize < 1_200_000:
                return
            file.write(b"x" * 65536)
            file.flush()


class Drained:
    """A caller whose connection keeps a shutting-down server waiting until it lets go."""

    def __init__(self, server):
        self._server = server

    def __enter__(self):
        # A unary call whose request never ends: HTTP/2 by hand would be longer than grpcurl's stdin.
        self._process = subprocess.Popen(
            [programs.environment("LATCHKEY_GRPCURL"), "-plaintext", "-d", "@", self._server.address,
             "latchkey.v1.CoordinationService/Session"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._process.stdin.write('{"heartbeat": {"heartbeat_id": 1}}\n')
        self._process.stdin.flush()
        await_that(lambda: self._server.sample("latchkey_sessions") == 1, "the session")
        return self

    def let_go(self):
        self._process.kill()

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)


class BadSettingsTest(unittest.TestCase):
    def start(self, *options):
        done = subprocess.run([programs.environment("LATCHKEYD"), "--store=memory:",
                               "--listen-address=127.0.0.1:0", *options],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.returncode, done.stderr

    def test_a_port_in_use_is_named(self):
        with Latchkeyd() as server:
            code, said = self.start(f"--metrics-address={server.metrics_address}")
            self.assertEqual(code, 2)
            self.assertIn(f'metrics_address "{server.metrics_address}": Address already in use', said)
            self.assertIn("choose another with --metrics-address", said)

    def test_what_is_no_address_is_named(self):
        for wrong in ("", "7421", ":7421", "localhost:", "localhost:70000", "localhost:http"):
            code, said = self.start(f"--metrics-address={wrong}")
            self.assertEqual(code, 2, wrong)
            self.assertRegex(said, "metrics.address")

    def test_by_default_nobody_listens(self):
        with programs.server("--log-level=info") as address:
            self.assertNotEqual(address, "")

    def test_a_name_does_for_the_host(self):
        with Latchkeyd(metrics="localhost:0") as server:
            self.assertEqual(fetch(f"http://{server.metrics_address}/healthz"), (200, "ok\n"))


class TraceTest(unittest.TestCase):
    TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
    SPAN = "00f067aa0ba902b7"

    def lines(self, server, event):
        return [line for line in server.log().splitlines() if f"event={event} " in line]

    def test_lines_about_a_call_name_its_trace(self):
        header = [f"traceparent: 00-{self.TRACE}-{self.SPAN}-01"]
        with Latchkeyd("--log-level=debug") as server:
            server.call("RenewLease", headers=header, key="order:1", fencing_token=7)
            token = server.grant("order:1", "try-1")
            server.must("ForceRelease", headers=header, key="order:1", expected_fencing_token=token,
                        actor="ada", reason="hangs")
            named = f" trace_id={self.TRACE} span_id={self.SPAN} "
            for event in ("refused", "operator_action"):
                lines = self.lines(server, event)
                self.assertEqual(len(lines), 1, lines)
                self.assertIn(named, lines[0])

    def test_a_session_has_the_trace_of_its_stream(self):
        frame = ('{"calls": [{"call_id": 1, "renew_lease": {"key": "order:1", "fencing_token": 7}}], '
                 '"heartbeat": {"heartbeat_id": 1, "leases": [{"key": "order:2", "fencing_token": 7}]}}')
        with Latchkeyd("--log-level=debug") as server:
            code, _, errors = programs.shell(
                f"grpcurl -plaintext -H 'traceparent: 00-{self.TRACE}-{self.SPAN}-01' -d '{frame}' "
                f"{programs.ADDRESS} latchkey.v1.CoordinationService/Session", server.address)
            self.assertEqual(code, 0, errors)
            lines = self.lines(server, "refused")
            self.assertEqual(len(lines), 2, server.log())
            for line in lines:
                self.assertIn(f" trace_id={self.TRACE} span_id={self.SPAN} ", line)

    def test_nothing_else_gets_into_the_log(self):
        good = f"00-{self.TRACE}-{self.SPAN}-01"
        with Latchkeyd("--log-level=debug") as server:
            for headers in (["traceparent: event=forged actor=nobody"],
                            [f"traceparent: {good} event=forged"],
                            [f"traceparent: 00-{self.TRACE.upper()}-{self.SPAN}-01"],
                            [f"traceparent: {good}", "traceparent: " + good.replace("4bf9", "aaaa")]):
                server.call("RenewLease", headers=headers, key="order:1", fencing_token=7)
            self.assertEqual(len(self.lines(server, "refused")), 4)
            for never in ("forged", "trace_id", "traceparent"):
                self.assertNotIn(never, server.log())


if __name__ == "__main__":
    unittest.main()
