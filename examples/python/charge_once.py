"""Charges an order once, however often and from however many processes this is run, with stock stubs.

    charge_once.py ADDRESS ORDER AMOUNT LEDGER [lose-answer]

Exit code 0: the order has its final outcome. 1: not yet, or this call was refused.
"""

import hashlib
import hmac
import random
import sys
import time
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from latchkey.v1 import coordination_pb2 as api
from latchkey.v1.coordination_pb2_grpc import CoordinationServiceStub
from latchkey.v1.results_pb2 import Result

from provider import NoAnswer, Provider


def fingerprint_of(order, amount):
    """What the work is. Keyed, so that nobody who reads records can guess amounts from it; a real key
    comes from where secrets are kept."""
    return hmac.new(b"a secret of this service", f"{order}\0{amount}".encode(), hashlib.sha256).digest()


# [shown]
class Later(Exception):
    """Not settled yet: run charge_once again, with the same order."""


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # runs on while the machine sleeps


def refusal(error):
    """Why the service refused, such as FINGERPRINT_MISMATCH; None where it has not answered."""
    no_answer = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for detail in Status.FromString(details).details:
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == "latchkey" and error.code() not in no_answer:
            return info.reason
    return None


def ask(method, request, timeout, give_up_after):
    """Repeats one and the same request until the service has answered it."""
    give_up = now() + give_up_after
    while True:
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            if refusal(error) or now() > give_up:
                raise
        time.sleep(random.uniform(0, 0.5))


def charge_once(service, provider, order, amount):
    sent = now()
    answer = ask(service.AcquireLock, api.AcquireLockRequest(
        key="order:" + order,
        attempt_id=str(uuid.uuid4()),  # new for every attempt, the same on every retry of it
        fingerprint=fingerprint_of(order, amount),
        lease_duration=Duration(seconds=60),  # nobody renews here: longer than any call to the provider
        wait_timeout=Duration(seconds=5),
        downstream_key_ttl=Duration(seconds=24 * 3600),  # how long the provider deduplicates
        accept_recover=True,  # because we look at `mode`
    ), timeout=10, give_up_after=30)
    if answer.HasField("completed"):
        return answer.completed.result
    if answer.HasField("contention"):
        raise Later("somebody else is at it")

    grant = answer.grant
    ours = {"key": "order:" + order, "fencing_token": grant.fencing_token}
    lease = answer.server_elapsed.ToTimedelta() + grant.lease_remaining.ToTimedelta()
    if now() + provider.timeout > sent + 0.99 * lease.total_seconds():  # 1% for drifting clocks
        ask(service.Release, api.ReleaseRequest(**ours), timeout=5, give_up_after=30)
        raise Later("too little of the lease was left")

    reference = grant.downstream_idempotency_key  # the same for every attempt of this order, for ever
    window_ends = sent + grant.downstream_key_remaining.ToTimedelta().total_seconds()
    try:
        if grant.mode == api.Grant.EXECUTE or now() + provider.timeout < window_ends:
            charge = provider.charge(amount, idempotency_key=reference)
        else:  # an earlier attempt may have charged, and the provider would charge again: only ask
            charge = provider.find(reference)
    except NoAnswer:
        charge = None
    if charge is None:  # the key is in doubt from now on, and whoever comes next is told to recover
        ask(service.Release, api.ReleaseRequest(**ours, effect=api.ReleaseRequest.UNKNOWN),
            timeout=5, give_up_after=30)
        raise Later("in doubt")

    # Should this fail, `charge` is the only copy of what is known: log it, then come again.
    return ask(service.RecordResult, api.RecordResultRequest(
        **ours, outcome=Result.SUCCEEDED if charge.id else Result.REJECTED,
        code=charge.code, provider_reference=charge.id,
    ), timeout=5, give_up_after=120).result
# [/shown]


def main(address, order, amount, ledger, *options):
    service = CoordinationServiceStub(grpc.insecure_channel(address))
    provider = Provider(ledger, lose_answer="lose-answer" in options)
    try:
        result = charge_once(service, provider, order, amount)
    except Later as why:
        print(f"later: {why}")
        return 1
    except grpc.RpcError as error:
        print(f"refused: {refusal(error) or error.code().name}")
        return 1
    if result.outcome == Result.SUCCEEDED:
        print(f"charged {result.provider_reference}")
    else:
        print(f"declined {result.code}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
