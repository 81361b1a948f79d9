package main

// decide says what a call does in this situation, and what it is answered. Where more than one
// answer is right it follows the one that was observed; without one (its kind is empty) it acts,
// if it can.
func (s situation) decide(rpc string, r *request, given answer) (situation, answer) {
	switch rpc {
	case "AcquireLock":
		return s.acquire(r, given)
	case "RenewLease":
		return s.renew(r)
	case "RecordResult":
		return s.recordResult(r)
	case "Release":
		return s.release(r, given)
	case "CheckResult":
		return s.check(r, given)
	case "GetRecord", "ListRecords":
		return s, s.show()
	case "ResolveOutcome":
		return s.resolve(r, given)
	case "ForceRelease":
		return s.forceRelease(r, given)
	case "DeleteRecord":
		return s.deleteRecord(r, given)
	}
	return s, answer{}
}

func (s situation) acquire(r *request, given answer) (situation, answer) {
	if s.differs(r.Fingerprint) {
		return s, refusal("FINGERPRINT_MISMATCH")
	}
	if s.state == stateCompleted {
		return s, answer{kind: kindCompleted, result: s.result}
	}
	if s.state == stateHeld && s.attempt == r.AttemptID && s.holder == r.HolderID {
		s.unheard = s.unheard && given.kind == ""
		return s, s.showGrant(true)
	}
	if given == refusal("ATTEMPT_ENDED") || s.mayBeTooLate(r, given) {
		return s, given
	}
	if s.state == stateAbsent || s.state == stateInDoubt && r.AcceptRecover {
		s = s.grant(r, given.token, given.kind != "")
		return s, s.showGrant(false)
	}
	return s, answer{kind: kindContention, state: s.state, holder: s.holder}
}

func (s situation) renew(r *request) (situation, answer) {
	if s.state == stateAbsent {
		return s, refusal("KEY_UNKNOWN")
	}
	if r.FencingToken != s.token {
		return s, refusal("STALE_FENCING_TOKEN")
	}
	if s.state == stateInDoubt {
		return s, refusal("LEASE_EXPIRED")
	}
	if s.state == stateCompleted {
		return s, refusal("ALREADY_COMPLETED")
	}
	lease := int64(r.LeaseDuration)
	if lease == 0 {
		lease = s.lease
	}
	s.leaseEnd = later(s.leaseEnd, s.now+lease)
	s.seen, s.unheard = true, false
	s.marked = s.marked || r.EffectStarted
	if r.Checkpoint != nil {
		s.checkpoint = *r.Checkpoint
	}
	return s, answer{kind: kindRenewed}
}

func (s situation) recordResult(r *request) (situation, answer) {
	if s.state == stateAbsent {
		return s, refusal("KEY_UNKNOWN")
	}
	if r.FencingToken != s.token {
		return s, refusal("STALE_FENCING_TOKEN")
	}
	if s.state == stateCompleted {
		if !s.result.sameReport(r.report) {
			return s, refusal("RESULT_CONFLICT")
		}
		return s, answer{kind: kindRecorded, replayed: true, result: s.result}
	}
	s = s.complete(r.report, s.state == stateInDoubt)
	return s, answer{kind: kindRecorded, result: s.result}
}

func (s situation) release(r *request, given answer) (situation, answer) {
	switch {
	case r.FencingToken == 0: // by its attempt, which ends a grant that was not used
		if s.state == stateHeld && s.attempt == r.AttemptID && !s.seen {
			s = s.givenBack(effectNotExecuted)
		}
	case s.state == stateAbsent:
		return s.answerAbsent(given, answer{kind: kindReleased, state: stateAbsent})
	case r.FencingToken != s.token:
		return s, refusal("STALE_FENCING_TOKEN")
	case s.state == stateHeld || s.state == stateInDoubt && r.Effect != effectUnset:
		s = s.givenBack(r.Effect)
	}
	return s, answer{kind: kindReleased, state: s.state}
}

func (s situation) check(r *request, given answer) (situation, answer) {
	if s.differs(r.Fingerprint) {
		return s, refusal("FINGERPRINT_MISMATCH")
	}
	if s.mayBeTooLate(r, given) {
		return s, given
	}
	return s, answer{kind: kindState, state: s.state, number: s.number, holder: s.holder,
		result: s.result}
}

func (s situation) resolve(r *request, given answer) (situation, answer) {
	if s.state != stateAbsent && r.ExpectedToken != s.token {
		return s, refusal("STALE_FENCING_TOKEN")
	}
	free := r.Outcome == effectNotExecuted
	if s.state == stateInDoubt && free {
		s = s.freed()
	} else if s.state == stateInDoubt {
		s = s.complete(r.report, false)
	} else {
		again := free && s.state == stateAbsent ||
			!free && s.state == stateCompleted && s.result.sameReport(r.report)
		if !again || given.kind == kindRefused {
			return s, refusal("NOT_IN_DOUBT")
		}
	}
	return s, s.show()
}

func (s situation) forceRelease(r *request, given answer) (situation, answer) {
	if s.state == stateAbsent {
		return s.answerAbsent(given, answer{kind: kindReleased, state: stateAbsent})
	}
	if r.ExpectedToken != s.token {
		return s, refusal("STALE_FENCING_TOKEN")
	}
	if s.state == stateHeld {
		s = s.lapsed()
	}
	return s, answer{kind: kindReleased, state: s.state}
}

func (s situation) deleteRecord(r *request, given answer) (situation, answer) {
	if s.state == stateAbsent {
		return s.answerAbsent(given, answer{kind: kindDeleted})
	}
	if r.ExpectedToken != s.token {
		return s, refusal("STALE_FENCING_TOKEN")
	}
	if s.state != stateCompleted {
		return s, refusal("RECORD_LIVE")
	}
	return s.freed(), answer{kind: kindDeleted}
}

// answerAbsent: on an absent key it depends on the tokens of all keys whether a token was ever
// issued.
func (s situation) answerAbsent(given, otherwise answer) (situation, answer) {
	if given == refusal("KEY_UNKNOWN") {
		return s, given
	}
	return s, otherwise
}

// mayBeTooLate: whether who names a time is too late depends on retention, which the model has not.
func (s situation) mayBeTooLate(r *request, given answer) bool {
	return s.state == stateAbsent && r.FirstSentAt != "" && given == refusal("KEY_EXPIRED")
}

func (s situation) differs(fingerprint string) bool {
	return fingerprint != "" && s.fingerprint != "" && fingerprint != s.fingerprint
}

func (s situation) showGrant(replayed bool) answer {
	return answer{kind: kindGrant, token: s.token, recovers: s.recovers || s.seen, number: s.number,
		checkpoint: s.checkpoint, holder: s.previous, replayed: replayed}
}

func (s situation) show() answer {
	return answer{kind: kindRecord, state: s.state, token: s.token, holder: s.holder,
		attempt: s.attempt, number: s.number, recovers: s.recovers, marked: s.marked,
		checkpoint: s.checkpoint, result: s.result}
}

func later(one, other int64) int64 {
	if one > other {
		return one
	}
	return other
}
