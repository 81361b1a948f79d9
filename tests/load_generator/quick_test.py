"""The quick form of every benchmark: that it runs to its end, and writes what its readers parse. Nothing
here depends on how fast it was."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAMS = pathlib.Path(os.environ["LATCHKEY_PROGRAMS"])
FIGURES = ("p50_us", "p99_us", "p999_us")


class BenchTest(unittest.TestCase):
    def setUp(self):
        # Below the build directory: what the benchmarks measure is that disk.
        directory = tempfile.TemporaryDirectory(dir=PROGRAMS, prefix="bench-")
        self.addCleanup(directory.cleanup)
        self.output = pathlib.Path(directory.name)

    def run_bench(self, name, *options):
        """The rows that the benchmark wrote, and what it printed."""
        command = [
            PROGRAMS / "tools/load_generator/latchkey_bench",
            f"--latchkeyd={PROGRAMS}/server/latchkeyd",
            f"--echo={PROGRAMS}/tools/load_generator/latchkey_echo",
            f"--output={self.output}", name, "--quick", *options,
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertEqual(list(self.output.glob("scratch-*")), [], "scratch directories are left behind")
        written = self.output / f"{name}.json"
        rows = json.loads(written.read_text()) if written.exists() else []
        for row in rows:
            self.assertEqual(row["bench"], name)
            self.assertRegex(row["version"], r"\d+\.\d+")
        return rows, ran.stdout

    def check_rate(self, row, rate):
        self.assertGreater(row[rate], 0, row)
        for figure in FIGURES:
            self.assertGreater(row[figure], 0, row)
        self.assertLessEqual(row["p50_us"], row["p99_us"])
        self.assertLessEqual(row["p99_us"], row["p999_us"])

    def check_beside_first(self, rows, said):
        """Rows that differ in one thing, each with its share of the first one's rate."""
        for row in rows:
            self.assertEqual(row["system"], "latchkey")
            self.check_rate(row, "flows_per_second")
            self.assertGreater(row["share_of_first"], 0, row)
            self.assertGreater(row["p99_share_of_first"], 0, row)
            self.assertLessEqual(row["share_of_first_min"], row["share_of_first_max"])
            self.assertIn("\n" + row["part"] + " ", said)
        self.assertEqual(rows[0]["share_of_first"], 1)

    def check_chart(self, name, *words):
        text = (self.output / f"{name}.svg").read_text()
        xml.etree.ElementTree.fromstring(text)
        for word in words:
            self.assertIn(word, text)

    def test_unary(self):
        rows, _ = self.run_bench("unary")
        self.assertEqual([row["system"] for row in rows], ["echo", "latchkey"])
        for row in rows:
            self.check_rate(row, "operations_per_second")
        self.assertGreater(rows[1]["share_of_echo"], 0)

    def test_latency(self):
        rows, _ = self.run_bench("latency")
        self.assertEqual([row["concurrency"] for row in rows], [1, 1])
        for row in rows:
            self.check_rate(row, "operations_per_second")
        self.assertGreater(rows[1]["synced_append_p50_us"], 0)

    def test_flows(self):
        rows, _ = self.run_bench("flows")
        unary = [row for row in rows if row["transport"] == "unary"]
        self.assertEqual([row["concurrency"] for row in unary], [1, 16, 64])
        for row in rows:
            self.assertEqual(row["system"], "latchkey")
            self.check_rate(row, "flows_per_second")
        self.check_chart("flows", "unary", "p99.9")

    def test_peers(self):
        rows, _ = self.run_bench("peers")
        ours = {"latchkey", "echo"}
        peers = {"etcd-lock", "etcd-txn", "postgresql", "postgresql-tcp", "redis-always",
                 "redis-everysec"}
        self.assertEqual({row["system"] for row in rows}, ours | peers)
        for row in rows:
            self.check_rate(row, "flows_per_second")
            self.assertTrue(row["durability"])
            if row["system"] in peers:
                self.assertEqual(row["transport"], "native")
                self.assertGreater(row["latchkey_unary_ratio"], 0)
                self.assertGreater(row["latchkey_session_ratio"], 0)
        self.check_chart("peers", "postgresql", "redis-everysec")

    def test_scale(self):
        # libfaketime and a sanitizer both want to be the first library.
        sanitized = os.environ.get("LATCHKEY_SANITIZER")
        rows, _ = self.run_bench("scale", *(["--retention-seconds=0"] if sanitized else []))
        rates = [row for row in rows if row["part"] == "rate" and row["transport"] == "unary"]
        self.assertEqual([row["completed_records"] for row in rates], [0, 200, 2000])
        for row in rates:
            self.check_rate(row, "flows_per_second")
        restart, = (row for row in rows if row["part"] == "restart")
        self.assertGreater(restart["restart_seconds"], 0)
        self.assertEqual(restart["live_leases"], 200)
        disk, = (row for row in rows if row["part"] == "disk")
        self.assertGreaterEqual(disk["completed_records"], 2000)
        self.assertGreater(disk["data_bytes_per_record"], disk["payload_bytes"])
        self.assertGreater(disk["disk_bytes_per_record"], disk["data_bytes_per_record"])
        retention = [row for row in rows if row["part"] == "retention"]
        self.assertEqual(len(retention), 0 if sanitized else len({row["transport"] for row in rows}))
        for row in retention:
            self.check_rate(row, "flows_per_second")
            self.assertGreater(row["disk_bytes"], 0)
        self.check_chart("scale", "resident memory")

    def test_contention(self):
        rows, _ = self.run_bench("contention")
        unary = {row["part"]: row for row in rows if row["transport"] == "unary"}
        self.assertEqual(list(unary), ["one hot key", "many hot keys", "renewals", "lapse"])
        self.assertEqual(unary["many hot keys"]["keys"], 20)
        for part in ("one hot key", "many hot keys"):
            self.assertGreater(unary[part]["hand_offs_per_second"], 0)
            self.assertEqual(unary[part]["wake_ups_per_hand_off"], 1)
        self.assertEqual(unary["renewals"]["live_leases"], 200)
        self.assertGreater(unary["renewals"]["messages_per_second"], 0)
        self.assertEqual(unary["lapse"]["lapsed_leases"], 200)
        self.assertGreater(unary["lapse"]["longest_flow_us"], 0)
        self.check_chart("contention", "hand-offs")

    def test_restart(self):
        _, said = self.run_bench("restart")
        self.assertIn("first acknowledged AcquireLock", said)

    def test_hostile(self):
        rows, said = self.run_bench("hostile")
        self.assertEqual([row["part"] for row in rows],
                         ["nothing", "idle connections", "waiters", "oversized frames", "slow readers",
                          "vanishing callers"])
        for row in rows:
            self.assertGreater(row["flows_per_second"], 0)
            self.assertGreater(row["peak_resident_bytes"], 0)
            self.assertEqual(row["attackers"] > 0, row["part"] != "nothing")
            self.assertIn(row["part"], said)

    def test_credentials(self):
        rows, said = self.run_bench("credentials")
        self.assertEqual([row["part"] for row in rows],
                         ["neither", "neither, once more", "metrics", "a token", "a token and metrics",
                          "a token and metrics, over TLS"])
        self.check_beside_first(rows, said)

    def test_tenants(self):
        rows, said = self.run_bench("tenants")
        self.assertEqual([row["part"] for row in rows],
                         ["nobody", "nobody, once more", "a tenant without a quota",
                          "a tenant at its quota, patient", "the same, asking at once"])
        self.check_beside_first(rows, said)
        for row in rows:
            tenant = not row["part"].startswith("nobody")
            self.assertEqual(row["tenant_answers_per_second"] > 0, tenant, row)
            self.assertEqual(row["tenant_grants_per_second"] > 0, tenant, row)
        # A second's worth to begin with, and then the rate, which no manners can raise.
        for row in rows[3:]:
            self.assertLess(row["tenant_grants_per_second"], 250, row)

    def test_waiters(self):
        _, said = self.run_bench("waiters")
        self.assertIn("hand-overs", said)


if __name__ == "__main__":
    unittest.main()
