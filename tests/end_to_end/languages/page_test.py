"""docs/other-languages.md says what the programs do."""

import re
import unittest

import documents

_PAGE = documents.ROOT / "docs" / "other-languages.md"
_EXAMPLES = documents.ROOT / "examples"


class PageTest(unittest.TestCase):
    def test_the_languages_are_those_that_are_tested(self):
        named = {row[0] for row in documents.table(_PAGE, ["language"])[1:]}
        self.assertEqual(named, {"Python", "Go", "Node.js"})
        for row in documents.table(_PAGE, ["language"])[1:]:
            script = re.search(r"`(examples/\w+/build) DIRECTORY`", row[3])[1]
            self.assertTrue((documents.ROOT / script).stat().st_mode & 0o111, script)

    def test_the_programs_say_and_take_what_the_page_says(self):
        flags = re.findall(r"--(\w+) (\d+)", documents.block(_PAGE, "text", "LATCHKEY PROVIDER").text)
        self.assertEqual(len(flags), 4)
        said = {re.search(r"`(\w+)", row[1])[1] for row in documents.table(_PAGE, ["exit code"])[1:]}
        for program in ("python/pay.py", "go/pay.go", "node/pay.js"):
            text = (_EXAMPLES / program).read_text()
            for word in [name for name, _ in flags] + sorted(said - {"SUCCEEDED"}):
                with self.subTest(program, word=word):
                    self.assertIn(word, text)

    def test_what_is_generated_is_not_checked_in(self):
        names = {path.name for path in _EXAMPLES.rglob("*")}
        self.assertEqual({name for name in names if re.search(r"_pb2|\.pb\.go", name)}, set())


if __name__ == "__main__":
    unittest.main()
