"""One line that says how far a run is."""

import sys


class Progress:
    """Rewritten on a terminal; elsewhere a plain line for each."""

    def __init__(self):
        self._rewrites = sys.stdout.isatty()
        self._open = False

    def show(self, text):
        if self._rewrites:
            print(f"\r\033[K{text}", end="", flush=True)
            self._open = True
        else:
            print(text, flush=True)

    def end(self):
        if self._open:
            print(flush=True)
