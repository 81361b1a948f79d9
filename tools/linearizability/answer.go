package main

import "fmt"

// answer is what a call was answered, or would be, reduced to what the model predicts. Answers are
// compared with ==; each kind leaves empty what it does not say.
type answer struct {
	kind       string
	reason     string // of a refusal
	state      string
	token      uint64
	attempt    string
	holder     string // with a grant: the one before
	number     int
	recovers   bool
	replayed   bool // or already recorded
	marked     bool
	checkpoint string
	result     result
}

// The kinds of answers.
const (
	kindRefused    = "refused"
	kindGrant      = "grant"
	kindCompleted  = "completed"
	kindContention = "contention"
	kindRenewed    = "renewed"
	kindRecorded   = "recorded"
	kindReleased   = "released"
	kindState      = "state"
	kindRecord     = "record"
	kindDeleted    = "deleted"
)

func refusal(reason string) answer { return answer{kind: kindRefused, reason: reason} }

// observed is the answer of a call that was answered OK or refused; of a page of records there is
// one for each, see observedRecord.
func observed(c *call) answer {
	if c.reply == nil {
		return refusal(c.reason)
	}
	r := c.reply
	switch {
	case r.Grant != nil:
		g := r.Grant
		return answer{kind: kindGrant, token: g.FencingToken, recovers: g.Mode == "RECOVER",
			number: g.AttemptNumber, checkpoint: g.Checkpoint, holder: g.PreviousHolderID,
			replayed: g.Replayed}
	case r.Completed != nil:
		return answer{kind: kindCompleted, result: shownResult(&r.Completed.Result, true)}
	case r.Contention != nil:
		in := stateHeld
		if r.Contention.InDoubt {
			in = stateInDoubt
		}
		return answer{kind: kindContention, state: in, holder: r.Contention.HolderID}
	case r.Record != nil:
		return observedRecord(r.Record)
	}
	switch c.rpc {
	case "RenewLease":
		return answer{kind: kindRenewed}
	case "RecordResult":
		return answer{kind: kindRecorded, replayed: r.AlreadyRecorded,
			result: shownResult(r.Result, false)}
	case "Release", "ForceRelease":
		return answer{kind: kindReleased, state: r.State}
	case "CheckResult":
		return answer{kind: kindState, state: r.State, number: r.AttemptNumber, holder: r.HolderID,
			result: shownResult(r.Result, true)}
	case "DeleteRecord":
		return answer{kind: kindDeleted}
	}
	return answer{kind: "of no known kind"}
}

func observedRecord(r *shownRecord) answer {
	return answer{kind: kindRecord, state: r.State, token: r.FencingToken, holder: r.HolderID,
		attempt: r.AttemptID, number: r.AttemptNumber, recovers: r.Mode == "RECOVER",
		marked: r.EffectStarted, checkpoint: r.Checkpoint, result: shownResult(r.Result, true)}
}

func reportOf(r *request) result {
	return result{outcome: r.Outcome, code: r.Code, reference: r.ProviderReference,
		contentType: r.ContentType, digest: digest(r.Payload)}
}

// shownResult trusts no digest: where the payload is shown, too, it is the payload's own.
func shownResult(r *recordedResult, withPayload bool) result {
	if r == nil {
		return result{}
	}
	shown := result{outcome: r.Outcome, code: r.Code, reference: r.ProviderReference,
		contentType: r.ContentType, digest: r.PayloadDigest, token: r.FencingToken, late: r.Late}
	if withPayload && !r.BodyOmitted && !r.BodyExpired {
		shown.digest = digest(r.Payload)
	}
	return shown
}

func (a answer) String() string {
	text := a.kind
	add := func(say bool, format string, value interface{}) {
		if say {
			text += " " + fmt.Sprintf(format, value)
		}
	}
	add(a.reason != "", "%v", a.reason)
	add(a.state != "", "%v", a.state)
	add(a.token != 0, "token %v", a.token)
	add(a.recovers, "%v", "RECOVER")
	add(a.kind == kindGrant && !a.recovers, "%v", "EXECUTE")
	add(a.number != 0, "number %v", a.number)
	add(a.replayed && a.kind == kindGrant, "%v", "replayed")
	add(a.replayed && a.kind == kindRecorded, "%v", "already")
	add(a.holder != "" && a.kind == kindGrant, "after %v", a.holder)
	add(a.holder != "" && a.kind != kindGrant, "holder %v", a.holder)
	add(a.attempt != "" && a.attempt != a.holder, "attempt %v", a.attempt)
	add(a.marked, "%v", "marked")
	add(a.checkpoint != "", "checkpoint %v", a.checkpoint)
	add(a.result != result{}, "%v", a.result)
	return text
}

func (r result) String() string {
	text := fmt.Sprintf("%s %q %s by token %d", r.outcome, r.code, r.reference, r.token)
	if r.late {
		text += " late"
	}
	return text + fmt.Sprintf(" digest %.8s", r.digest)
}
