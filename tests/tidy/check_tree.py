"""Runs the rules over every checked-in file; prints complaints as path:line: message."""

import pathlib
import subprocess
import sys

import rules

# Written by others, or about the rules themselves.
EXCLUDED = ("proto/third_party/", "tests/tidy/", "tools/etcd/go.sum", "tools/go/go.sum",
            "tools/linearizability/go.sum", "examples/go/go.sum", "examples/node/package-lock.json", "LICENSE")


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True)
    checked = 0
    complaints = 0
    for path in filter(None, listed.stdout.split("\0")):
        file = root / path
        if path.startswith(EXCLUDED) or not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text, for example a recorded store directory
        checked += 1
        for line, message in rules.check(path, text):
            complaints += 1
            print(f"{path}:{line}: {message}")
    print(f"{checked} files checked, {complaints} complaints")
    return 1 if complaints or checked < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
