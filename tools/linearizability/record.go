package main

// The states of a key.
const (
	stateAbsent    = "ABSENT"
	stateHeld      = "HELD"
	stateInDoubt   = "IN_DOUBT"
	stateCompleted = "COMPLETED"
)

// The effects of a release, and what a lapse means, as far as the model tells them apart.
const (
	effectUnset       = ""
	effectNotExecuted = "NOT_EXECUTED"
	effectUnknown     = "UNKNOWN"
	effectRunOver     = "RUN_NOT_EXECUTED"

	onLapseForget              = "FORGET"
	onLapseForgetUnlessStarted = "FORGET_UNLESS_STARTED"
)

// result is what must not change of a recorded result.
type result struct {
	outcome, code, reference, contentType, digest string
	token                                         uint64
	late                                          bool
}

// sameReport says whether both report the same, whoever recorded it.
func (r result) sameReport(other result) bool {
	r.token, r.late = other.token, other.late
	return r == other
}

// situation is what may be the case of one key at one time: its record, and what the model needs
// to know of time. Situations are values: two that are equal have the same future.
type situation struct {
	state                     string
	token                     uint64 // the newest; 0 if it is of a grant that nobody was told of
	attempt, holder, previous string
	number                    int  // of grants in this run
	recovers                  bool // the mode of the newest grant
	onLapse                   string
	lease                     int64 // as granted, in nanoseconds
	fingerprint, checkpoint   string
	marked                    bool // the effect may have begun
	seen                      bool // a call has carried the token
	unheard                   bool // granted to a call without an answer; may be taken back
	result                    result

	highest  uint64 // no newer token of this key is known to be granted
	now      int64  // it is not earlier than this
	leaseEnd int64  // the lease does not end before; 0 if that has passed
}

func (s situation) grant(r *request, token uint64, heard bool) situation {
	before := s
	if s.state == stateAbsent {
		s = s.freed()
		s.fingerprint = r.Fingerprint
	}
	if s.fingerprint == "" {
		s.fingerprint = r.Fingerprint
	}
	s.state = stateHeld
	s.recovers = before.state == stateInDoubt
	s.attempt, s.holder, s.previous = r.AttemptID, r.HolderID, before.holder
	s.number = before.number + 1
	if s.onLapse = ""; !s.recovers {
		s.onLapse = r.OnLapse
	}
	s.lease = int64(r.LeaseDuration)
	s.leaseEnd = s.now + s.lease
	s.seen, s.unheard = false, !heard
	s.token = 0
	if token > s.highest {
		s.token, s.highest = token, token
	}
	return s
}

// freed has no record any more.
func (s situation) freed() situation {
	return situation{state: stateAbsent, highest: s.highest, now: s.now}
}

// rested has no lease any more, and nothing that only a holder needs.
func (s situation) rested(state string) situation {
	s.state = state
	s.previous, s.onLapse, s.lease, s.leaseEnd = "", "", 0, 0
	s.seen, s.unheard = false, false
	return s
}

// lapsed is a lease that ended, by time or by an operator.
func (s situation) lapsed() situation {
	forgets := s.onLapse == onLapseForget || s.onLapse == onLapseForgetUnlessStarted
	if forgets && !s.recovers && !s.marked {
		return s.freed()
	}
	return s.rested(stateInDoubt)
}

// givenBack is a release by the newest token, or by its attempt, from HELD or IN_DOUBT.
func (s situation) givenBack(effect string) situation {
	if effect == effectUnset {
		effect = effectNotExecuted
		if s.recovers || s.marked {
			effect = effectUnknown
		}
	}
	plainMutex := s.state == stateHeld && s.onLapse == onLapseForget && !s.recovers && !s.marked
	if effect == effectRunOver || effect == effectNotExecuted && !s.recovers ||
		effect == effectUnknown && plainMutex {
		return s.freed()
	}
	return s.rested(stateInDoubt)
}

func (s situation) complete(report result, late bool) situation {
	s = s.rested(stateCompleted)
	s.result = report
	s.result.token, s.result.late = s.token, late
	return s
}

// learn takes the token of a grant that nobody was told of from an answer that shows it.
func (s situation) learn(token uint64) situation {
	if s.state != stateAbsent && s.token == 0 && token > s.highest {
		s.token, s.highest = token, token
	}
	return s
}
