"""L1, L4, L5, I1: whoever has a lease has it, alone, for as long as was promised. L6, L7: and no longer."""

import bisect

from judge.facts import EXISTS, HELD, IN_DOUBT, ABSENT, COMPLETED
from judge.history import nanos

_ROUNDING = 1_000  # nanoseconds


def check(key, report):
    _check_promises(key, report)
    _check_alone(key, report)
    _check_alive(key, report)
    _check_dead(key, report)
    _check_releases(key, report)


def _check_promises(key, report):
    """A reply promises the whole duration that was asked for."""
    for token in key.tokens:
        for call in [token.fresh, *token.renewals] if token.fresh else token.renewals:
            shown = call.reply["grant"] if call is token.fresh else call.reply
            asked = nanos(call.request.get("lease_duration")) or token.lease
            promised = nanos(call.reply.get("server_elapsed")) + nanos(shown.get("lease_remaining"))
            if promised + _ROUNDING < asked:
                report.add("L4", key, f"a lease of {asked} ns was answered with {promised} ns of it", call)


def _lived(key):
    """Tokens whose leases surely lived, by when they did."""
    return sorted((token for token in key.tokens if token.live[0] < token.live[1]),
                  key=lambda token: token.live[0])


def _check_alone(key, report):
    """No two leases live at one time."""
    lived = _lived(key)
    for one, other in zip(lived, lived[1:]):
        overlap = min(one.live[1], other.live[1]) - other.live[0]
        if overlap > 0:
            report.contradiction(
                "L1", key, f"tokens {one.number} and {other.number} were both live for {overlap} ns",
                one.grants[0], other.grants[0])


def _check_alive(key, report):
    """Nothing seen during a lease may say that it is over, or that it is somebody else's."""
    lived = _lived(key)
    begins = [token.live[0] for token in lived]
    for sight in key.sights:
        place = bisect.bisect_right(begins, sight.lo) - 1
        if place < 0 or sight.hi > lived[place].live[1] or sight.told in ("grant", "replay", "renewal"):
            continue
        token = lived[place]
        if sight.call.rpc == "Release" and sight.call.token not in (0, token.number):
            continue  # see _check_releases
        _judge_alive(key, token, sight, report)


def _judge_alive(key, token, sight, report):
    fact = max(token.grants + token.renewals, key=lambda call: call.end if call.end <= sight.lo else 0)
    if sight.state == HELD:
        if sight.token not in (None, token.number) or sight.holder not in (None, token.holder):
            report.contradiction("I1", key, f"while token {token.number} was live, another had the key",
                                 fact, sight.call)
    elif sight.state == COMPLETED:
        report.contradiction("I3", key, f"while token {token.number} was live, and recorded nothing, "
                             "the key was completed", fact, sight.call)
    elif sight.state != EXISTS or sight.other == token.number:
        invariant = "L4" if sight.hi <= token.by_duration else "L5"
        report.contradiction(invariant, key, f"token {token.number} was promised a lease, and had lost it: "
                             f"{sight.state}", fact, sight.call)


def _deaths(key, token, until):
    """Calls sent up to `until` whose answers say that the token's lease is over, as (when, call)."""
    newer = key.newer(token.number, until)
    if newer is not None:
        yield newer.known, newer.grants[0]
    for sight in key.sights_from(token.begun[0]):
        if sight.lo > until:
            break
        over = sight.state in (ABSENT, IN_DOUBT, COMPLETED)
        if sight.told == "refusal" and token.number in (sight.token, sight.other):
            yield sight.hi, sight.call
        elif over and sight.lo >= token.known:
            yield sight.hi, sight.call
        elif over and sight.told == "step" and sight.call.token == token.number:
            yield sight.hi, sight.call


def _check_dead(key, report):
    """A lease that is over is not renewed, repeated or seen again (L6)."""
    signs = {}
    for sight in key.sights:
        if sight.state == HELD and sight.token is not None and sight.told != "grant":
            signs.setdefault(sight.token, []).append(sight)
    for number, sights in signs.items():
        token = key.by_number.get(number)
        if token is None:
            continue
        deaths = sorted(_deaths(key, token, sights[-1].lo), key=lambda death: death[0])
        times = [death[0] for death in deaths]
        for sight in sights:
            place = bisect.bisect_right(times, sight.lo) - 1
            if place >= 0:
                report.contradiction("L6", key, f"the lease of token {number} was over, and lives again",
                                     deaths[place][1], sight.call, since=token.known)
                break  # once is enough for each


def _check_releases(key, report):
    """Only the newest token releases (L7)."""
    lived = _lived(key)
    begins = [token.live[0] for token in lived]
    for call in key.calls:
        if call.rpc != "Release" or not call.ok or not call.token:
            continue
        newer = key.newer(call.token, call.sent)
        if newer is not None and call.reply["state"] != ABSENT:
            report.add("L7", key, f"token {call.token} released after {newer.number} was granted",
                       newer.grants[0], call)
            continue
        place = bisect.bisect_right(begins, call.sent) - 1
        if place >= 0 and lived[place].number != call.token and call.end <= lived[place].live[1]:
            report.add("L7", key, f"token {call.token} released while {lived[place].number} was live",
                       lived[place].grants[0], call)
