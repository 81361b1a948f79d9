"""The simulation runs what is shipped: it defines nothing of it a second time, and links what it is about."""

import os
import re
import subprocess
import unittest

_ARCHIVE = os.environ["LATCHKEY_SIMULATION_ARCHIVE"]
_PROGRAM = os.environ["LATCHKEY_SIMULATE"]

# What must come from the libraries.
_SHIPPED = (
    "latchkey::Partitions::StartStepped", "latchkey::Partitions::Submit", "latchkey::PartitionThread::Step",
    "latchkey::Session::OnFrame", "latchkey::Session::OnWritten", "latchkey::Retention::Start",
    "latchkey::Housekeeper::Round", "latchkey::ReplyBudget::Acquire",
    "latchkey::storage::MemoryRecordStore::Commit", "latchkey::storage::TokenAllocator::Take",
    "latchkey::client::Client::RunOnceAsync", "latchkey::client::Client::AcquireLockAsync",
    "latchkey::client::Lease::ReleaseAsync", "latchkey::client::Attempt::SaveCheckpointAsync",
    "latchkey::client::internal::RpcConnection::RpcConnection",
    "latchkey::client::internal::MakeSessionTransport",
)


def symbols(archive):
    """The kind and name of each symbol; the names of functions without their parameters."""
    out = subprocess.run(["nm", "-C", archive], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        match = re.match(r"^[0-9a-f]* +([A-Za-z]) (.+)$", line)
        if match:
            yield match.group(1), match.group(2)


class ShippedTest(unittest.TestCase):
    def test_defines_no_second_version(self):
        defined = [name for kind, name in symbols(_ARCHIVE) if kind in "TDBR"]
        self.assertGreater(len(defined), 100)
        ours = [name for name in defined if "latchkey::" in name]
        foreign = [name for name in ours if "latchkey::simulation::" not in name]
        self.assertEqual(foreign, [])

    def test_uses_what_is_shipped(self):
        used = {name.split("(")[0] for kind, name in symbols(_ARCHIVE) if kind == "U"}
        self.assertEqual([name for name in _SHIPPED if name not in used], [])

    def test_a_run_is_the_same_in_another_process(self):
        runs = [subprocess.run([_PROGRAM, "--seed", "11", "--verbose"], check=True, capture_output=True,
                               text=True).stdout for _ in range(2)]
        self.assertGreater(len(runs[0].splitlines()), 100)
        self.assertEqual(runs[0], runs[1])


class UsageTest(unittest.TestCase):
    def run_it(self, *arguments):
        return subprocess.run([_PROGRAM, *arguments], capture_output=True, text=True)

    def test_last_line(self):
        run = self.run_it("--seed", "12")
        last = run.stdout.splitlines()[-1]
        self.assertRegex(last, r"^seeds=1 steps=\d+ simulated_seconds=\d+ acknowledged=\d+ .* violations=0$")
        self.assertEqual(run.returncode, 0)

    def test_few_seeds_miss_a_floor(self):
        run = self.run_it("--seeds", "1")
        self.assertIn("floor: ", run.stdout)
        self.assertEqual(run.returncode, 1)

    def test_usage_errors(self):
        for wrong in (["--no-such"], ["--jobs", "0"], ["--seed", "1", "--seeds", "2"], ["--verbose"]):
            self.assertEqual(self.run_it(*wrong).returncode, 2, wrong)


if __name__ == "__main__":
    unittest.main()
