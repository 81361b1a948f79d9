"""Every grpcurl line of every document is run, in the order written, against a server of its own, and must
answer what is shown beside it.

Two things may differ, because they do from run to run: a time, by anything; a duration, by up to half a
minute, but 0 is 0. Everything else must be the same, and nothing may be missing.
"""

import json
import re
import tempfile
import unittest

import documents
import programs

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_DURATION = re.compile(r"(\d+(\.\d+)?)s")
_SLACK_SECONDS = 30


def same(shown, answered):
    if isinstance(shown, dict) and isinstance(answered, dict):
        return shown.keys() == answered.keys() and all(same(shown[k], answered[k]) for k in shown)
    if isinstance(shown, list) and isinstance(answered, list):
        return len(shown) == len(answered) and all(map(same, shown, answered))
    if not isinstance(shown, str) or not isinstance(answered, str):
        return shown == answered
    if _TIME.fullmatch(shown):
        return _TIME.fullmatch(answered) is not None
    durations = [_DURATION.fullmatch(text) for text in (shown, answered)]
    if all(durations):
        seconds = [float(match.group(1)) for match in durations]
        return shown == answered or 0 not in seconds and abs(seconds[0] - seconds[1]) < _SLACK_SECONDS
    return shown == answered


def commands(path):
    """Pairs of a line and the block that shows its answer; None where the document shows none."""
    found = documents.blocks(path)
    for block, following in zip(found, [*found[1:], None]):
        if block.language == "sh" and "grpcurl -plaintext" in block.text:
            shown = following is not None and following.language in ("json", "text")
            yield block, following if shown else None


class CommandsTest(unittest.TestCase):
    def check(self, path, at_least):
        run = 0
        with programs.server() as address:
            for command, shown in commands(path):
                with self.subTest(document=path.name, line=command.line, command=command.text):
                    code, output, errors = programs.shell(command.text, address)
                    if shown is not None and shown.language == "text":
                        self.assertNotEqual(code, 0)
                        self.assertEqual(errors.split(), shown.text.split())
                    else:
                        self.assertEqual((code, errors), (0, ""))
                        answered = json.loads(output)
                        if shown is not None:
                            self.assertTrue(same(json.loads(shown.text), answered), output)
                run += 1
        self.assertGreaterEqual(run, at_least)

    def test_of_the_readme(self):
        self.check(documents.README, at_least=10)

    def test_of_the_operators_guide(self):
        self.check(documents.RUNNING, at_least=10)

    def test_there_are_no_others(self):
        for path in documents.documents():
            if path not in (documents.README, documents.RUNNING):
                self.assertNotIn("grpcurl -plaintext", path.read_text(), path)

    def test_the_readme_shows_the_whole_flow(self):
        text = " ".join(command.text for command, _ in commands(documents.README))
        for rpc in ("AcquireLock", "CheckResult", "RecordResult", "Release", "GetRecord", "ListRecords",
                    "grpc.health.v1.Health/Check"):
            self.assertIn(rpc, text)


class CommandLineTest(unittest.TestCase):
    """What the README does with latchkey itself. A text block below shows all that is said."""

    def blocks(self):
        found = documents.blocks(documents.README)
        for block, following in zip(found, [*found[1:], None]):
            if block.language == "sh" and re.search(r"^ *latchkey ", block.text, re.MULTILINE):
                self.assertEqual(following.language, "text")
                yield block, following

    def test_of_the_readme(self):
        run = 0
        with programs.server() as address, tempfile.TemporaryDirectory() as directory:
            for block, shown in self.blocks():
                with self.subTest(line=block.line, command=block.text):
                    said = programs.command_line(block.text, address, directory)
                    self.assertEqual(said.split(), shown.text.split())
                run += 1
        self.assertEqual(run, 3)


class ServerLinesTest(unittest.TestCase):
    """What starts latchkeyd in the documents does so, but for where its store and its port are."""

    def lines(self):
        for path in documents.documents():
            for block in documents.blocks(path):
                if block.language == "sh":
                    yield from re.findall(r"^(?:\S*/)?latchkeyd .*", block.text, re.MULTILINE)

    def test_each_serves(self):
        started = 0
        for line in self.lines():
            options = line.partition("#")[0].rstrip(" &").split()[1:]
            with self.subTest(line), tempfile.TemporaryDirectory() as directory:
                options = [re.sub(r"(?<=rocksdb:).*", directory + "/store", option) for option in options]
                options = [re.sub(r"(?<=--listen-address=).*", "127.0.0.1:0", option) for option in options]
                with programs.server(*options) as address:
                    health = f"grpcurl -plaintext {programs.ADDRESS} grpc.health.v1.Health/Check"
                    code, output, errors = programs.shell(health, address)
                self.assertEqual((code, errors), (0, ""))
                self.assertEqual(json.loads(output), {"status": "SERVING"})
            started += 1
        self.assertGreaterEqual(started, 3)


class SameTest(unittest.TestCase):
    """The comparison must be able to fail."""

    def test_times_and_durations_may_differ(self):
        self.assertTrue(same({"at": "2026-01-31T12:00:00Z", "left": "59.999s"},
                             {"at": "2031-02-01T00:00:00.123Z", "left": "51s"}))

    def test_everything_else_must_not(self):
        for shown, answered in [({"a": "1"}, {"a": "2"}), ({"a": "1"}, {"a": "1", "b": "1"}),
                                ({"a": "1", "b": "1"}, {"a": "1"}), (["a"], ["a", "a"]), ("60s", "5s"),
                                ("0s", "1s"), ("1s", "0s"), ("1s", "soon"), (1, True + 1), ("1", 1),
                                ("2026-01-31T12:00:00Z", "yesterday")]:
            with self.subTest(shown=shown, answered=answered):
                self.assertFalse(same(shown, answered))


if __name__ == "__main__":
    unittest.main()
