package main

import "testing"

// What a server that keeps its promises may do.

var rightStoriesOfUnanswered = map[string]func(s *story){
	"an unanswered grant holds the key": func(s *story) {
		s.acquire(0, none, "a", lost)
		s.acquire(10, 11, "b", contentionOf("a"))
		s.acquire(1500, 1501, "c", recovery(2, 2, "a"))
	},
	"an unanswered grant did not happen": func(s *story) {
		s.acquire(0, 10, "a", away)
		s.acquire(20, 21, "b", grantOf(1))
	},
	"an unanswered grant is repeated": func(s *story) {
		s.acquire(0, 10, "a", away)
		s.acquire(20, 21, "a", replay(3, "EXECUTE"))
		s.renew(30, 31, 3, extended)
	},
	"an unanswered grant is taken back": func(s *story) {
		s.acquire(0, 10, "a", gone)
		s.check(20, 21, stateOf("HELD", "a", 1))
		s.check(30, 31, isAbsent)
	},
	"an unanswered recovery is taken back, and counted": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(1500, 1510, "b", gone)
		s.acquire(1520, 1521, "c", recovery(3, 3, "b"))
	},
	"a record shows the token of an unanswered grant": func(s *story) {
		s.acquire(0, 10, "a", away)
		s.get(20, 21, recordOf("HELD", 4, "a"))
		s.admin(30, 31, "ForceRelease", 4, isInDoubt)
	},
	"an unanswered result is recorded much later": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.record(10, 20, 1, "r1", away)
		s.check(30, 31, stateOf("HELD", "a", 1))
		s.record(1500, 1501, 1, "r2", refusedAs("RESULT_CONFLICT"))
		s.get(1600, 1601, recordOf("COMPLETED", 1, "a", `,"result":`+resultOf(1, "r1")))
	},
	"an unanswered result is recorded late": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.record(10, 20, 1, "r1", away)
		s.check(1500, 1501, stateOf("IN_DOUBT", "a", 1))
		s.get(1600, 1601, recordOf("COMPLETED", 1, "a",
			`,"result":`+resultOf(1, "r1", `,"late":true`)))
	},
	"an unanswered renewal marks, saves and extends": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1), `,"on_lapse":"FORGET"`)
		s.renew(900, none, 1, lost, `,"effect_started":true,"checkpoint":"MQ=="`)
		s.check(1800, 1801, stateOf("HELD", "a", 1))
		s.acquire(1950, 1951, "b", recovery(2, 2, "a", `,"checkpoint":"MQ=="`))
	},
	"unanswered admin calls act": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.admin(10, 20, "ForceRelease", 1, away)
		s.admin(11, 20, "ResolveOutcome", 1, away, `,"outcome":"SUCCEEDED","provider_reference":"r1"`)
		s.check(30, 31, `"reply":{"state":"COMPLETED","holder_id":"a","attempt_number":1,"result":`+
			resultOf(1, "r1")+`}`)
		s.admin(40, 50, "DeleteRecord", 1, away)
		s.check(60, 61, isAbsent)
	},
	"a call that was sent before a kill acted before it": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.release(10, 20, 1, "NOT_EXECUTED", away)
		s.event(30, "killed", "")
		s.check(40, 41, isAbsent)
	},
}

// Of calls without an answer that are told apart for as long as somebody may see the difference.
var rightStoriesOfSightings = map[string]func(s *story){
	"an unanswered grant is repeated by a holder who is not named elsewhere": func(s *story) {
		const request = `"attempt_id":"a","holder_id":"h","lease_duration":"1s"`
		s.call(1, 10, "AcquireLock", request, away)
		s.call(20, 21, "AcquireLock", request, replay(3, "EXECUTE"))
	},
	"a run that got far is forgotten, and the next one begins anew": func(s *story) {
		s.acquire(1, 2, "a", grantOf(1))
		s.acquire(1500, 1501, "b", recovery(2, 2, "a"))
		s.call(1510, 1520, "Release", `"fencing_token":"2","effect":"RUN_NOT_EXECUTED"`, away)
		s.acquire(1530, 1540, "c", away)
		s.acquire(3000, 3001, "d", recovery(4, 2, "c"))
	},
}

