"""Makes one program of all the C++ that the documents and the comments of public headers show, but for what
is shown of examples/: that is a program of its own. snippets.h has the names that readers bring along.

    snippets.py OUTPUT

A block with `#include` is the top of a file, whose functions `Test...()` are called. Any other is the body of
a function, and that is called. Each gets a server of its own.
"""

import pathlib
import re
import sys
import textwrap

import documents

_HEADERS = ["client/include/latchkey", "testing/include/latchkey/testing"]
_AT_LEAST = 8  # there were more when this was written; none at all would prove nothing


def comments(header):
    """The code in a header's comments: lines that are indented by three or more."""
    text = header.read_text()
    for found in re.finditer(r"(?:^//   .*\n(?://\n(?=//   ))?)+", text, re.MULTILINE):
        line = text[: found.start()].count("\n") + 1
        yield documents.Block("cpp", textwrap.dedent(re.sub(r"^//", "", found[0], flags=re.MULTILINE)), line)


def snippets():
    """Pairs of a path and a block."""
    examples = {documents.region(path) for path in (documents.ROOT / "examples/cpp").glob("*.cc")}
    for path in documents.documents():
        for block in documents.blocks(path):
            if block.language == "cpp" and block.text not in examples:
                yield path, block
    for directory in _HEADERS:
        for header in sorted((documents.ROOT / directory).glob("*.h")):
            for block in comments(header):
                yield header, block


def program():
    includes, functions, calls = set(), [], []
    for number, (path, block) in enumerate(snippets(), 1):
        lines = block.text.splitlines()
        place = f'#line {block.line} "{path}"'
        if any(line.startswith("#include") for line in lines):
            includes.update(line for line in lines if line.startswith("#include"))
            code = "\n".join("" if line.startswith("#include") else line for line in lines)
            functions.append(f"namespace snippet_{number} {{\n{place}\n{code}\n}}")
            tests = re.findall(r"^void (Test\w+)\(\)", code, re.MULTILINE)
            assert tests, f"{path}:{block.line}: nothing in this block is called"
            calls += [f"snippet_{number}::{test}();" for test in tests]
        else:
            code = block.text.replace('"localhost:7420"', "server.address()")
            body = f"{{\n{place}\n{code}\n  }}"
            functions.append(f"struct Snippet{number} : Snippet {{\n  void Run() {body}\n}};")
            calls.append(f"Snippet{number}().Run();")
    assert len(functions) >= _AT_LEAST, f"only {len(functions)} snippets were found"
    main = ["int main() {", *calls, "}", ""]
    return "\n".join([*sorted(includes), '#include "snippets.h"', *functions, *main])


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(program())
