"""The command line understands every line that a document, an alert or its own help says to type."""

import pathlib
import re
import shlex
import tempfile
import unittest

import commands_test
import documents
import rig

_USAGE = 2
_TAKE_A_COMMAND = ("once", "lock")
_NAMES = "|".join(sorted(commands_test.SUBCOMMANDS, key=len, reverse=True))
_LINE = re.compile(rf"""\blatchkey ((?:{_NAMES})\b(?:"[^"\n]*"|'[^'\n]*'|[^`\n"'<>|;&#()])*)""")


def lines(text):
    """What stands behind `latchkey`, up to where the line or the quotation ends, or a shell would cut it."""
    text = re.sub(r" \\\\?\n", " ", text)  # lines that go on
    text = re.sub(r"\$\([^)]*\)|\{\{[^}]*\}\}|\$\w+", "7", text)  # what a shell or Prometheus puts in
    for line in _LINE.findall(text):
        yield line.partition(" -- ")[0].rstrip()


class DocumentsTest(rig.ServedTest):
    @classmethod
    def setUpClass(cls):
        cls.address = "127.0.0.1:1"  # nobody is there: what is understood ends with another code

    def options(self, subcommand):
        help_texts = self.good("--help").output + self.good(subcommand, "--help").output
        return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_texts))

    def wrong(self, line, directory):
        """What is wrong with the line; empty if nothing is. What is said in passing may leave options out."""
        line = re.sub(r"--(wait|timeout)=\w+", r"--\1=1ms", line)  # nobody will come
        words = shlex.split(line.replace("/var/", f"{directory}/var/"))
        used = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
        if unknown := used - self.options(words[0]):
            return f"there is no {unknown}"
        command = ["--", "true"] if words[0] in _TAKE_A_COMMAND else []
        ended = self.run_latchkey(*words, *command, LATCHKEY_TIMEOUT="1ms")
        return ended.errors if ended.code == _USAGE and "required" not in ended.errors else ""

    def texts(self):
        """All that tells somebody what to type, by name."""
        for path in (*documents.documents(), documents.ROOT / "deploy" / "prometheus" / "latchkey.rules.yml"):
            yield path.name, path.read_text()
        for name in commands_test.SUBCOMMANDS:
            yield f"{name} --help", self.good(name, "--help").output

    def test_every_line_is_understood(self):
        seen = set()
        with tempfile.TemporaryDirectory() as directory:
            for name, text in self.texts():
                for line in lines(text):
                    if "..." in line or "[" in line or line in seen:  # no example but a form
                        continue
                    seen.add(line)
                    with self.subTest(where=name, line=line):
                        self.assertEqual(self.wrong(line, directory), "")
        self.assertGreater(len(seen), 40)

    def test_the_check_finds_what_is_wrong(self):
        found = list(lines("x `latchkey list --state=IN_DOUBT` y\nlatchkey get --kye=a \\\n  --sate=b # c"))
        self.assertEqual(found, ["list --state=IN_DOUBT", "get --kye=a   --sate=b"])
        for line in (*found, "status --namespaces"):
            self.assertNotEqual(self.wrong(line, pathlib.Path("/nowhere")), "", line)


if __name__ == "__main__":
    unittest.main()
