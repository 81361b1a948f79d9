"""The alerts are seen firing: Debian's Prometheus, started here, looks at a server to which it happens."""

import contextlib
import json
import pathlib
import re
import socket
import subprocess
import tempfile
import unittest

from monitored import PATIENCE, Latchkeyd, await_that, fetch
from rules_test import PROMETHEUS, RULES


def quickened(rules):
    """The shipped rules without their patience: promtool has seen that they have it."""
    quick, pauses = re.subn(r"for: \d+m", "for: 0s", rules)
    quick, ages = re.subn(r"(latchkey_in_doubt_oldest_age_seconds) > 600", r"\1 > 2", quick)
    assert pauses >= 5 and ages == 1, (pauses, ages)
    return quick


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Prometheus:
    """Scrapes one address five times a second, from a directory that goes with it."""

    def __init__(self, scraped):
        self._stack = contextlib.ExitStack()
        directory = pathlib.Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / RULES.name).write_text(quickened(RULES.read_text()))
        config = (PROMETHEUS / "prometheus.yml").read_text()
        for shipped, quick in (("15s", "200ms"), ("127.0.0.1:7421", scraped)):
            assert shipped in config
            config = config.replace(shipped, quick)
        (directory / "prometheus.yml").write_text(config)
        self.url = f"http://127.0.0.1:{free_port()}"
        log = self._stack.enter_context((directory / "log").open("w"))
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yml",
             f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address={self.url.removeprefix('http://')}"], stdout=log, stderr=log)
        self._stack.callback(self._end)
        await_that(lambda: fetch(self.url + "/-/ready")[0] == 200, "Prometheus to be ready")

    def _end(self):
        self._process.kill()
        self._process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def up(self):
        found = json.loads(fetch(self.url + "/api/v1/query?query=up")[1])["data"]["result"]
        return any(sample["value"][1] == "1" for sample in found)

    def firing(self):
        """The labels of the alerts that fire, by name."""
        alerts = json.loads(fetch(self.url + "/api/v1/alerts")[1])["data"]["alerts"]
        return {alert["labels"]["alertname"]: alert["labels"]
                for alert in alerts if alert["state"] == "firing"}


class AlertsTest(unittest.TestCase):
    def test_they_fire_when_it_happens_and_not_before(self):
        with Latchkeyd() as server, Prometheus(server.metrics_address) as prometheus:
            await_that(prometheus.up, "the first scrape")
            self.assertEqual(prometheus.firing(), {})

            token = server.make_doubt("order:1")
            labels = await_that(lambda: prometheus.firing().get("LatchkeyInDoubtTooOld"), "the age")
            self.assertEqual((labels["namespace"], labels["severity"]), ("default", "page"))
            self.assertEqual(list(prometheus.firing()), ["LatchkeyInDoubtTooOld"])
            server.must("ResolveOutcome", key="order:1", expected_fencing_token=token,
                        outcome="NOT_EXECUTED", actor="ada", reason="the provider knows nothing of it")
            await_that(lambda: prometheus.firing() == {}, "the alert to be over")

            server.make_duplicate("order:2")
            await_that(lambda: "LatchkeyDuplicateEffectSuspected" in prometheus.firing(), "the duplicate")
            self.assertNotIn("LatchkeyDown", prometheus.firing())

            server.process.kill()
            labels = await_that(lambda: prometheus.firing().get("LatchkeyDown"), "the end of the server")
            self.assertEqual(labels["instance"], server.metrics_address)

    def test_a_disk_that_is_nearly_full(self):
        with tempfile.TemporaryDirectory() as directory:
            options = (f"--storage-reserve-bytes={1 << 62}",)
            with Latchkeyd(*options, store=f"rocksdb:{directory}/store") as server:
                with Prometheus(server.metrics_address) as prometheus:
                    await_that(prometheus.up, "the first scrape")

                    def refused():
                        code, _, errors = server.call("AcquireLock", key="order:1", attempt_id="a",
                                                      lease_duration="60s")
                        self.assertNotEqual(code, 0)
                        self.assertIn("STORAGE_FULL", errors)
                        return "LatchkeyStorageNearlyFull" in prometheus.firing()
                    await_that(refused, "the full disk")


if __name__ == "__main__":
    unittest.main()
