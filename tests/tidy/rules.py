"""The mechanical rules of this repository.

A rule is a function from a file's path and lines to complaints (line number, message). `check` runs all
rules over one file. What needs a compiler to see is clang-tidy's business (tools/lint).
"""

import re

# --- Layers: who may include what ---------------------------------------------------------------------

_PUBLIC_PROTO = ("latchkey/v1/", "latchkey/reflection/v1/", "google/rpc/", "grpc/health/v1/")
_STORAGE_PROTO = ("latchkey/storage/v1/",)

# Within server/, each directory knows only itself and those before it.
_SERVER_ORDER = ("machine", "retention", "partition", "access", "calls", "service", "metrics", "main")

# The layer of a file, most specific first, and the beginnings of those of our headers it may include.
_LAYERS = [
    ("base/", ("base/",)),
    ("storage/", ("base/", "storage/") + _PUBLIC_PROTO + _STORAGE_PROTO),
    *[
        (
            f"server/{name}/",
            tuple(f"server/{known}/" for known in _SERVER_ORDER[: place + 1])
            + ("base/", "storage/") + _PUBLIC_PROTO + _STORAGE_PROTO,
        )
        for place, name in enumerate(_SERVER_ORDER)
    ],
    ("server/", None),  # files belong into one of the directories above
    ("client/", ("base/", "client/", "latchkey/") + _PUBLIC_PROTO),
    ("testing/include/", ("latchkey/",)),
    ("testing/", ("base/", "client/", "latchkey/", "server/", "storage/", "testing/") + _PUBLIC_PROTO),
    # It puts all of it together, as a test does.
    ("tools/simulation/", ("base/", "client/", "latchkey/", "server/", "storage/", "tools/") + _PUBLIC_PROTO),
    # Subcommands that work on a store which no server has open.
    ("tools/latchkey/offline/", ("base/", "latchkey/", "storage/", "tools/") + _PUBLIC_PROTO),
    ("tools/", ("base/", "client/", "latchkey/", "tools/") + _PUBLIC_PROTO),
]

# Every beginning by which an include is known as ours.
_OURS = ("base/", "storage/", "server/", "client/", "testing/", "tools/", "tests/", "latchkey/",
         "google/rpc/", "grpc/health/v1/")

# What only some may include: the header, where it is allowed, and why.
_RESTRICTED = [
    (r"rocksdb/", r"(storage/rocksdb|tests/storage|tests/crash)/", "only storage/rocksdb knows RocksDB"),
    (r"etcd/", r"(storage/etcd|tests/storage|tools/process|tools/load_generator)/",
     "only storage/etcd speaks to etcd"),
    (r"(absl/synchronization/|mutex$|condition_variable$)", r"(base/mutex\.h$|tests/|tools/)",
     "threads share through base/mutex.h"),
]

# The record machine is pure: no RPC, disk, clock, thread or randomness.
_MACHINE_FORBIDDEN = re.compile(
    r"grpc|.*\.grpc\.pb\.h|rocksdb/|base/(clock|fake_clock|mutex)\.h|storage/record_store\.h|"
    r"(thread|mutex|atomic|condition_variable|future|random|fstream|iostream)$")

_INCLUDE = re.compile(r'\s*#\s*include\s+[<"]([^>"]+)[>"]')


def _may_include(path, header):
    for layer, allowed in _LAYERS:
        if not path.startswith(layer):
            continue
        if allowed is None:
            return False
        # "latchkey/" stands for the client's public headers; the stored format lies below it too.
        if header.startswith(_STORAGE_PROTO) and not set(_STORAGE_PROTO) <= set(allowed):
            return False
        return header.startswith(allowed)
    return True  # tests see everything


def includes(path, lines):
    if not path.endswith((".h", ".cc")):
        return
    for number, line in enumerate(lines, 1):
        match = _INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        if header.startswith(_OURS) and not _may_include(path, header):
            yield number, f"include: this layer may not see {header}"
        for pattern, where, why in _RESTRICTED:
            if re.match(pattern, header) and not re.match(where, path):
                yield number, f"include: {header}: {why}"
        if path.startswith("server/machine/") and _MACHINE_FORBIDDEN.match(header):
            yield number, f"include: the record machine is pure and cannot use {header}"


# --- Size ---------------------------------------------------------------------------------------------

_MAX_FILE_LINES = 500
_MAX_FUNCTION_LINES = 70
_MAX_COLUMNS = {".h": 100, ".cc": 100, ".go": 100, ".py": 110, ".proto": 120}


