"""The calls of the admin service."""

import getpass
import tempfile
import unittest

import programs
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
        self.assertRegex(told, r"(?m)^restore doubt +none$")
        self.assertRegex(told, r"(?m)^NAMESPACE +HELD +IN DOUBT")
        self.assertRegex(told, r"(?m)^\* +0 +\d+ +3d +90d")
        self.assertRegex(told, r"(?m)^NAMESPACE +LIVE RECORDS +ON THE DISK +NEW KEYS +WAITING CALLS$")
        self.assertRegex(told, r"(?m)^\* +1000000 each +no quota +no quota +no quota$")
        self.assertEqual(self.good("status", "--output=json").json()["limits"]["key_bytes"], 255)

    def test_clear_restore_doubt_where_there_is_none(self):
        cleared = self.good("clear-restore-doubt", "--reason=x")
        self.assertEqual(cleared.output, "there was no doubt of a restore\n")
        # An answer of false is one that JSON leaves out.
        self.assertEqual(self.good("clear-restore-doubt", "--reason=x", "--output=json").json(), {})


class WatchTest(rig.ServedTest):
    def lines(self, *arguments):
        """What a watch shows that ends by itself."""
        return self.good("watch", *arguments).output.splitlines()

    def test_shows_the_present_state_first(self):
        self.acquire("a", "--holder=worker-1")
        self.doubt("b")
        held, in_doubt = (line.split() for line in self.lines("--count=2"))
        self.assertEqual(held, ["now", "HELD", "a", "worker-1"])
        self.assertEqual(in_doubt[:3], ["now", "IN_DOUBT", "b"])

    def test_goes_on_with_the_changes_and_resumes_after_a_revision(self):
        token = self.acquire("a", "--holder=worker-1")
        watching = self.start("watch", "--count=3")
        self.assertEqual(watching.stdout.readline().split(), [b"now", b"HELD", b"a", b"worker-1"])
        self.good("record", "a", "--token", token, "--outcome=succeeded", "--reference=ch_1")
        self.acquire("b", "--holder=worker-2")
        shown = [line.split() for line in self.ended(watching).output.splitlines()]
        self.assertEqual([line[1:] for line in shown],
                         [["COMPLETED", "a", "worker-1", "SUCCEEDED", "ch_1"], ["HELD", "b", "worker-2"]])
        revision = int(shown[0][0])
        self.assertGreater(int(shown[1][0]), revision)
        resumed = self.lines("--count=1", f"--after-revision={revision}")
        self.assertEqual([line.split() for line in resumed], [shown[1]])

    def test_shows_only_the_prefix(self):
        self.acquire("order:1", "--holder=worker-1")
        self.acquire("parcel:1", "--holder=worker-1")
        shown = self.lines("--prefix=parcel:", "--count=1")
        self.assertEqual([line.split()[2] for line in shown], ["parcel:1"])

    def test_says_that_changes_were_missed(self):
        # One that this server never gave.
        watching = self.start("watch", "--after-revision=1", "--count=1")
        note = watching.stderr.readline().decode()
        self.assertRegex(note, r"^latchkey: changes up to revision \d+ were missed: list again\n$")
        self.acquire("a")
        self.assertEqual(self.ended(watching).code, 0)

    def test_json_is_a_line_for_each(self):
        self.acquire("a")
        first = rig.json.loads(self.lines("--count=1", "--output=json")[0])
        self.assertEqual((first["record"]["key"], first["record"]["state"]), ("a", "HELD"))


class QuotaTest(rig.ServedTest):
    """Namespaces with quotas, and what `status` shows of them."""

    @classmethod
    def setUpClass(cls):
        settings = tempfile.NamedTemporaryFile("w", suffix=".toml")
        cls.addClassCleanup(settings.close)
        settings.write('[namespaces.shop]\nlive_records_max = 2\nnew_keys_per_second_max = 500\n'
                       'waiters_max = 7\nstored_bytes_max = 10485760\n')
        settings.flush()
        context = programs.server(f"--config={settings.name}")
        cls.address = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)

    def test_status_shows_limits_and_use(self):
        self.acquire("a", "--namespace=shop")
        row = r"(?m)^shop +{} of 2 +0 bytes of 10 MiB +500/s +0 of 7$"
        self.assertRegex(self.good("status").output, row.format(1))
        self.acquire("b", "--namespace=shop")
        self.complains(_REFUSED, "(QUOTA_EXCEEDED)", "acquire", "c", "--namespace=shop")
        self.assertRegex(self.good("status").output, row.format(2))
        self.assertIn("\x1b[1;31m2 of 2", self.good("status", "--color=always").output)


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
