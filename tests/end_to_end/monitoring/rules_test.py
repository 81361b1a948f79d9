"""The files for Prometheus and Grafana agree with the server, with each other and with the documents."""

import json
import re
import subprocess
import unittest

import documents
from monitored import PATIENCE, Latchkeyd

PROMETHEUS = documents.ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "latchkey.rules.yml"
DASHBOARD = documents.ROOT / "deploy" / "grafana" / "latchkey.json"
_NAME = re.compile(r"\blatchkey_[a-z_]+\b")
_PARTS = re.compile(r"_(bucket|count|sum)$")


def promtool(*words):
    return subprocess.run(["promtool", *words], cwd=PROMETHEUS, text=True, capture_output=True,
                          timeout=PATIENCE)


def shown_families():
    """The names of the families that a server shows."""
    with Latchkeyd() as server:
        return set(re.findall(r"^# TYPE (\S+)", server.get("/metrics")[1], re.MULTILINE))


def named_in(text):
    return {_PARTS.sub("", name) for name in _NAME.findall(text)}


def alerts():
    return re.findall(r"^ *- alert: (\w+)$", RULES.read_text(), re.MULTILINE)


class RulesTest(unittest.TestCase):
    def test_promtool_takes_them(self):
        for words in (("check", "rules", RULES.name), ("check", "config", "prometheus.yml"),
                      ("test", "rules", "latchkey.rules_test.yml")):
            done = promtool(*words)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_alert_is_seen_to_fire_by_promtool(self):
        tested = (PROMETHEUS / "latchkey.rules_test.yml").read_text()
        firing = re.findall(r"alertname: (\w+)\n\s+exp_alerts:", tested)
        self.assertEqual(sorted(alerts()), sorted(firing))

    def test_they_ask_only_for_what_there_is(self):
        expressions = "".join(re.findall(r"expr: (?:>-\n)?((?:.*\n)(?: {10}.*\n)*)", RULES.read_text()))
        self.assertGreater(len(named_in(expressions)), 5)
        self.assertEqual(named_in(expressions) - shown_families(), set())

    def test_each_alert_has_a_section_that_says_what_to_do(self):
        sections = re.findall(r"^### (Latchkey\w+)$", (documents.ROOT / "docs" / "operations.md").read_text(),
                              re.MULTILINE)
        self.assertEqual(alerts(), sections)

    def test_each_metric_is_documented(self):
        rows = re.findall(r"^\| `(latchkey_\w+)(?:\{[^`]*\})?` \|",
                          (documents.ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
        self.assertEqual(len(rows), 21)
        self.assertEqual(set(rows), shown_families())


class DashboardTest(unittest.TestCase):
    def test_it_asks_only_for_what_there_is_and_for_all_of_it(self):
        panels = json.loads(DASHBOARD.read_text())["panels"]
        asked = "\n".join(target["expr"] for panel in panels for target in panel["targets"])
        self.assertEqual(named_in(asked), shown_families())
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))

    def test_prometheus_can_read_every_question(self):
        panels = json.loads(DASHBOARD.read_text())["panels"]
        for panel in panels:
            for target in panel["targets"]:
                question = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                done = subprocess.run(["promtool", "query", "instant", "http://127.0.0.1:1", question],
                                      text=True, capture_output=True, timeout=PATIENCE)
                # It asks nobody, but says first what it cannot read.
                self.assertNotIn("parse error", done.stdout + done.stderr, question)


if __name__ == "__main__":
    unittest.main()
