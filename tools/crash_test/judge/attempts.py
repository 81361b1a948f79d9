"""I1: who repeats an attempt, because no answer came, is not kept from what is its own."""


def check(key, report):
    first_sent = {}
    for call in key.calls:
        if call.rpc != "AcquireLock":
            continue
        attempt = call.request["attempt_id"]
        first_sent.setdefault(attempt, call.sent)
        if call.ok and "contention" in call.reply:
            _check_contention(key, call, report)
        elif call.reason == "ATTEMPT_ENDED" and not _may_have_ended(key, call, first_sent[attempt]):
            report.add("I1", key, "an attempt is over that nobody ended, and that no other followed", call)


def _check_contention(key, call, report):
    """Some holders are named after their attempt: no other can have that name."""
    contention = call.reply["contention"]
    attempt = call.request["attempt_id"]
    if call.request.get("holder_id") == attempt and contention.get("holder_id") == attempt and \
            not contention.get("in_doubt"):
        report.add("I1", key, "a caller was told to wait for itself", call)


def _may_have_ended(key, refused, since):
    """Whether there is a call that may have ended the attempt of the refused one, or have followed it."""
    attempt = refused.request["attempt_id"]
    for call in key.calls:
        if call.sent >= refused.end or call.until <= since or not call.may_act():
            continue
        if call.rpc in ("Release", "RecordResult", "ResolveOutcome", "ForceRelease", "DeleteRecord"):
            return True
        if call.rpc == "AcquireLock" and call.request["attempt_id"] != attempt and (
                not call.ok or "grant" in call.reply):
            return True
    return False
