"""The calls of the admin service."""

import getpass
import re
import unittest

import rig

_REFUSED, _ABSENT = 65, 66


class AdminTest(rig.ServedTest):
    def test_resolve_settles_a_key_in_doubt_and_says_who_did_it(self):
        token = self.doubt("a")
        resolved = self.good("resolve", "a", "--token", token, "--outcome=succeeded", "--reference=ch_9",
                             "--reason=found in their list", "--payload=yes")
        self.assertRegex(resolved.output, r"(?m)^state +COMPLETED$")
        record = self.good("get", "a", "--output=json").json()["record"]
        self.assertEqual(record["result"]["provider_reference"], "ch_9")
        self.assertEqual(record["audit"][0]["reason"], "found in their list")
        self.assertTrue(record["audit"][0]["actor"].startswith(getpass.getuser() + "@"))
        self.assertIn("ResolveOutcome", self.good("get", "a").output)
        self.complains(_REFUSED, "(NOT_IN_DOUBT)", "resolve", "a", "--token", token, "--outcome=not-executed",
                       "--reason=x")

    def test_resolve_not_executed_frees_the_key(self):
        token = self.doubt("a")
        self.good("resolve", "a", "--token", token, "--outcome=not-executed", "--reason=x", "--actor=me@desk")
        self.assertEqual(self.state("a"), "ABSENT")

    def test_a_token_of_yesterday_changes_nothing(self):
        token = self.doubt("a")
        self.acquire("a", "--accept-recover")
        for arguments in (["resolve", "a", "--outcome=succeeded"], ["force-release", "a"], ["delete", "a"]):
            self.complains(_REFUSED, "(STALE_FENCING_TOKEN)", *arguments, "--token", token, "--reason=x")
        self.assertEqual(self.state("a"), "HELD")

    def test_force_release_with_the_token_of_now(self):
        self.acquire("a")
        self.assertRegex(self.good("force-release", "a", "--token=current", "--reason=x").output,
                         r"(?m)^state +IN_DOUBT$")
        self.assertEqual(self.state("a"), "IN_DOUBT")
        self.complains(_ABSENT, "no record of b", "force-release", "b", "--token=current", "--reason=x")

    def test_delete_makes_the_key_new(self):
        token = self.acquire("a")
        self.complains(_REFUSED, "(RECORD_LIVE)", "delete", "a", "--token", token, "--reason=x")
        self.good("record", "a", "--token", token, "--outcome=succeeded")
        self.assertIn("no record", self.good("delete", "a", "--token", token, "--reason=x").output)
        gone = self.run_latchkey("get", "a")
        self.assertEqual((gone.code, gone.errors), (_ABSENT, ""))
        self.assertIn("DeleteRecord", gone.output)

    def test_status(self):
        self.doubt("a")
        told = self.good("status").output
        self.assertRegex(told, r"(?m)^serving +yes$")
        self.assertRegex(told, r"(?m)^NAMESPACE +HELD +IN DOUBT")
        self.assertRegex(told, r"(?m)^\* +0 +\d+ +3d +90d")
        self.assertEqual(self.good("status", "--output=json").json()["limits"]["key_bytes"], 255)

    def offered(self, *arguments):
        """What it says; empty where the server does not offer this call, which must be said in one line."""
        ended = self.run_latchkey(*arguments)
        if ended.code == _REFUSED:
            self.assertIn("does not offer this call (NOT_IMPLEMENTED)", ended.errors)
            self.assertEqual(ended.errors.count("\n"), 1)
            return ""
        self.assertEqual((ended.code, ended.errors), (0, ""))
        return ended.output

    def test_clear_restore_doubt(self):
        said = self.offered("clear-restore-doubt", "--reason=x")
        self.assertIn(said, ("", "there was no doubt of a restore\n"))

    def test_watch(self):
        self.acquire("a")
        said = self.offered("watch", "--count=1")
        self.assertTrue(said == "" or re.search(r"HELD +a", said), said)


class ListTest(rig.ServedTest):
    def setUp(self):
        for number in range(3):
            self.acquire(f"order:{number}", f"--holder=worker-{number % 2}")
        self.doubt("order:3")
        token = self.acquire("parcel:1")
        self.good("record", "parcel:1", "--token", token, "--outcome=succeeded", "--reference=p_1")

    def keys(self, *arguments):
        ended = self.run_latchkey("list", *arguments)
        self.assertEqual(ended.code, 0, ended)
        return [line.split()[0] for line in ended.output.splitlines()[1:]]

    def test_is_a_table(self):
        lines = self.good("list").output.splitlines()
        self.assertEqual(lines[0].split(), ["KEY", "STATE", "AGE", "ATTEMPT", "TOKEN", "HOLDER", "DETAIL"])
        self.assertEqual(len(lines), 6)
        self.assertEqual({line.find(word) for line, word in
                          zip(lines, ["STATE", "HELD", "HELD", "HELD", "IN_DOUBT", "COMPLETED"])},
                         {lines[0].find("STATE")})
        self.assertIn("SUCCEEDED p_1", lines[5])
        self.assertIn("lease left", lines[1])

    def test_filters(self):
        self.assertEqual(self.keys("--state=held"), ["order:0", "order:1", "order:2"])
        self.assertEqual(self.keys("--state=in-doubt"), ["order:3"])
        self.assertEqual(self.keys("--prefix=parcel:"), ["parcel:1"])
        self.assertEqual(self.keys("--holder=worker-0"), ["order:0", "order:2"])
        nothing = self.run_latchkey("list", "--older-than=1h")
        self.assertEqual((nothing.code, nothing.output), (0, ""))
        self.assertEqual(self.run_latchkey("list", "--older-than=1h", "--output=json").errors, "")

    def test_pages(self):
        first = self.run_latchkey("list", "--limit=2")
        self.assertEqual(len(first.output.splitlines()), 3)
        self.assertIn("--page-token=", first.errors)
        token = first.errors.partition("--page-token=")[2].split()[0]
        self.assertEqual(self.keys("--page-token", token), ["order:2", "order:3", "parcel:1"])
        self.assertEqual(len(self.keys("--all", "--page-size=2")), 5)

    def test_json_is_a_record_a_line(self):
        lines = self.good("list", "--output=json").output.splitlines()
        self.assertEqual([rig.json.loads(line)["key"] for line in lines],
                         ["order:0", "order:1", "order:2", "order:3", "parcel:1"])


if __name__ == "__main__":
    unittest.main()
