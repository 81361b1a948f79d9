package main

// unanswered are the calls on one key that may have acted and were not answered, and what answers
// to others show of what they did. What no answer shows is not told apart, so that few situations
// stand for many.
type unanswered struct {
	calls         []*call         // by when they were sent
	highestNumber int             // of an attempt
	previous      map[string]bool // holders whom a later grant names
}

func (u *unanswered) note(a answer) {
	if a.number > u.highestNumber {
		u.highestNumber = a.number
	}
	if a.kind == kindGrant {
		u.previous[a.holder] = true
	}
}

func (u *unanswered) simplify(s situation) situation {
	if s.number > u.highestNumber {
		s.number = u.highestNumber + 1
	}
	if s.state == stateHeld && !u.previous[s.previous] {
		s.previous = "not shown"
	}
	return s
}

// What may happen to a key between two answered calls: a lease ends, a grant that nobody was told
// of is taken back, a call without an answer takes effect. Each of them may, none must. That a
// call acts once only is left to what it needs in order to act; an AcquireLock without an answer
// may be granted again in the model.

// step says what one such event makes of a situation. Calls that were sent after `last` are left
// out.
func (s situation) step(open *unanswered, last int64) []situation {
	var next []situation
	if s.state == stateHeld {
		lapsed := s
		lapsed.now = later(s.now, s.leaseEnd)
		next = append(next, lapsed.lapsed())
	}
	if s.unheard {
		next = append(next, s.givenBack(effectNotExecuted))
	}
	for _, c := range open.calls {
		if c.sent > last {
			break
		}
		before := s
		before.now = later(s.now, c.sent)
		if before.now > c.until {
			continue
		}
		if after, _ := before.decide(c.rpc, &c.request, answer{}); after != before {
			next = append(next, after)
		}
	}
	return next
}

// reachable are the situations that events can make of this one up to a time, itself included.
func (s situation) reachable(open *unanswered, last int64) []situation {
	found := set{}
	found.add(s)
	for todo := []situation{s}; len(todo) > 0; todo = todo[1:] {
		for _, next := range todo[0].step(open, last) {
			next = open.simplify(next)
			if next.now <= last && found.add(next) {
				todo = append(todo, next)
			}
		}
	}
	return found.all()
}

// times are all that a situation has of time: it is not earlier than `now`, and its lease does not
// end before `leaseEnd`.
type times struct{ now, leaseEnd int64 }

// set holds situations by what they have in common besides time, without those that allow nothing
// that another one does not allow, too: one that is no later and whose lease may end as early.
type set map[situation][]times

// add says whether the situation was added.
func (all set) add(s situation) bool {
	added := times{s.now, s.leaseEnd}
	s.now, s.leaseEnd = 0, 0
	var kept []times
	for _, other := range all[s] {
		if other.now <= added.now && other.leaseEnd <= added.leaseEnd {
			return false
		}
		if other.now < added.now || other.leaseEnd < added.leaseEnd {
			kept = append(kept, other)
		}
	}
	all[s] = append(kept, added)
	return true
}

func (all set) all() []situation {
	var found []situation
	for s, some := range all {
		for _, t := range some {
			s.now, s.leaseEnd = t.now, t.leaseEnd
			found = append(found, s)
		}
	}
	return found
}