var rightStories = map[string]func(s *story){
	"a grant of which nothing is left when it is answered": func(s *story) {
		s.mutex(0, 1900, "a", `"reply":{"grant":{"fencing_token":"1","mode":"EXECUTE",`+
			`"attempt_number":1,"lease_remaining":"0s"},"server_elapsed":"1.9s"}`)
		s.mutex(1200, 1201, "b", grantOf(2))
	},
	"a failed read says nothing": func(s *story) {
		s.check(0, 10, away)
		s.check(0, none, lost)
		s.get(20, 21, absentRecord)
	},
	"concurrent calls have any order": func(s *story) {
		s.mutex(0, 100, "a", grantWith(1, "EXECUTE", 1, `,"replayed":false`))
		s.check(0, 100, isAbsent)
		s.check(0, 100, stateOf("HELD", "a", 1))
		s.release(0, 100, 1, "NOT_EXECUTED", isAbsent)
	},
	"a lease lasts longer than promised": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.renew(9000, 9001, 1, extended)
	},
	"a waiter is granted what is released": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(10, 602, "b", `"reply":{"grant":{"fencing_token":"2","mode":"EXECUTE",`+
			`"attempt_number":1,"lease_remaining":"1s"},"server_elapsed":"0.591s"}`,
			`,"wait_timeout":"5s"`)
		s.check(300, 301, stateOf("HELD", "a", 1))
		s.release(600, 601, 1, "NOT_EXECUTED", isAbsent)
	},
	"who cannot recover is told of the doubt": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.call(1500, 1501, "AcquireLock",
			`"attempt_id":"b","holder_id":"b","lease_duration":"1s"`, doubtOf("a"))
	},
	"a late result ends the doubt": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.renew(1500, 1501, 1, refusedAs("LEASE_EXPIRED"))
		s.call(1600, 1601, "RecordResult",
			`"fencing_token":"1","outcome":"SUCCEEDED","provider_reference":"r1"`,
			`"reply":{"late":true,"result":`+resultOf(1, "r1", `,"late":true`)+`}`)
		s.renew(1700, 1701, 1, refusedAs("ALREADY_COMPLETED"))
	},
	"who comes too late is told so": func(s *story) {
		s.acquire(0, 1, "a", refusedAs("KEY_EXPIRED"), late)
		s.check(10, 11, isAbsent)
	},
	"a retry takes its place in the queue": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.acquire(10, 30, "b", `"status":10,"reason":"SUPERSEDED_BY_RETRY"`, `,"wait_timeout":"5s"`)
		s.acquire(20, 30, "b", contentionOf("a"))
	},
	"an attempt without a token is given up": func(s *story) {
		s.acquire(0, 10, "a", gone)
		s.call(20, 21, "Release", `"attempt_id":"a"`, isAbsent)
		s.acquire(30, 31, "b", grantOf(2))
		s.call(40, 41, "Release", `"attempt_id":"a"`, `"reply":{"state":"HELD"}`)
	},
	"a doubt is settled by its own holder": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.release(10, 11, 1, "UNKNOWN", isInDoubt)
		s.release(20, 21, 1, "NOT_EXECUTED", isAbsent)
		s.release(30, 31, 1, "NOT_EXECUTED", isAbsent)
	},
	"the last line was cut off by a kill": func(s *story) {
		s.acquire(0, 1, "a", grantOf(1))
		s.write("c1", `{"t":2000000,"id":"c1.2","ca`)
	},
}

func TestRightStoriesAreAccepted(t *testing.T) {
	for _, stories := range []map[string]func(s *story){
		rightStoriesOfUnanswered, rightStoriesOfSightings, rightStories} {
		for name, tell := range stories {
			t.Run(name, func(t *testing.T) {
				s := newStory()
				tell(s)
				if status, printed := s.judged(t); status != 0 {
					t.Error(printed)
				}
			})
		}
	}
}
