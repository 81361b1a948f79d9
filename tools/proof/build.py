"""Builds what the tiers run."""

import subprocess

from tiers import ROOT


def build(preset, tiers):
    """Where the programs are."""
    targets = sorted({target for tier in tiers for target in tier.targets})
    subprocess.run(["tools/build", preset, *targets], cwd=ROOT, check=True)
    subprocess.run(["bash", "-c", "source tools/common.sh; build_linearizability"], cwd=ROOT, check=True)
    return ROOT / "build" / preset
