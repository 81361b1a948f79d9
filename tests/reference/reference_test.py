"""Doxygen, as tools/docs runs it, makes the reference and complains about whatever is undocumented."""

import pathlib
import subprocess
import tempfile
import unittest

_ROOT = pathlib.Path(__file__).resolve().parents[2]

_DOCUMENTED = """\
// A header.
#pragma once

namespace latchkey::inline client {

// A struct.
struct Some {
  // A field.
  int field = 0;
  int other = 0;  // Another.
};

}  // namespace latchkey::inline client
"""


def doxygen(output, header=None):
    """Runs it over the public headers, or over this one; gives the exit code and what it complained about."""
    settings = (_ROOT / "docs/reference/Doxyfile").read_text() + f"\nOUTPUT_DIRECTORY = {output}\n"
    if header is not None:
        path = pathlib.Path(output) / "some.h"
        path.write_text(header)
        settings += f"INPUT = {path}\n"
    done = subprocess.run(["doxygen", "-"], input=settings, cwd=_ROOT, capture_output=True, text=True)
    return done.returncode, done.stderr


class ReferenceTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.output = directory.name

    def test_of_the_public_headers_is_complete(self):
        self.assertEqual(doxygen(self.output), (0, ""))
        pages = {page.name for page in (pathlib.Path(self.output) / "html").glob("*.html")}
        self.assertLessEqual({"classlatchkey_1_1Client.html", "structlatchkey_1_1RunResult.html",
                              "classlatchkey_1_1testing_1_1FakeService.html"}, pages)

    def test_takes_what_is_documented(self):
        self.assertEqual(doxygen(self.output, _DOCUMENTED), (0, ""))

    def test_misses_every_comment_that_is_not_there(self):
        for comment in ("// A struct.", "// A field.", "// Another."):
            with self.subTest(comment):
                code, complaints = doxygen(self.output, _DOCUMENTED.replace(comment, ""))
                self.assertNotEqual(code, 0)
                self.assertIn("is not documented", complaints)


if __name__ == "__main__":
    unittest.main()