def file_length(path, lines):
    if path.endswith((".h", ".cc", ".go", ".py")) and len(lines) > _MAX_FILE_LINES:
        yield len(lines), f"size: more than {_MAX_FILE_LINES} lines; split the file"


def function_length(path, lines):
    """In formatted code a function ends with a lone brace that has the indentation of its first line."""
    if not path.endswith((".h", ".cc", ".go")):
        return
    for indentation in ("", "  "):
        begins = 0
        for number, line in enumerate(lines, 1):
            if line == indentation + "}" and begins and number - begins >= _MAX_FUNCTION_LINES:
                yield begins, f"size: more than {_MAX_FUNCTION_LINES} lines in one function; split it"
            if re.match(indentation + r"[A-Za-z_~\[]", line):
                begins = number


def line_length(path, lines):
    for ending, columns in _MAX_COLUMNS.items():
        if path.endswith(ending):
            for number, line in enumerate(lines, 1):
                if len(line) > columns and "http" not in line:
                    yield number, f"size: {len(line)} columns; {columns} is the limit"


# --- Words --------------------------------------------------------------------------------------------

_SHIPPED = r"(base|storage|server|client|testing)/"
_CODE = r".*\.(h|cc|proto|py|cmake|sh|go)$|.*CMakeLists\.txt$|(tools|\.ci)/[^.]*$"

# Where, what, except where, why.
_WORDS = [
    (r".*", r"\b(TODO|FIXME|XXX)\b", r"$^", "words: finish it, or leave it out"),
    (_CODE + r"|.*\.md$", r"(?i)\bissue #?\d+|(?<![\w&/\"'#])#\d+\b", r"$^",
     "words: say it here, not by the number of an issue"),
    (r".*", r"\bCONTRACT[.]md\b", r"$^", "words: the rules are in docs/semantics.md"),
    (r".*", r"(?<![\w.])/(work|home|root)/\w", r"$^", "words: a path of one machine"),
    (r".*", r"\b(deb\.debian|proxy\.golang|security\.debian|pypi)\.org\b", r"$^",
     "words: a package host; the machine knows where it gets packages"),
    (_SHIPPED, r"\bsystem_clock::now\b|\bgettimeofday\b|\bCLOCK_REALTIME\b|\babsl::Now\b",
     r"base/clock\.cc$", "time: only base/clock.cc reads the wall clock"),
    (r"(storage|server)/", r"\bsteady_clock::now\b", r"$^",
     "time: arrives by base/clock.h"),
    (_SHIPPED + r".*\.(h|cc)$", r"\b(absl|std)::(Mutex|mutex|shared_mutex|condition_variable)\b",
     r"base/mutex\.h$", "threads: base/mutex.h is the mutex that the tools understand"),
    (r"tests/", r"\b(sleep_for|sleep_until|usleep|nanosleep|SleepFor)\b|\btime\.sleep\b|^\s*sleep \d", r"$^",
     "tests: wait for a condition, or use a fake clock"),
    (r".*\.(h|cc)$", r"^using namespace\b", r"$^", "words: no using namespace"),
]


def words(path, lines):
    for where, pattern, except_where, why in _WORDS:
        if not re.match(where, path) or re.match(except_where, path):
            continue
        for number, line in enumerate(lines, 1):
            if re.search(pattern, line):
                yield number, why


# --- Comments -----------------------------------------------------------------------------------------

def top_comment(path, lines):
    if path.endswith((".h", ".proto")) and not (lines and lines[0].startswith("// ")):
        yield 1, "comments: the first line says what this file is"
    if path.endswith(".h") and "#pragma once" not in lines:
        yield 1, "header: no #pragma once"


_PROTO_NAMED = re.compile(
    r"\s*(message|enum|service|rpc|oneof)\s+\w+|"                       # a declaration
    r"\s*((repeated|optional)\s+)?[\w.<>, ]+\s+\w+\s*=\s*\d+\s*[\[;]|"   # a field
    r"\s*[A-Z][A-Z0-9_]*\s*=\s*\d+\s*[\[;]")                            # an enum value


def proto_comments(path, lines):
    if not path.endswith(".proto"):
        return
    for number, line in enumerate(lines, 1):
        if not _PROTO_NAMED.match(line):
            continue
        above = lines[number - 2].strip() if number > 1 else ""
        if not above.startswith("//") and "//" not in line:
            yield number, f"comments: nothing is said about `{line.strip()}`"


# ------------------------------------------------------------------------------------------------------

RULES = [includes, file_length, function_length, line_length, words, top_comment, proto_comments]


def check(path, text):
    """All complaints about one file, as (line number, message)."""
    lines = text.splitlines()
    return [complaint for rule in RULES for complaint in rule(path, lines)]
