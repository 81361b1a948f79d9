package main

import "testing"

// Every story is told twice: once broken, and once in the nearest way that is right.

var leaseStories = map[string]func(s *story, broken bool){
	"two holders": func(s *story, broken bool) {
		s.mutex(0, 1, "a", grantOf(1))
		s.mutex(pick(broken, 500, 1500), 1501, "b", grantOf(2))
		if broken {
			s.renew(1600, 1601, 1, extended)
		}
	},
	"a grant before the lease ended": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(500, pick(broken, 900, 1100), "b", recovery(2, 2, "a"))
	},
	"a lapse before a renewed lease ended": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.renew(900, 901, 1, extended)
		s.check(pick(broken, 1500, 2000), pick(broken, 1501, 2001), stateOf("IN_DOUBT", "a", 1))
	},
	"a lapse before its holder was told": func(s *story, broken bool) {
		s.acquire(0, 10, "a", `"reply":{"grant":{"fencing_token":"1","mode":"EXECUTE",`+
			`"attempt_number":1,"lease_remaining":"2s"},"server_elapsed":"0s"}`)
		s.renew(pick(broken, 1500, 2000), pick(broken, 1501, 2001), 1, refusedAs("LEASE_EXPIRED"))
	},
	"an acknowledged grant is lost": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.check(10, 11, pickText(broken, isAbsent, stateOf("HELD", "a", 1)))
	},
}

var resultStories = map[string]func(s *story, broken bool){
	"an acknowledged result is lost": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.record(10, 11, 1, "r1", recordedAs(1, "r1"))
		s.dump = pickText(broken, absentRecord,
			recordOf("COMPLETED", 1, "a", `,"result":`+resultOf(1, "r1")))
	},
	"a result is read before it is recorded": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.check(10, pick(broken, 19, 21), `"reply":{"state":"COMPLETED","holder_id":"a",`+
			`"attempt_number":1,"result":`+resultOf(1, "r1")+`}`)
		s.record(20, 30, 1, "r1", recordedAs(1, "r1"))
	},
	"a stale read of ABSENT after a record": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.record(10, 11, 1, "r1", recordedAs(1, "r1"))
		if !broken {
			s.admin(12, 13, "DeleteRecord", 1, nothing)
		}
		s.check(20, 21, isAbsent)
	},
	"the result changes": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.record(10, 11, 1, "r1", recordedAs(1, "r1"))
		s.acquire(20, 21, "b",
			`"reply":{"completed":{"result":`+resultOf(1, pickText(broken, "r2", "r1"))+`}}`)
	},
	"the payload changes": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.record(10, 11, 1, "r1", recordedAs(1, "r1"))
		s.get(20, 21, recordOf("COMPLETED", 1, "a", `,"result":`+
			resultOf(1, "r1", pickText(broken, `,"payload":"eA=="`, ""))))
	},
	"another result is acknowledged": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.record(10, 11, 1, "r1", recordedAs(1, "r1"))
		s.record(20, 21, 1, pickText(broken, "r2", "r1"),
			recordedAs(1, "r1", `,"already_recorded":true`))
	},
}

var tokenStories = map[string]func(s *story, broken bool){
	"a token goes back": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(5))
		s.release(10, 11, 5, "NOT_EXECUTED", isAbsent)
		s.acquire(20, 21, "b", grantOf(pick(broken, 4, 6)))
	},
	"a replay has another token": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(10, 11, "a", replay(pick(broken, 2, 1), "EXECUTE"))
	},
	"a used grant is replayed to be executed": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.renew(10, 11, 1, extended)
		s.acquire(20, 21, "a", replay(1, pickText(broken, "EXECUTE", "RECOVER")))
	},
	"a released grant is replayed": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.release(10, 11, 1, "NOT_EXECUTED", isAbsent)
		s.acquire(20, 21, "a", pickText(broken, replay(1, "EXECUTE"), refusedAs("ATTEMPT_ENDED")))
	},
	"a dead lease is renewed": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.renew(1500, 1501, 1, refusedAs("LEASE_EXPIRED"))
		s.renew(1600, 1601, 1, pickText(broken, extended, refusedAs("LEASE_EXPIRED")))
	},
	"a lapse that was shown did not happen": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.check(1500, 1501, stateOf("IN_DOUBT", "a", 1))
		s.check(1600, 1601, stateOf(pickText(broken, "HELD", "IN_DOUBT"), "a", 1))
	},
	"a stale token records": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(1500, 1501, "b", recovery(2, 2, "a"))
		s.record(1600, 1601, 1, "r1",
			pickText(broken, recordedAs(1, "r1"), refusedAs("STALE_FENCING_TOKEN")))
	},
	"a stale token releases": func(s *story, broken bool) {
		s.mutex(0, 1, "a", grantOf(1))
		s.mutex(1500, 1501, "b", grantOf(2))
		s.release(1600, 1601, 1, "NOT_EXECUTED",
			pickText(broken, isAbsent, refusedAs("STALE_FENCING_TOKEN")))
	},
	"the newest token is called stale": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.renew(10, 11, pick(broken, 1, 7), refusedAs("STALE_FENCING_TOKEN"))
	},
	"a live key is not known": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.renew(10, pick(broken, 11, 2000), 1,
			pickText(broken, refusedAs("KEY_UNKNOWN"), refusedAs("LEASE_EXPIRED")))
	},
}

