"""Makes the manual pages, from packaging/man and from what the programs say of themselves.

    man_pages.py OUT VERSION LATCHKEYD [LATCHKEY]
"""

import pathlib
import re
import subprocess
import sys

_HERE = pathlib.Path(__file__).resolve().parent


def roff(text):
    """The text as it is, whatever is in it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def bold(text):
    return f"\\fB{roff(text)}\\fR"


def help_of(*command):
    return subprocess.run([*command, "--help"], check=True, capture_output=True, text=True, timeout=60).stdout


def sections(text):
    """The parts of a help text by heading; what stands before the first is under ""."""
    found, heading = {"": []}, ""
    for line in text.splitlines():
        if match := re.fullmatch(r"(\w[\w ]*):", line):
            heading = match[1]
            found[heading] = []
        elif line.strip() or found[heading]:
            found[heading].append(line)
    return {name: "\n".join(lines).rstrip() for name, lines in found.items()}


def entries(text):
    """The (name, help) pairs of an indented list; a help text may go on, or begin, in a line below."""
    found = []
    for line in text.splitlines():
        if match := re.match(r" {1,4}(\S+(?: \S+)*)(?: {2,}(.*))?$", line):
            found.append([match[1], match[2] or ""])
        elif found and re.match(r" {5}", line):
            found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
    return [tuple(entry) for entry in found]


def list_of(pairs):
    return "\n".join(f".TP\n{bold(name)}\n{roff(text) or '(see above)'}" for name, text in pairs)


def paragraphs(text):
    """Prose, with its blank lines as paragraphs."""
    return "\n.PP\n".join(roff(part) for part in re.split(r"\n\s*\n", text.strip()) if part.strip())


def fill(name, **values):
    page = (_HERE / "man" / f"{name}.in").read_text()
    for key, value in values.items():
        page = page.replace(f"@{key.upper()}@", value)
    assert not re.search(r"@[A-Z_]+@", page), f"{name}: not all is filled in"
    return page


def settings(text):
    """The blocks of the settings file: (lines of settings without their #, lines of prose)."""
    for block in re.split(r"\n\s*\n", text):
        lines = block.splitlines()
        given = [line[1:] for line in lines if re.match(r"#\S", line)]
        prose = [line[1:].strip() for line in lines if re.match(r"# |#$", line)]
        yield given, "\n".join(prose)


def settings_page(version, text):
    blocks = list(settings(text))
    description = [prose for given, prose in blocks[:1]]
    parts = []
    for given, prose in blocks[1:]:
        if len(given) == 1:
            parts.append(f".TP\n{bold(given[0])}\n{roff(prose)}")
        elif given:
            lines = "\n".join(roff(line) for line in given)
            parts.append(f".PP\n{roff(prose)}\n.PP\n.nf\n{lines}\n.fi")
        elif prose:
            parts.append(f".PP\n{roff(prose)}")
    return fill("latchkeyd.toml.5", version=version, description=paragraphs("\n".join(description)),
                settings="\n".join(parts))


def options_of(text):
    """All options of a help text, under whatever headings they are listed."""
    return [entry for name, part in sections(text).items() if name for entry in entries(part)
            if entry[0].startswith("-")]


def daemon_page(version, program, see_also):
    return fill("latchkeyd.8", version=version, options=list_of(options_of(help_of(program))),
                see_also=see_also)


def commands_of(text):
    return [name.split()[0] for name, _ in entries(sections(text).get("Subcommands", ""))]


def client_page(version, program):
    text = help_of(program)
    parts = []
    for command in commands_of(text):
        said = help_of(program, command)
        described = re.sub(r"(?s)\n*Usage:.*", "", sections(said)[""])
        parts.append(f".SH {roff(command.upper())}\n{paragraphs(described) or roff(command)}\n"
                     + list_of(options_of(said)))
        if example := sections(said).get("Example"):
            parts.append(f".PP\nExample:\n.PP\n.nf\n{roff(example)}\n.fi")
    described = re.sub(r"(?s)\n*Usage:.*", "", sections(text)[""])
    return fill("latchkey.1", version=version, description=paragraphs(described),
                options=list_of(options_of(text)), commands="\n".join(parts),
                exit_codes=list_of(entries(sections(text).get("Exit codes", ""))))


def main(out, version, latchkeyd, latchkey=None):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    pages = {
        "latchkeyd.8": daemon_page(version, latchkeyd, ".BR latchkey (1),\n" if latchkey else ""),
        "latchkeyd.toml.5": settings_page(version, (_HERE / "latchkeyd.toml").read_text()),
    }
    if latchkey:
        pages["latchkey.1"] = client_page(version, latchkey)
    for name, page in pages.items():
        (out / name).write_text(page)


if __name__ == "__main__":
    main(*sys.argv[1:])
