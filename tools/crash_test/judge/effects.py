"""What the holders of leases did outside of Latchkey: the log of the resource, against the histories.

L3: no act of an older token is accepted after one of a newer, and no update of a register is lost. I5: one
effect for each payment. I2: a recorded result is that of the effect.
"""

import collections

from judge.facts import COMPLETED, Key


def check(history, keys, report):
    acts = collections.defaultdict(list)
    for act in history.acts:
        acts[act.key].append(act)
    for name, of_key in acts.items():
        key = keys.get(name) or Key(name)
        _check_tokens(key, of_key, report)
        _check_updates(key, of_key, report)
        _check_charges(key, [act for act in of_key if act.told == "charged"], report)


def _check_tokens(key, acts, report):
    newest = None
    for act in acts:
        if act.kind == "charge":
            continue  # by idempotency key: a provider knows no tokens
        if newest is not None and act.token < newest.token and act.accepted:
            report.add("L3", key, f"the resource accepted token {act.token} after {newest.token}", newest,
                       act)
        if newest is None or act.token > newest.token:
            newest = act


def lost_updates(acts):
    """Pairs of writes that follow each other, where the later one knows nothing of the one before."""
    last = {}
    for act in acts:
        if act.kind != "write" or not act.accepted:
            continue
        before = last.get(act.key)
        if act.value != (before.value if before else 0) + 1:
            yield before, act
        last[act.key] = act


def _check_updates(key, acts, report):
    for before, act in lost_updates(acts):
        report.add("L3", key, f"an update was lost: the register went to {act.value}", before, act)


def _check_charges(key, charges, report):
    if len(charges) > 1:
        report.add("I5", key, f"{len(charges)} payments were made", *charges)
    made = {charge.value for charge in charges}
    for sight in key.sights:
        if sight.state != COMPLETED or sight.result is None or not charges:
            continue
        if sight.result.get("provider_reference") not in made:
            report.add("I2", key, "the result is not that of the payment", *charges, sight.call)
            return
