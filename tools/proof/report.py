"""The report of a run of the proof, in Markdown."""

import os
import platform
import time

from tiers import TIERS


def write_report(path, state, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines_of(state, seconds)) + "\n")


def lines_of(state, seconds):
    yield "# Report of a run of the proof"
    yield ""
    yield (f"`tools/prove --minutes {seconds / 60:g} --seed {state.first_seed}` on "
           f"{time.strftime('%Y-%m-%d')}, commit {state.commit}, {os.cpu_count()} cores, "
           f"{platform.system()} {platform.release().split('-')[0]}: "
           f"{state.wall / 60:.0f} minutes, {len(state.violations)} violations.")
    yield ""
    yield "| tier | what it puts to the test | done | seconds of a core | also counted |"
    yield "|---|---|---|---|---|"
    for tier in TIERS:
        counts = state.counts[tier.name]
        also = ", ".join(f"{name.replace('_', ' ')} {counts[name]:,}" for name in tier.counted)
        yield (f"| {tier.name} | {tier.what} | {counts[tier.unit]:,} {tier.unit} | "
               f"{state.seconds[tier.name]:,.0f} | {also} |")
    yield ""
    if not state.violations:
        yield "No violation. Every tier met its floors: what it counts as exercised is in its own output."
    for found in state.violations:
        yield f"- violation of {found['invariant'] or '?'}: {found['tier']}, seed {found['seed']}"
