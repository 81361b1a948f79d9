"""L2, L3: tokens rise over the whole store and have one owner for ever."""


def check(keys, report):
    _check_rise(keys, report)
    _check_owners(keys, report)
    for key in keys.values():
        _check_newest(key, report)


def _check_rise(keys, report):
    """A grant asked for after another was answered has the higher token, whatever their keys (L2)."""
    told = sorted(((token.known, token.number, token, key) for key in keys.values() for token in key.tokens),
                  key=lambda entry: entry[0])
    asked = sorted(((token.fresh.sent, token, key) for key in keys.values() for token in key.tokens
                    if token.fresh is not None), key=lambda entry: entry[0])
    highest, next_told = None, 0
    for sent, token, key in asked:
        while next_told < len(told) and told[next_told][0] < sent:
            if highest is None or told[next_told][1] > highest.number:
                highest = told[next_told][2]
            next_told += 1
        if token.number < 1 or (highest is not None and token.number <= highest.number):
            report.add("L2", key, f"token {token.number} was granted after {highest and highest.number}",
                       highest and highest.grants[0], token.fresh)


def _check_owners(keys, report):
    owners = {}
    for key in keys.values():
        for token in key.tokens:
            for call in token.grants:
                owner = (key.name, call.request["attempt_id"], call.request.get("holder_id"))
                first = owners.setdefault(token.number, (owner, call))
                if first[0] != owner:
                    report.add("L3", key, f"token {token.number} has two owners", first[1], call)
            fresh = [call for call in token.grants if not call.reply["grant"].get("replayed")]
            if len(fresh) > 1:
                report.add("L3", key, f"token {token.number} was granted twice", *fresh)


def _check_newest(key, report):
    """The newest token that a record shows is the newest that was granted (L3)."""
    for sight in key.sights:
        if sight.token is None or sight.told not in ("record", "refusal"):
            continue
        newer = key.newer(sight.token, sight.lo)
        if newer is not None:
            report.contradiction("L3", key, f"token {sight.token} is shown as the newest after "
                                 f"{newer.number} was granted", newer.grants[0], sight.call)
