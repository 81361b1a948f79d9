"""L10: once faults stop, every key is free, completed, in doubt or granted within a bound."""

from judge.facts import HELD
from judge.history import nanos

# Far more than any lease; who waits so long must get the key.
_BOUND = 10_000_000_000


def check(history, keys, report):
    healed = history.time_of("faults_end")
    for key in keys.values():
        for sight in key.sights:
            if sight.call.rpc == "dump" and sight.state == HELD:
                report.add("L10", key, "it is held in the final dump, when nobody is left", sight.call)
        for call in key.calls:
            if call.rpc != "AcquireLock" or healed is None or call.sent < healed:
                continue
            if nanos(call.request.get("wait_timeout")) < _BOUND or not call.request.get("accept_recover"):
                continue
            if not call.ok or "contention" in call.reply:
                report.add("L10", key, "nobody was killed any more, and the key was not to be had", call)