var runStories = map[string]func(s *story, broken bool){
	"doubt is forgotten": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.check(1500, 1501, stateOf("IN_DOUBT", "a", 1))
		if !broken {
			s.release(1510, none, 1, "NOT_EXECUTED", lost)
		}
		s.check(1600, 1601, isAbsent)
	},
	"a recovering holder ends a doubt that is not its own": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(1500, 1501, "b", recovery(2, 2, "a"))
		s.release(1510, 1511, 2, "NOT_EXECUTED", pickText(broken, isAbsent, isInDoubt))
	},
	"a run is executed twice": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(1500, 1501, "b", pickText(broken, grantOf(2), recovery(2, 2, "a")))
	},
	"a marked run is forgotten": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1), `,"on_lapse":"FORGET_UNLESS_STARTED"`)
		s.renew(10, 11, 1, extended, pickText(broken, `,"effect_started":true`, ""))
		s.check(2000, 2001, isAbsent)
	},
	"a checkpoint is lost": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.renew(10, 11, 1, extended, `,"checkpoint":"MQ=="`)
		s.renew(20, 21, 1, extended, `,"checkpoint":"Mg=="`)
		s.acquire(1500, 1501, "b",
			recovery(2, 2, "a", `,"checkpoint":"`+pickText(broken, "MQ==", "Mg==")+`"`))
	},
	"a grant is not counted": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(1500, 1501, "b", recovery(2, pick(broken, 1, 2), "a"))
	},
}

var otherStories = map[string]func(s *story, broken bool){
	"another fingerprint is answered": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1), more)
		s.check(10, 11,
			pickText(broken, stateOf("HELD", "a", 1), refusedAs("FINGERPRINT_MISMATCH")),
			`"fingerprint":"RkI="`)
	},
	"another holder is named": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(10, 11, "b", contentionOf(pickText(broken, "c", "a")))
	},
	"a waiter is answered before its time": func(s *story, broken bool) {
		s.mutex(0, 1, "a", grantOf(1))
		s.acquire(10, 1800, "b", contentionOf("a"),
			`,"wait_timeout":"`+pickText(broken, "1.5s", "0.5s")+`"`)
		s.check(1200, 1201, isAbsent)
	},
	"a grant is in force a while after it was decided": func(s *story, broken bool) {
		if !broken {
			s.event(0, "shared_store", "")
		}
		s.mutex(0, 20, "a", `"reply":{"grant":{"fencing_token":"1","mode":"EXECUTE",`+
			`"attempt_number":1,"lease_remaining":"0.985s"},"server_elapsed":"0.015s"}`)
		s.check(8, 10, isAbsent)
	},
	"an operator's word is lost": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.admin(10, 11, "ForceRelease", 1, isInDoubt)
		s.admin(20, 21, "ResolveOutcome", 1, `"reply":{"record":{`+absentRecord+`}}`,
			`,"outcome":"NOT_EXECUTED"`)
		s.get(30, 31, pickText(broken, recordOf("IN_DOUBT", 1, "a"), absentRecord))
	},
	"a live record is deleted": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.admin(10, 11, "DeleteRecord", 1, pickText(broken, nothing, refusedAs("RECORD_LIVE")))
	},
	"a page shows what is long over": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.record(10, 11, 1, "r1", recordedAs(1, "r1"))
		s.call(pick(broken, 12, 9), 20, "ListRecords", "",
			`"reply":{"records":[{`+recordOf("HELD", 1, "a")+`}]}`)
	},
}

var unansweredStories = map[string]func(s *story, broken bool){
	"a call acts after its server was killed": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.release(10, 20, 1, "NOT_EXECUTED", away)
		if broken {
			s.event(30, "killed", "")
		}
		s.check(40, 41, stateOf("HELD", "a", 1))
		s.check(50, 51, isAbsent)
	},
	"a call of a killed client acts after its server was killed": func(s *story, broken bool) {
		s.acquire(0, 1, "a", grantOf(1))
		s.callOf("c2", 10, none, "Release", `"fencing_token":"1"`, lost)
		s.event(15, "client_kill", `,"name":"c2"`)
		s.event(16, "client_start", `,"name":"c3"`)
		s.event(pick(broken, 30, 14), "killed", "")
		s.check(40, 41, stateOf("HELD", "a", 1))
		s.check(50, 51, isAbsent)
	},
	"a grant that its caller was told of is taken back": func(s *story, broken bool) {
		s.acquire(0, 10, "a", gone)
		if broken {
			s.acquire(20, 21, "a", replay(1, "EXECUTE"))
		}
		s.acquire(30, 31, "b", grantOf(2))
	},
}

func pick(broken bool, one, other int) int {
	if broken {
		return one
	}
	return other
}

func pickText(broken bool, one, other string) string {
	if broken {
		return one
	}
	return other
}

func TestEveryBrokenStoryIsFoundOut(t *testing.T) {
	for _, stories := range []map[string]func(s *story, broken bool){leaseStories, resultStories,
		tokenStories, runStories, otherStories, unansweredStories} {
		for name, tell := range stories {
			t.Run(name, func(t *testing.T) {
				kept, broken := newStory(), newStory()
				tell(kept, false)
				tell(broken, true)
				if status, printed := kept.judged(t); status != 0 {
					t.Errorf("the right story is rejected:\n%s", printed)
				}
				if status, printed := broken.judged(t); status != 1 {
					t.Errorf("the broken story is accepted:\n%s", printed)
				}
			})
		}
	}
}
