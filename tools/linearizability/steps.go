package main

// unanswered are the calls on one key that may have acted and were not answered, and until when
// answers to others show something of what they did. What no later answer shows is not told apart,
// so that few situations stand for many.
type unanswered struct {
	calls    []*call          // by when they were sent
	numbers  []int64          // until when an attempt of this number in its run, or higher, is shown
	named    map[string]int64 // until when an attempt or a holder is named
	previous map[string]int64 // until when a grant names this holder as the one before
}

const notShown = "not shown"

func newUnanswered() unanswered {
	return unanswered{named: map[string]int64{}, previous: map[string]int64{}}
}

// add takes a call without an answer. One that ends an attempt may do so at any time.
func (u *unanswered) add(c *call) {
	u.calls = append(u.calls, c)
	if c.rpc == "Release" {
		u.named[c.request.AttemptID] = forever
	}
}

// note takes an operation, which may show something until it is over.
func (u *unanswered) note(o *operation) {
	r, a := &o.call.request, &o.answer
	for len(u.numbers) <= a.number {
		u.numbers = append(u.numbers, 0)
	}
	for number := 0; number <= a.number; number++ {
		u.numbers[number] = later(u.numbers[number], o.to)
	}
	for _, name := range []string{r.AttemptID, r.HolderID, a.attempt, a.holder} {
		u.named[name] = later(u.named[name], o.to)
	}
	if a.kind == kindGrant {
		u.previous[a.holder] = later(u.previous[a.holder], o.to)
	}
}

func (u *unanswered) simplify(s situation) situation {
	highest := len(u.numbers) - 1
	for highest > 0 && u.numbers[highest] < s.now {
		highest--
	}
	if s.number > highest {
		s.number = highest + 1
	}
	if s.state == stateHeld && u.previous[s.previous] < s.now {
		s.previous = notShown
	}
	if s.token != 0 || s.state != stateHeld && s.state != stateInDoubt {
		return s
	}
	// Of a grant that nobody was told of.
	if u.named[s.holder] < s.now {
		s.holder = notShown
	}
	if u.named[s.attempt] < s.now { // so nobody will ever learn its token, and renew it
		s.attempt, s.lease = notShown, 0
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
