"""The checker finds every broken promise: for each of them two histories that differ in what matters only."""

import unittest

from story import AWAY, GONE, Story, record, result

from judge.report import INVARIANTS


def l1_two_live_leases(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.grant(*((500, 501) if broken else (1500, 1501)), "b", 2, on_lapse="FORGET")


def l2_token_goes_back(story, broken):
    story.grant(0, 1, "a", 5, on_lapse="FORGET")
    story.grant(10, 11, "b", 4 if broken else 6, on_lapse="FORGET", key="another")


def l3_token_of_two_owners(story, broken):
    story.grant(0, 2, "a", 1, on_lapse="FORGET")
    story.grant(1, 3, "b", 1 if broken else 2, on_lapse="FORGET", key="another")


def l3_token_granted_twice(story, broken):
    story.grant(0, 2, "a", 1, on_lapse="FORGET")
    story.grant(1, 3, "a", 1, on_lapse="FORGET", replayed=not broken)


def l3_older_token_is_newest(story, broken):
    story.grant(0, 1, "a", 1, lease=100)
    story.grant(500, 501, "b", 2, mode="RECOVER", number=2, lease=100)
    story.get(900, 901, record("IN_DOUBT", 1 if broken else 2))
    story.dump = [record("IN_DOUBT", 2)]


def l3_resource_accepts_an_old_token(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.act("read", 2, 0)
    story.act("write", 1, 1, accepted=broken)


def l3_update_of_the_resource_is_lost(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.act("write", 1, 1)
    story.act("write", 2, 1 if broken else 2)


def l4_ends_before_its_duration(story, broken):
    story.grant(0, 1, "a", 1)
    story.renew(*((500, 501) if broken else (1500, 1501)), 1, refused="LEASE_EXPIRED")
    story.dump = [record("IN_DOUBT")]


def l4_answered_with_less(story, broken):
    story.grant(0, 1, "a", 1, remaining=900 if broken else 1000, on_lapse="FORGET")


def l5_ends_before_its_holder_thinks(story, broken):
    story.grant(0, 1, "a", 1, lease=200, remaining=900 if broken else 200)
    story.renew(500, 501, 1, refused="LEASE_EXPIRED")
    story.dump = [record("IN_DOUBT")]


def l5_client_believes_in_a_lease_that_is_over(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET")
    story.grant(500, 501, "b", 2, on_lapse="FORGET")
    story.event(600, "believes", namespace="default", key="k", token=1 if broken else 2)


def l6_dead_lease_is_renewed(story, broken):
    story.grant(0, 1, "a", 1, lease=100)
    story.renew(500, 501, 1, refused="LEASE_EXPIRED")
    story.renew(600, 601, 1, refused=None if broken else "LEASE_EXPIRED")
    story.dump = [record("IN_DOUBT")]


def l6_released_grant_is_repeated(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.release(10, 11, 1, "ABSENT")
    story.grant(20, 21, "a", 1 if broken else 2, replayed=broken, on_lapse="FORGET")


def l7_stale_token_releases(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET")
    story.grant(500, 501, "b", 2, on_lapse="FORGET")
    if broken:
        story.release(600, 601, 1, "ABSENT")
    else:
        story.release(600, 601, 1, refused="STALE_FENCING_TOKEN")


def l7_stale_token_ends_doubt(story, broken):
    story.grant(0, 1, "a", 1, lease=100)
    story.grant(500, 501, "b", 2, mode="RECOVER", number=2, lease=100)
    story.release(900, 901, 1 if broken else 2, "IN_DOUBT", effect="UNKNOWN")
    story.dump = [record("IN_DOUBT", 2)]


def l8_overtaken_in_the_queue(story, broken):
    first, second = (2000, 10) if broken else (10, 2000)
    story.grant(0, 1, "a", 1, lease=3000)
    story.release(2500, 2501, 1, "ABSENT")
    story.grant(first, 2502, "b", 2, lease=100, wait=5000, elapsed=2501 - first, on_lapse="FORGET")
    story.grant(second, 2702, "c", 3, lease=100, wait=5000, elapsed=2701 - second, on_lapse="FORGET")


def l8_passed_over_until_its_time_was_up(story, broken):
    story.grant(0, 1, "a", 1, lease=3000)
    story.release(2500, 2501, 1, "ABSENT")
    story.grant(2000, 2502, "b", 2, lease=900, wait=5000, elapsed=501, on_lapse="FORGET")
    wait = 3000 if broken else 2400
    story.contention(10, 11 + wait, "c", "b" if broken else "a", wait=wait, elapsed=wait)


def l9_granted_to_a_caller_long_gone(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.renew(900, 901, 1, lease=3000)
    story.acquire(10, 500 if broken else 3500, "b", status=GONE, wait=5000)
    story.get(4000, 4001, record("HELD", 2, "b"))
    story.dump = [record("IN_DOUBT", 2, "b")]


def l9_granted_to_a_caller_whose_connection_broke(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.renew(900, 901, 1, lease=3000)
    story.acquire(10, 500 if broken else 3500, "b", status=AWAY, wait=5000)
    story.get(4000, 4001, record("HELD", 2, "b"))
    story.dump = [record("IN_DOUBT", 2, "b")]


def l9_recovered_from_a_caller_long_gone(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.renew(900, 901, 1, lease=3000)
    story.acquire(10, 500 if broken else 3500, "b", status=GONE, wait=5000)
    story.grant(5000, 5001, "c", 3, mode="RECOVER", number=2, previous_holder_id="b")
    story.dump = [record("IN_DOUBT", 3, "c")]


def l10_still_held(story, broken):
    story.grant(0, 1, "a", 1)
    story.dump = [record("HELD" if broken else "IN_DOUBT")]


def l10_not_to_be_had(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET")
    story.event(500, "faults_end")
    if broken:
        story.contention(1000, 11_001, "b", "a", wait=10_000, elapsed=10_000)
    else:
        story.grant(1000, 1001, "b", 2, wait=10_000, on_lapse="FORGET")


def i1_another_claimant(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.contention(500, 501, "b", "c" if broken else "a")


def i1_kept_from_its_own_grant(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    if broken:
        story.contention(500, 501, "a", "a")
    else:
        story.grant(500, 501, "a", 1, replayed=True, on_lapse="FORGET")


def i1_attempt_is_over_that_nobody_ended(story, broken):
    story.acquire(0, 10, "a", status=AWAY, on_lapse="FORGET")
    if not broken:
        story.grant(20, 21, "b", 1, on_lapse="FORGET")
    story.acquire(2000, 2001, "a", refused="ATTEMPT_ENDED", on_lapse="FORGET")


def i2_result_changes(story, broken):
    story.grant(0, 1, "a", 1)
    story.record(10, 11, 1)
    story.check(20, 21, "COMPLETED", result=result("r2" if broken else "r1"))
    story.dump = [record("COMPLETED", result=result())]


def i2_another_result_is_acknowledged(story, broken):
    story.grant(0, 1, "a", 1)
    stored = result("r2" if broken else "r1")
    story.record(10, 11, 1, stored=stored)
    story.dump = [record("COMPLETED", result=stored)]


def i2_payload_is_not_what_was_recorded(story, broken):
    story.grant(0, 1, "a", 1)
    story.record(10, 11, 1)
    story.dump = [record("COMPLETED", result=result(payload="eA==" if broken else ""))]


def i2_result_is_not_that_of_the_payment(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.act("charge", 1, "payment-1", told="charged")
    story.dump = [{**record("COMPLETED", result=result("payment-2" if broken else "payment-1")),
                   "namespace": "holders"}]


def i3_stale_claimant_records(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET")
    story.grant(500, 501, "b", 2)
    story.record(600, 601, 1, refused=None if broken else "STALE_FENCING_TOKEN")
    late = {"fencing_token": "1", "outcome": "SUCCEEDED", "provider_reference": "r1"}
    story.dump = [record("COMPLETED", result=result()) if broken else
                  record("IN_DOUBT", 2, "b", late_outcomes=[late])]


def i3_stale_claimant_is_not_heard(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET")
    story.grant(500, 501, "b", 2, on_lapse="FORGET")
    story.record(600, 601, 1, refused="STALE_FENCING_TOKEN")
    audit = [{"action": "RecordResult", "fencing_token": "1", "detail": "SUCCEEDED provider_reference=r1"}]
    story.dump = [{"namespace": "default", "key": "k", "state": "ABSENT", "audit": [] if broken else audit}]


def i3_completed_under_a_live_lease(story, broken):
    story.grant(0, 1, "a", 1)
    if not broken:
        story.record(10, None, 1)
    story.check(500, 501, "COMPLETED", result=result())
    story.dump = [record("COMPLETED", result=result())]


def i4_other_fingerprint_is_answered(story, broken):
    story.grant(0, 1, "a", 1, fingerprint="RkE=", on_lapse="FORGET")
    story.check(500, 501, "HELD", holder_id="a", fingerprint="RkI=",
                refused="FINGERPRINT_MISMATCH" if not broken else None)


def i4_same_fingerprint_is_refused(story, broken):
    story.grant(0, 1, "a", 1, fingerprint="RkE=", on_lapse="FORGET")
    story.check(500, 501, None, fingerprint="RkE=" if broken else "RkI=", refused="FINGERPRINT_MISMATCH")


def i4_refusal_reveals_the_result(story, broken):
    story.grant(0, 1, "a", 1, fingerprint="RkE=")
    story.record(10, 11, 1, reference="ch_1")
    story.check(20, 21, None, fingerprint="RkI=", refused="FINGERPRINT_MISMATCH",
                message="another fingerprint" + (" made ch_1" if broken else ""))
    story.dump = [record("COMPLETED", result=result("ch_1"))]


def i5_second_execute_in_a_run(story, broken):
    story.grant(0, 1, "a", 1, lease=100)
    story.grant(500, 501, "b", 2, mode="EXECUTE" if broken else "RECOVER", number=1 if broken else 2,
                on_lapse="FORGET")
    story.dump = [record("IN_DOUBT", 2)] if not broken else []


def i5_marked_run_is_forgotten(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET_UNLESS_STARTED")
    story.renew(10, 11, 1, lease=100, effect_started=True)
    story.check(500, 501, "ABSENT" if broken else "IN_DOUBT")
    story.dump = [] if broken else [record("IN_DOUBT")]


def i5_execute_grant_is_not_the_first(story, broken):
    story.grant(0, 1, "a", 1, number=2 if broken else 1, on_lapse="FORGET")


def i5_pays_twice(story, broken):
    story.grant(0, 1, "a", 1, on_lapse="FORGET")
    story.act("charge", 1, "payment-1", told="charged")
    if broken:
        story.act("charge", 2, "payment-2", told="charged")
    else:
        story.act("charge", 2, "payment-1", told="charged before")


def i6_completed_key_is_forgotten(story, broken):
    story.grant(0, 1, "a", 1)
    story.record(10, 11, 1)
    if not broken:
        story.delete(15, 16, 1)
    story.check(20, 21, "ABSENT")


def i6_doubt_is_forgotten(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET")
    story.check(500, 501, "IN_DOUBT")
    if not broken:
        story.release(600, None, 1)
    story.check(700, 701, "ABSENT")


def i6_late_comer_is_new(story, broken):
    story.event(0, "begin", wall=1_700_000_000)
    story.grant(0, 1, "a", 1, on_lapse="FORGET",
                first_sent_at="2023-06-01T00:00:00Z" if broken else "2023-11-14T00:00:00Z")


def d1_acknowledged_result_is_lost(story, broken):
    story.grant(0, 1, "a", 1)
    story.record(10, 11, 1)
    story.kill(15)
    story.dump = [] if broken else [record("COMPLETED", result=result())]
    if broken:
        story.release(9, None, 1)  # so that it is the result alone that is missed


def d1_acknowledged_grant_is_lost(story, broken):
    story.grant(0, 1, "a", 1, lease=5000)
    story.kill(15)
    story.check(100, 101, "ABSENT" if broken else "HELD", **({} if broken else {"holder_id": "a"}))
    story.dump = [] if broken else [record("IN_DOUBT")]


def d1_acknowledged_checkpoint_is_lost(story, broken):
    story.grant(0, 1, "a", 1, lease=100)
    story.renew(10, 11, 1, lease=100, checkpoint="MQ==")
    story.renew(20, 21, 1, lease=100, checkpoint="Mg==")
    story.kill(25)
    story.grant(900, 901, "b", 2, mode="RECOVER", number=2, previous_holder_id="a",
                checkpoint="MQ==" if broken else "Mg==")
    story.dump = [record("IN_DOUBT", 2)]


def d2_what_was_heard_is_lost(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET")
    story.renew(10, None, 1, lost=True, effect_started=True)
    story.check(500, 501, "IN_DOUBT")
    story.kill(600)
    story.dump = [] if broken else [record("IN_DOUBT")]


def d3_what_a_recovery_showed_is_lost(story, broken):
    story.grant(0, 1, "a", 1, lease=100, on_lapse="FORGET")
    story.renew(10, None, 1, lost=True, effect_started=True)
    story.kill(50)
    story.check(500, 501, "IN_DOUBT")
    story.kill(600)
    story.dump = [] if broken else [record("IN_DOUBT")]


def d3_lapse_that_was_shown_did_not_happen(story, broken):
    story.grant(0, 1, "a", 1, lease=100)
    story.kill(50)
    story.renew(500, 501, 1, refused="LEASE_EXPIRED")
    story.kill(600)
    story.renew(700, 701, 1, refused=None if broken else "LEASE_EXPIRED")
    story.dump = [record("IN_DOUBT")]


STORIES = {name: tell for name, tell in globals().items() if name.partition("_")[0].upper() in INVARIANTS}


class BrokenPromiseTest(unittest.TestCase):
    def test_every_invariant_has_a_story(self):
        self.assertEqual({name.partition("_")[0].upper() for name in STORIES}, set(INVARIANTS))

    def test_found_where_it_is_and_only_there(self):
        for name, tell in STORIES.items():
            with self.subTest(name):
                kept, broken = Story(), Story()
                tell(kept, False)
                tell(broken, True)
                self.assertEqual(kept.judged(), set())
                self.assertIn(name.partition("_")[0].upper(), broken.judged())


class NoFalseAlarmTest(unittest.TestCase):
    """What a server that keeps its promises may do."""

    def check(self, story):
        self.assertEqual(story.judged(), set())

    def test_unanswered_release_may_have_freed_the_key(self):
        story = Story()
        story.grant(0, 1, "a", 1)
        story.release(10, None, 1)
        story.grant(500, 501, "b", 2, on_lapse="FORGET")
        self.check(story)

    def test_unanswered_result_may_be_recorded_after_a_restart(self):
        story = Story()
        story.grant(0, 1, "a", 1)
        story.call("RecordResult", 10, 20, {"fencing_token": "1", "outcome": "SUCCEEDED"}, status=AWAY)
        story.kill(15)
        story.dump = [record("COMPLETED", result=result())]
        self.check(story)

    def test_restart_extends_a_lease(self):
        story = Story()
        story.grant(0, 1, "a", 1, lease=100)
        story.kill(50)
        story.renew(5000, 5001, 1, lease=100)
        story.dump = [record("IN_DOUBT")]
        self.check(story)

    def test_waiting_lease_begins_at_the_grant(self):
        story = Story()
        story.grant(0, 1, "a", 1)
        story.release(800, 801, 1, "ABSENT")
        story.grant(100, 802, "b", 2, wait=2000, elapsed=701, on_lapse="FORGET")
        story.contention(750, 751, "c", "a")
        self.check(story)

    def test_grant_over_a_shared_store_is_in_force_a_while_after_it_was_decided(self):
        for shared in (False, True):
            story = Story()
            if shared:
                story.event(0, "shared_store")
            story.grant(0, 20, "a", 1, remaining=985, elapsed=15, on_lapse="FORGET")
            story.check(8, 10, "ABSENT")
            self.assertEqual(story.judged(), set() if shared else {"L4"})

    def test_nothing_is_promised_where_nothing_is_left(self):
        story = Story()
        story.grant(0, 1, "a", 1, lease=500, on_lapse="FORGET")
        story.renew(400, 1900, 1, lease=500, remaining=0, elapsed=1500)
        story.grant(1200, 1201, "b", 2, on_lapse="FORGET")
        self.check(story)

    def test_waiter_that_cannot_recover_is_passed_over(self):
        story = Story()
        story.grant(0, 1, "a", 1, lease=2000)
        story.contention(10, 4011, "b", "c", wait=4000, elapsed=4000, accept_recover=False)
        story.grant(1000, 2002, "c", 2, mode="RECOVER", number=2, lease=3000, wait=3000, elapsed=1001)
        story.dump = [record("IN_DOUBT", 2, "c")]
        self.check(story)

    def test_call_that_came_to_a_stopped_server_is_queued_when_it_goes_on(self):
        story = Story()
        story.grant(0, 1, "a", 1, lease=9000)
        story.event(3500, "paused", name="server", begin=100_000_000)
        story.release(4000, 4001, 1, "ABSENT")
        story.grant(3600, 4002, "b", 2, wait=5000, elapsed=400, lease=200, on_lapse="FORGET")
        story.grant(150, 4302, "c", 3, wait=5000, elapsed=4151, on_lapse="FORGET")
        self.check(story)

    def test_retry_keeps_its_place_in_the_queue(self):
        story = Story()
        story.grant(0, 1, "a", 1, lease=3000)
        story.acquire(10, 2000, "b", refused="SUPERSEDED_BY_RETRY", wait=5000)
        story.contention(100, 3101, "c", "b", wait=3000, elapsed=3000)
        story.release(2500, 2501, 1, "ABSENT")
        story.grant(1999, 2502, "b", 2, wait=5000, elapsed=502, on_lapse="FORGET")
        self.check(story)

    def test_grant_that_nobody_heard_of_begins_a_run_without_checkpoint(self):
        story = Story()
        story.grant(0, 1, "a", 1)
        story.renew(10, 11, 1, checkpoint="MQ==")
        story.release(20, 21, 1, "ABSENT")
        story.acquire(30, None, "b", lease=100)
        story.grant(500, 501, "c", 3, mode="RECOVER", number=2, previous_holder_id="b")
        story.dump = [record("IN_DOUBT", 3, "c")]
        self.check(story)

    def test_forced_release_ends_a_lease_early(self):
        story = Story()
        story.grant(0, 1, "a", 1)
        story.call("ForceRelease", 10, 11, {"expected_fencing_token": "1"}, {"state": "IN_DOUBT"})
        story.grant(20, 21, "b", 2, mode="RECOVER", number=2)
        story.dump = [record("IN_DOUBT", 2)]
        self.check(story)


if __name__ == "__main__":
    unittest.main()
