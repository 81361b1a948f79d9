"""latchkey backup, restore, export and import, as an operator runs them."""

import json
import shutil
import unittest

from rig import REFUSED, OperatorTest


class CommandsTest(OperatorTest):
    def setUp(self):
        super().setUp()
        self.backups = self.directory / "backups"

    def back_up(self):
        return self.ask("backup", "--actor=ada", "--reason=nightly")

    def restore(self, to, *options):
        return json.loads(self.run_offline("restore", f"--backup={self.backups}", f"--to={to}",
                                           "--output=json", *options).stdout)

    def test_backup_and_restore(self):
        self.start()
        highest = self.complete("before")
        self.assertEqual(self.back_up()["backup_id"], "1")
        highest = max(highest, self.complete("after"))
        self.stop()
        for name in ("once", "twice"):
            restored = self.restore(self.directory / name)
            self.assertEqual(restored["backup_id"], "1")
            self.assertEqual(int(restored["token_now"]),
                             int(restored["token_before"]) + int(restored["tokens_moved_by"]))
            self.assertGreater(int(restored["token_now"]), highest)
            self.start(f"rocksdb:{self.directory}/{name}")
            self.assertTrue(self.ask("status")["restore_in_doubt"])
            self.assertRegex(self.status(),
                             r"(?m)^restore doubt +open: restored 2\S+Z, and nothing is known of "
                             r"2\S+Z and later; .*`latchkey clear-restore-doubt`$")
            self.assertEqual(self.ask("check", "before")["result"]["provider_reference"], "pay_before")
            self.ask("clear-restore-doubt", "--actor=ada", "--reason=looked")
            self.assertFalse(self.ask("status").get("restore_in_doubt", False))
            self.assertRegex(self.status(), r"(?m)^restore doubt +none$")
            token = self.complete("after")
            self.assertGreater(token, highest)
            highest = token

    def test_what_is_said(self):
        self.start()
        self.complete("k")
        self.back_up()
        self.stop()
        said = self.run_offline("restore", f"--backup={self.backups}",
                                f"--to={self.directory}/new").stdout
        self.assertRegex(said, r"backup 1 of \S+ is restored to \S+/new\n"
                               r"fencing tokens are moved on by \d+, from \d+ to \d+\n"
                               r"keys without a record are in doubt until you run latchkey "
                               r"clear-restore-doubt\n")
        listed = self.run_offline("restore", f"--backup={self.backups}", "--list").stdout
        self.assertRegex(listed, r"BACKUP +TAKEN +BYTES\n +1 +\S+ +\d+\n")

    def test_refusals_of_restore(self):
        self.start()
        self.complete("k")
        self.back_up()
        from_backups = ("restore", f"--backup={self.backups}")
        live = f"--to={self.store}"
        self.expect_refused("holds a Latchkey store already", *from_backups, live)
        self.assertTrue(self.ask("status")["serving"], "the live server is as it was")
        self.stop()
        self.expect_refused("holds a Latchkey store already", *from_backups, live)
        new = f"--to={self.directory}/new"
        self.expect_refused("there is no backup 9", *from_backups, new, "--id=9")
        self.expect_refused("there is no backup directory", "restore", f"--backup={self.directory}/no", new)
        self.expect_refused("so there are no backups", "restore", f"--backup={self.store}", new)
        self.expect_refused("--to is required", *from_backups, code=2)
        marker = self.backups / "LATCHKEY_BACKUPS"
        marker.write_text("latchkey backups, format 2\n")
        self.expect_refused("has format version 2, this build reads version 1", *from_backups, new)
        marker.write_text("latchkey backups, format 1\n")
        for file in (self.backups / "shared_checksum").iterdir():
            file.unlink()
        self.expect_refused("is damaged", *from_backups, new, code=1)

    def test_export_and_import(self):
        self.start()
        token = self.complete("k")
        export = ("export", f"--store=rocksdb:{self.store}")
        self.expect_refused("in use", *export)
        self.stop()
        text = self.run_offline(*export).stdout
        self.assertEqual(json.loads(text.splitlines()[0])["header"]["fencing_token"], str(token))
        self.assertEqual(json.loads(text.splitlines()[-1]), {"end": {"records": "1"}})

        moved = self.directory / "moved"
        self.run_offline("import", f"--to=rocksdb:{moved}", "--moved", text=text)
        self.start(f"rocksdb:{moved}")
        self.assertEqual(self.ask("check", "k")["result"]["provider_reference"], "pay_k")
        self.assertFalse(self.ask("status").get("restore_in_doubt", False))
        self.assertEqual(self.complete("next"), token + 1)

        copied = self.directory / "copied"
        self.run_offline("import", f"--to={copied}", text=text)
        self.start(f"rocksdb:{copied}")
        self.assertTrue(self.ask("status")["restore_in_doubt"])

    def test_refusals_of_export_and_import(self):
        self.start()
        self.complete("k")
        self.stop()
        text = self.run_offline("export", f"--store={self.store}").stdout
        new = f"--to={self.directory}/new"
        self.expect_refused("holds a Latchkey store already", "import", f"--to={self.store}", text=text)
        self.expect_refused("line 2: the export was cut off", "import", new,
                            text=text.splitlines()[0] + "\n", code=1)
        self.expect_refused("line 1: this is no line", "import", new, text="hello\n", code=1)
        header = json.loads(text.splitlines()[0])
        header["header"]["format_version"] = 7
        self.expect_refused("format version 7, this build reads version 1", "import", new,
                            text=json.dumps(header) + "\n")
        self.expect_refused("there is no Latchkey store in", "export", f"--store={self.directory}/no")
        self.expect_refused("cannot be read", "import", new, f"--file={self.directory}/no", code=1)

    def test_a_backup_without_a_directory_is_refused(self):
        self.start()
        shutil.rmtree(self.backups, ignore_errors=True)
        self.backups.write_text("not a directory")
        said = self.ask("backup", "--actor=ada", "--reason=nightly", code=REFUSED)
        self.assertIn("backup directory", said)


if __name__ == "__main__":
    unittest.main()
