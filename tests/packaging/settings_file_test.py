"""The settings file of the package, and the manual pages, know every setting that latchkeyd knows."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

import documents
import programs

_FILE = documents.ROOT / "packaging" / "latchkeyd.toml"
# Flags that ask for something else than to serve.
_NO_SETTINGS = ("help", "version", "config", "new_token")
_NAMED = "of namespaces that the file does not name"

sys.path.insert(0, str(documents.ROOT / "packaging"))
import man_pages  # noqa: E402


# As CLI11 prints it.
_CLIENT = """#!/bin/sh
[ "$1" != acquire ] || exec cat <<END
Take the lock of a key
Usage: latchkey acquire [OPTIONS]

Options:
  -h,--help                   Print this help message and exit
  --key TEXT REQUIRED         what to lock

Example:
  latchkey acquire --key order:1
END
cat <<END
latchkey: asks a server
Usage: latchkey [OPTIONS] SUBCOMMAND

Options:
  -h,--help                   Print this help message and exit
Connection:
  --address TEXT (Env:LATCHKEY_ADDRESS)
                              host and port of the server

Subcommands:
  acquire                     Take the lock of a key

Exit codes: 0 and others
END
"""


def settings():
    """Name -> help text of all settings, as latchkeyd lists them."""
    said = man_pages.options_of(man_pages.help_of(programs.environment("LATCHKEYD")))
    names = {re.search(r"--([\w-]+)", flag)[1].replace("-", "_"): text for flag, text in said}
    return {name: text for name, text in names.items() if name not in _NO_SETTINGS}


def uncommented():
    return "\n".join(line[1:] if re.match(r"#\S", line) else line for line in _FILE.read_text().splitlines())


class SettingsFileTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name) / "latchkeyd.toml"

    def test_sets_nothing_as_it_is_installed(self):
        self.assertEqual(tomllib.loads(_FILE.read_text()), {})

    def test_has_every_setting_and_no_other(self):
        known = settings()
        self.assertGreater(len(known), 10)
        given = tomllib.loads(uncommented())
        (example,) = given.pop("namespaces").values()
        self.assertEqual(set(given), set(known))
        self.assertEqual(set(example), {name for name, text in known.items() if text.endswith(_NAMED)})

    def test_shows_the_defaults(self):
        given = tomllib.loads(uncommented())
        compared = 0
        for name, text in settings().items():
            default = re.search(r"\[(\S+)\](; " + _NAMED + ")?$", text)
            if default and default[1] != "none":
                with self.subTest(name):
                    self.assertEqual(str(given[name]).removesuffix("s"), default[1].removesuffix("s"))
                compared += 1
        self.assertGreater(compared, 7)

    def test_every_setting_is_explained(self):
        blocks = list(man_pages.settings(_FILE.read_text()))
        for lines, prose in blocks:
            if lines:
                with self.subTest(lines[0]):
                    self.assertTrue(prose)

    def place(self, path):
        """Where a file that the settings name is for this test: there, if it is one that must be."""
        place = self.path.parent / path.name
        if path.suffix in (".crt", ".key"):
            self.make_certificate()
        elif path.name == "access":
            place.write_text(f"ops sha256:{'0' * 64} *=admin\n")
        return str(place)

    def make_certificate(self):
        directory = self.path.parent
        if not (directory / "server.key").exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-subj", "/CN=localhost", "-days", "2", "-keyout", directory / "server.key",
                 "-out", directory / "server.crt"], check=True, capture_output=True, timeout=60)
            shutil.copy(directory / "server.crt", directory / "clients.crt")

    def test_all_of_it_is_accepted(self):
        text = re.sub('(?<=")/[^"]+', lambda path: self.place(pathlib.Path(path[0])), uncommented())
        self.path.write_text(text)
        with programs.server(f"--config={self.path}") as address:
            self.assertRegex(address, r":\d+$")

    def test_a_word_that_is_wrong_is_named_with_its_line(self):
        self.path.write_text(uncommented().replace("partitions =", "partition ="))
        wrong = self.path.read_text().splitlines().index("partition = 2") + 1
        done = subprocess.run([programs.environment("LATCHKEYD"), f"--config={self.path}"], text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{self.path}:{wrong}: there is no setting \"partition\"", done.stderr)


class ManualPagesTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        man_pages.main(self.directory, "0", programs.environment("LATCHKEYD"))

    def test_every_setting_is_in_both(self):
        for page, begin in (("latchkeyd.8", r"\\-\\-"), ("latchkeyd.toml.5", "")):
            text = (self.directory / page).read_text()
            for name in settings():
                word = name.replace("_", r"\\-") if begin else name
                with self.subTest(page, name=name):
                    self.assertRegex(text, rf"(?m)^\\fB{begin}{word}\b")

    def test_values_are_shown_as_they_are_written(self):
        self.assertIn('log_level = "info"', (self.directory / "latchkeyd.toml.5").read_text())

    def test_a_command_of_the_client_is_a_section(self):
        program = self.directory / "client"
        program.write_text(_CLIENT)
        program.chmod(0o755)
        page = man_pages.client_page("0", program)
        for part in ("\\fB\\-\\-address TEXT (Env:LATCHKEY_ADDRESS)\\fR\nhost and port of the server\n",
                     ".SH ACQUIRE\nTake the lock of a key\n",
                     "\\fB\\-\\-key TEXT REQUIRED\\fR\nwhat to lock\n",
                     "Example:\n.PP\n.nf\n  latchkey acquire \\-\\-key order:1\n.fi"):
            self.assertIn(part, page)
        self.assertNotIn("Exit codes", page)  # a footer is no option's help

    def test_the_command_line_has_all_of_its_own(self):
        page = man_pages.client_page("0", programs.environment("LATCHKEY"))
        commands = man_pages.commands_of(man_pages.help_of(programs.environment("LATCHKEY")))
        self.assertIn("force-release", commands)
        for command in commands:
            self.assertRegex(page, rf"(?m)^\.SH {re.escape(man_pages.roff(command.upper()))}$")
        # Of codes, that of doubt is the one to know.
        self.assertRegex(page, r"(?ms)^\.SH EXIT STATUS$.*^\\fB75\\fR$\nin doubt: ")

    def test_no_word_of_help_is_taken_for_a_request(self):
        # roff takes a line that begins with a dot or an apostrophe for one.
        self.assertEqual(man_pages.roff(".so x\n'x\na\\b-c"), "\\&.so x\n\\&'x\na\\eb\\-c")


if __name__ == "__main__":
    unittest.main()
