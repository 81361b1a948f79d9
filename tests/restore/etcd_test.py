"""From RocksDB to etcd and back, and back to an earlier snapshot of etcd, as an operator does it."""

import json
import os
import socket
import subprocess
import time
import unittest

from rig import OperatorTest

IN_DOUBT = 75


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Etcd:
    """A cluster of one member."""

    def __init__(self, directory):
        self._directory = directory
        self._peer = f"http://127.0.0.1:{free_port()}"
        self._process = None
        self.address = f"127.0.0.1:{free_port()}"
        self.start("cluster-1")

    def start(self, token):
        client = f"http://{self.address}"
        with open(self._directory / "etcd.log", "ab") as log:
            self._process = subprocess.Popen(
                ["/usr/bin/etcd", "--name=m", f"--data-dir={self._directory}/{token}",
                 f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
                 f"--listen-peer-urls={self._peer}", f"--initial-advertise-peer-urls={self._peer}",
                 f"--initial-cluster=m={self._peer}", f"--initial-cluster-token={token}"],
                stdout=log, stderr=log)
        until = time.monotonic() + 30
        while self.control("endpoint", "health", check=False).returncode != 0:
            if time.monotonic() > until:
                raise TimeoutError("etcd does not answer")

    def control(self, *arguments, check=True):
        return subprocess.run(["/usr/bin/etcdctl", f"--endpoints={self.address}", *arguments],
                              env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True,
                              check=check)

    def go_back_to(self, snapshot, token):
        self.stop()
        self.control("snapshot", "restore", snapshot, "--name=m", f"--data-dir={self._directory}/{token}",
                     f"--initial-cluster=m={self._peer}", f"--initial-advertise-peer-urls={self._peer}",
                     f"--initial-cluster-token={token}")
        self.start(token)

    def stop(self):
        self._process.terminate()
        self._process.wait()


class EtcdTest(OperatorTest):
    def setUp(self):
        super().setUp()
        self.etcd = Etcd(self.directory)
        self.addCleanup(self.etcd.stop)
        self.addCleanup(self.stop)

    def name(self, prefix="latchkey"):
        return f"etcd://{self.etcd.address}/{prefix}"

    def test_to_etcd_and_back(self):
        self.start()
        first = self.complete("done")
        held = int(self.ask("acquire", "held", "--lease=60s", "--holder=ada")["grant"]["fencing_token"])
        self.stop()
        text = self.run_offline("export", f"--store=rocksdb:{self.store}").stdout
        self.run_offline("import", f"--to={self.name()}", "--moved", text=text)
        self.start(self.name())
        self.assertEqual(self.ask("check", "done")["result"]["provider_reference"], "pay_done")
        self.assertFalse(self.ask("status").get("restore_in_doubt", False))
        self.ask("record", "held", f"--token={held}", "--outcome=succeeded", "--reference=pay_held")
        token = self.complete("in-etcd")
        self.assertGreater(token, max(first, held))
        self.stop()

        text = self.run_offline("export", f"--store={self.name()}").stdout
        back = f"rocksdb:{self.directory}/back"
        self.run_offline("import", f"--to={back}", "--moved", text=text)
        self.start(back)
        for key in ("done", "held", "in-etcd"):
            self.assertEqual(self.ask("check", key)["result"]["provider_reference"], f"pay_{key}")
        self.assertGreater(self.complete("again"), token)

    def test_refusals(self):
        self.expect_refused("there is no Latchkey store under none/", "export",
                            f"--store={self.name('none')}")
        self.start(self.name())
        self.complete("k")
        self.stop()
        text = self.run_offline("export", f"--store={self.name()}").stdout
        self.expect_refused("already: an import fills a new store", "import", f"--to={self.name()}",
                            text=text)
        self.expect_refused("line 3: the export was cut off", "import", f"--to={self.name('new')}",
                            text="\n".join(text.splitlines()[:2]) + "\n", code=1)
        # What was begun is of no use to anybody.
        self.expect_refused("was not imported to its end", "export", f"--store={self.name('new')}")
        self.etcd.control("del", "--prefix", "new/")
        self.run_offline("import", f"--to={self.name('new')}", "--moved", text=text)
        self.expect_refused("there is no Latchkey store under none/", "etcd-restored",
                            f"--store={self.name('none')}")
        self.expect_refused("etcd_certificate and etcd_key are given together", "export",
                            f"--store={self.name()}", "--etcd-certificate=rig.py", code=1)

    def test_back_to_a_snapshot_of_etcd(self):
        self.start(self.name())
        highest = self.complete("before")
        self.ask("acquire", "held", "--lease=15m", "--holder=ada")
        snapshot = f"{self.directory}/snapshot"
        self.etcd.control("snapshot", "save", snapshot)
        highest = max(highest, self.complete("after"))
        self.stop()
        for name in ("once", "twice"):
            self.etcd.go_back_to(snapshot, name)
            self.expect_refused("it was restored from a snapshot", "export", f"--store={self.name()}")
            restored = json.loads(self.run_offline("etcd-restored", f"--store={self.name()}",
                                                   "--output=json").stdout)
            self.assertEqual(int(restored["token_now"]),
                             int(restored["token_before"]) + int(restored["tokens_moved_by"]))
            self.assertGreater(int(restored["token_now"]), highest)
            self.start(self.name())
            self.assertTrue(self.ask("status")["restore_in_doubt"])
            self.assertEqual(self.ask("check", "before")["result"]["provider_reference"], "pay_before")
            self.assertEqual(self.ask("check", "held", code=IN_DOUBT)["state"], "IN_DOUBT")
            # Of what came after the snapshot nobody knows, so it is not run again blindly.
            self.assertTrue(self.ask("acquire", "after", code=IN_DOUBT)["contention"]["in_doubt"])
            token = int(self.ask("acquire", "after", "--accept-recover")["grant"]["fencing_token"])
            self.assertGreater(token, highest)
            self.ask("clear-restore-doubt", "--actor=ada", "--reason=looked")
            highest = max(token, self.complete("new"))
            self.stop()


if __name__ == "__main__":
    unittest.main()
