"""One line that says how far a run is, on standard error."""

import sys


class Progress:
    """Rewritten on a terminal; elsewhere a plain line for each."""

    def __init__(self):
        self._rewrites = sys.stderr.isatty()
        self._open = False

    def show(self, text):
        if self._rewrites:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self):
        if self._open:
            print(file=sys.stderr, flush=True)
