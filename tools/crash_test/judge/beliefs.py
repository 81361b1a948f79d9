"""L5: who is told by the client that it holds, does hold."""


def check(history, keys, report):
    for event in history.events:
        if event["event"] != "believes":
            continue
        key = keys.get((event["namespace"], event["key"]))
        newer = key and key.newer(event["token"], event["t"])
        if newer is not None:
            held = key.by_number.get(event["token"])
            report.add("L5", key, f"at {event['t']} the client believed in token {event['token']}, after "
                       f"{newer.number} had been granted", held and held.grants[0], newer.grants[0])
