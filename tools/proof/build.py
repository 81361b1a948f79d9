"""Builds what the tiers run."""

import functools
import subprocess
import sys

from tiers import ROOT


@functools.cache
def build(preset, targets):
    """Where the programs are."""
    if targets:
        _run("tools/build", preset, *targets)
        _run("bash", "-c", "source tools/common.sh; build_linearizability")
    return ROOT / "build" / preset


def _run(*command):
    if subprocess.run(command, cwd=ROOT, check=False, stdout=sys.stderr).returncode != 0:
        sys.exit(f"tools/prove: {' '.join(command)} failed (above)")
