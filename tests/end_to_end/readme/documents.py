"""Reads what the documents say: their code blocks, tables and links.

The README is at the top of the checkout, the other documents are in docs/.
"""

import pathlib
import re
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
INSTALLING = ROOT / "docs" / "installing.md"
RUNNING = ROOT / "docs" / "running.md"
RECOVERY = ROOT / "docs" / "recovery.md"


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str
    line: int  # of its first line


def documents():
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(path):
    found, language, begin = [], None, 0
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("```"):
            continue
        if language is None:
            language, begin = line[3:], number
        else:
            found.append(Block(language, "\n".join(lines[begin : number - 1]), begin + 1))
            language = None
    assert language is None, f"{path}: the block in line {begin} has no end"
    return found


def block(path, language, part):
    """The only block of that language that has this text in it."""
    found = [b for b in blocks(path) if b.language == language and part in b.text]
    assert len(found) == 1, f"{path}: {len(found)} {language} blocks have {part!r}, wanted is one"
    return found[0]


def tables(path):
    """All tables, each as a list of rows, each row as a list of cells; the row of dashes is left out."""
    found, rows = [], []
    for line in [*path.read_text().splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not all(re.fullmatch("-+", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            found.append(rows)
            rows = []
    return found


def table(path, heading):
    """The only table whose first row begins with these cells."""
    found = [t for t in tables(path) if t[0][: len(heading)] == heading]
    assert len(found) == 1, f"{path}: {len(found)} tables begin with {heading}, wanted is one"
    return found[0]


def region(path):
    """What lies between the lines `[shown]` and `[/shown]`."""
    text = path.read_text()
    marked = re.search(r"^\W+\[shown\]\n(.*?)^\W+\[/shown\]$", text, re.DOTALL | re.MULTILINE)
    return marked.group(1).strip()


def anchors(path):
    """What a link may name after a #."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path):
    """The targets that lie in this checkout, as written."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
