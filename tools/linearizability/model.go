package main

import (
	"fmt"
	"hash/maphash"
	"sort"
	"strings"

	"github.com/anishathalye/porcupine"
)

// operation is an answered call on one key, as Porcupine gets it: it took effect at one time from
// `from` to `to`.
type operation struct {
	call     *call
	from, to int64
	answer   answer
	leaseEnd int64 // what the answer promises; 0 if it promises no lease
	open     *unanswered
	applied  map[situation][]situation // what apply answered
}

const appliedMax = 2000 // situations of which an operation remembers that

// keyName names a key.
type keyName struct{ namespace, key string }

func nameOf(namespace, key string) keyName {
	if namespace == "" {
		namespace = "default"
	}
	return keyName{namespace, key}
}

func (name keyName) String() string { return name.namespace + "/" + name.key }

// keyHistory is what a history has of one key.
type keyHistory struct {
	name       keyName
	operations []*operation
	open       unanswered
}

// partition splits a history by keys, in order of their names.
func partition(h *history) []*keyHistory {
	byName := make(map[keyName]*keyHistory)
	of := func(name keyName) *keyHistory {
		if byName[name] == nil {
			byName[name] = &keyHistory{name: name, open: newUnanswered()}
		}
		return byName[name]
	}
	for _, c := range h.calls {
		if c.rpc == "ListRecords" && c.reply != nil {
			for i := range c.reply.Records {
				shown := &c.reply.Records[i]
				key := of(nameOf(shown.Namespace, shown.Key))
				key.operations = append(key.operations,
					&operation{call: c, from: c.sent, to: c.end, answer: observedRecord(shown)})
			}
		}
		if c.rpc == "ListRecords" || c.request.Key == "" {
			continue
		}
		key := of(nameOf(c.request.Namespace, c.request.Key))
		switch c.outcome() {
		case answered:
			key.operations = append(key.operations, newOperation(c, h.shared))
		case unknown:
			key.open.add(c)
		}
	}
	var keys []*keyHistory
	for _, key := range byName {
		for _, o := range key.operations {
			o.open = &key.open
			key.open.note(o)
		}
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].name.String() < keys[j].name.String() })
	return keys
}

// newOperation uses what the server says of time to narrow when the call took effect: a grant, by
// how much of the lease was left, which tells when it was decided; whoever waits in vain is
// answered when the time is up, not before.
func newOperation(c *call, shared bool) *operation {
	o := &operation{call: c, from: c.sent, to: c.end, answer: observed(c)}
	if c.reply == nil {
		return o
	}
	elapsed := int64(c.reply.ServerElapsed)
	switch o.answer.kind {
	case kindGrant:
		left, lease := int64(c.reply.Grant.LeaseRemaining), int64(c.request.LeaseDuration)
		o.leaseEnd = promised(c.sent+elapsed, left)
		if !o.answer.replayed && 0 < left && left <= lease {
			to := c.end - (lease - left)
			if shared {
				to = c.end
			}
			o.narrow(later(c.sent, o.leaseEnd-lease), to)
		}
	case kindRenewed:
		o.leaseEnd = promised(c.sent+elapsed, int64(c.reply.LeaseRemaining))
	case kindContention:
		o.narrow(c.sent+int64(c.request.WaitTimeout), c.end)
	case kindState:
		if o.answer.state != stateCompleted {
			o.narrow(c.sent+int64(c.request.WaitTimeout), c.end)
		}
	}
	return o
}

// promised is until when a lease holds of which so much is left at a time. If nothing is, the
// answer does not say until when there was.
func promised(at, left int64) int64 {
	if left <= 0 {
		return 0
	}
	return at + left
}

func (o *operation) narrow(from, to int64) {
	if from <= to {
		o.from, o.to = from, to
	}
}

// apply says in which situations the key may be after this operation. It is empty if the operation
// cannot be what happened next. Where many operations overlap, Porcupine asks again and again.
func (o *operation) apply(s situation) []situation {
	after, known := o.applied[s]
	if known {
		return after
	}
	after = o.after(s)
	if o.applied == nil {
		o.applied = map[situation][]situation{}
	}
	if len(o.applied) < appliedMax {
		o.applied[s] = after
	}
	return after
}

func (o *operation) after(s situation) []situation {
	after := set{}
	for _, before := range s.reachable(o.open, o.to) {
		before.now = later(before.now, o.from)
		if before.now > o.to {
			continue
		}
		if o.answer.kind == kindRecord || o.answer.replayed && o.answer.kind == kindGrant {
			before = before.learn(o.answer.token)
		}
		next, predicted := before.decide(o.call.rpc, &o.call.request, o.answer)
		if predicted == o.answer {
			if next.leaseEnd = later(next.leaseEnd, o.leaseEnd); next.leaseEnd <= next.now {
				next.leaseEnd = 0
			}
			after.add(next)
		}
	}
	return after.all()
}

var seed = maphash.MakeSeed()

// model is the specification of one key, for Porcupine.
func model() porcupine.Model {
	nondeterministic := porcupine.NondeterministicModel{
		Init: func() []interface{} { return []interface{}{situation{state: stateAbsent}} },
		Step: func(state, input, _ interface{}) []interface{} {
			var next []interface{}
			for _, s := range input.(*operation).apply(state.(situation)) {
				next = append(next, s)
			}
			return next
		},
		Equal: func(one, other interface{}) bool { return one == other },
		Hash: func(state interface{}) uint64 {
			s := state.(situation)
			hash := s.token*31 + uint64(s.number) + uint64(s.now)*31 + uint64(s.leaseEnd)
			for _, text := range []string{s.state, s.attempt, s.holder, s.previous} {
				hash = hash*31 + maphash.String(seed, text)
			}
			return hash
		},
		DescribeOperation: func(input, _ interface{}) string { return input.(*operation).String() },
	}
	deterministic := nondeterministic.ToModel()
	deterministic.DescribeState = describeSituations
	return deterministic
}

const situationsDescribed = 4 // there may be thousands

func describeSituations(situations interface{}) string {
	var texts []string
	for _, s := range situations.([]interface{}) {
		texts = append(texts, s.(situation).String())
	}
	sort.Strings(texts)
	if more := len(texts) - situationsDescribed; more > 0 {
		texts = append(texts[:situationsDescribed], fmt.Sprintf("one of %d more", more))
	}
	return strings.Join(texts, ", or ")
}

func (o *operation) String() string { return describe(o.call) + " -> " + o.answer.String() }

// describe says what a call asks for.
func describe(c *call) string {
	r := &c.request
	text := c.rpc
	for _, part := range []string{r.AttemptID, r.Effect, r.Outcome, r.ProviderReference} {
		if part != "" {
			text += " " + part
		}
	}
	if token := r.FencingToken + r.ExpectedToken; token != 0 {
		text += fmt.Sprintf(" token %d", token)
	}
	if r.EffectStarted {
		text += " marks"
	}
	if r.Checkpoint != nil {
		text += " checkpoint " + *r.Checkpoint
	}
	return text
}

func (s situation) String() string {
	text := strings.TrimPrefix(s.show().String(), kindRecord+" ")
	if s.state != stateAbsent && s.token == 0 {
		text += " token unknown"
	}
	if s.leaseEnd != 0 {
		text += fmt.Sprintf(" lease lasts %.3f ms or longer", float64(s.leaseEnd-s.now)/1e6)
	}
	return text
}
