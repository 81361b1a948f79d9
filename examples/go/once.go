package main

// What a caller of Latchkey owes it, with stock stubs. docs/other-languages.md gives the reasons.

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	api "latchkey-example/latchkeyv1"
)

// Durations are explained in docs/recovery.md.
type Durations struct {
	Timeout    time.Duration // after which our call to the provider gives up
	Lease      time.Duration // for how long nobody else is granted the key after the last renewal
	Window     time.Duration // for how long the provider deduplicates; 0: it does not
	Quarantine time.Duration // for how long a request may still act after its lease has ended
}

// Outcome says how the work ended, for good.
type Outcome struct {
	Outcome         api.Result_Outcome
	Reference, Code string
}

// Work does it (Send) and looks for it (Find). An error is silence: it may have acted. Find gives
// nil where the provider says that there is nothing.
type Work struct {
	Send, Find func(reference string) (*Outcome, error)
}

// Settled is the one result of the key, for every caller of it.
type Settled struct {
	Result     *api.Result
	Superseded *Outcome // what this call did, if that is not what was stored
}

// Unsettled says that there is no result yet. Call Once again, with the same key.
type Unsettled struct{ why string }

// Refused is an answer of Latchkey: not this call. It is the reason, such as
// FINGERPRINT_MISMATCH.
type Refused struct{ reason string }

// Unrecorded says that the work ended, and Latchkey could not be told. It is the only copy: keep
// it.
type Unrecorded struct{ outcome *Outcome }

func (e *Unsettled) Error() string  { return e.why }
func (e *Refused) Error() string    { return e.reason }
func (e *Unrecorded) Error() string { return fmt.Sprintf("%+v", *e.outcome) }

// now runs on while the machine sleeps, which time.Now does not.
func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// refusal gives the reason, if this is an answer of Latchkey; "" if nothing was decided, or
// nobody knows.
func refusal(err error) string {
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.Aborted:
		return ""
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == "latchkey" {
			return info.Reason
		}
	}
	return ""
}

// ask repeats one and the same request until it is answered; gives the answer, and when the call
// that got it was sent.
func ask[Request, Answer any](
	method func(context.Context, Request, ...grpc.CallOption) (Answer, error),
	request Request, patience time.Duration,
) (Answer, time.Duration, error) {
	giveUp, pause := now()+patience, 50*time.Millisecond
	for {
		sent := now()
		deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		answer, err := method(deadline, request)
		cancel()
		if err == nil {
			return answer, sent, nil
		}
		if reason := refusal(err); reason != "" {
			return answer, sent, &Refused{reason}
		}
		if now()+pause > giveUp {
			return answer, sent, err
		}
		time.Sleep(pause/2 + time.Duration(rand.Int63n(int64(pause/2))))
		if pause *= 2; pause > 2*time.Second {
			pause = 2 * time.Second
		}
	}
}

// Lease is renewed behind the work, until Stop.
type Lease struct {
	lost, done chan struct{}
	mutex      sync.Mutex
	safeUntil  time.Duration
}

// leaseEnd counts from before the call was sent; the answer may have been under way for long. 1%
// is for drifting clocks.
func leaseEnd(sent time.Duration, elapsed, remaining *durationpb.Duration) time.Duration {
	return sent + (elapsed.AsDuration()+remaining.AsDuration())/100*99
}

func keep(service api.CoordinationServiceClient, key string, answer *api.AcquireLockResponse,
	sent time.Duration) *Lease {
	grant := answer.GetGrant()
	lease := &Lease{lost: make(chan struct{}), done: make(chan struct{}),
		safeUntil: leaseEnd(sent, answer.ServerElapsed, grant.LeaseRemaining)}
	request := &api.RenewLeaseRequest{Key: key, FencingToken: grant.FencingToken}
	go lease.renew(service, request, grant.LeaseRemaining.AsDuration()/3)
	return lease
}

func (lease *Lease) renew(service api.CoordinationServiceClient, request *api.RenewLeaseRequest,
	period time.Duration) {
	for {
		select {
		case <-lease.done:
			return
		case <-time.After(period):
		}
		answer, sent, err := ask(service.RenewLease, request, period)
		var refused *Refused
		if errors.As(err, &refused) {
			close(lease.lost)
			return
		}
		if err != nil {
			continue // the lease may still be ours: Covers counts on
		}
		lease.mutex.Lock()
		if end := leaseEnd(sent, answer.ServerElapsed, answer.LeaseRemaining); end > lease.safeUntil {
			lease.safeUntil = end
		}
		lease.mutex.Unlock()
	}
}

// Stop ends the renewals.
func (lease *Lease) Stop() { close(lease.done) }

// Covers says that nobody else is granted the key for so long from now on.
func (lease *Lease) Covers(period time.Duration) bool {
	lease.mutex.Lock()
	defer lease.mutex.Unlock()
	select {
	case <-lease.lost:
		return false
	default:
		return now()+period < lease.safeUntil
	}
}

// Sleep gives false if the lease was lost meanwhile.
func (lease *Lease) Sleep(period time.Duration) bool {
	select {
	case <-lease.lost:
		return false
	case <-time.After(period):
		return true
	}
}

// Once has the work of the key done once among all callers.
func Once(service api.CoordinationServiceClient, request *api.AcquireLockRequest,
	durations Durations, work Work) (*Settled, error) {
	request.LeaseDuration = durationpb.New(durations.Lease)
	request.WaitTimeout = durationpb.New(5 * time.Second)
	request.DownstreamKeyTtl = durationpb.New(durations.Window)
	request.AcceptRecover = true // because do looks at the mode
	answer, sent, err := ask(service.AcquireLock, request, 30*time.Second)
	var refused *Refused
	if errors.As(err, &refused) {
		return nil, refused
	}
	if err != nil {
		// It may have been granted all the same; then nobody has used the grant, and nobody will.
		release(service, &api.ReleaseRequest{Key: request.Key, AttemptId: request.AttemptId}, 0)
		return nil, &Unsettled{"no answer; nothing was done"}
	}
	received := now()
	if completed := answer.GetCompleted(); completed != nil {
		return &Settled{Result: completed.Result}, nil
	}
	if contention := answer.GetContention(); contention != nil {
		return nil, &Unsettled{"held by " + contention.HolderId}
	}

	grant := answer.GetGrant()
	lease := keep(service, request.Key, answer, sent)
	defer lease.Stop()
	outcome, effect, err := do(grant, sent, received, lease, durations, work)
	if outcome != nil {
		return record(service, request.Key, grant.FencingToken, outcome)
	}
	release(service, &api.ReleaseRequest{
		Key: request.Key, FencingToken: grant.FencingToken, Effect: effect}, 30*time.Second)
	if effect != api.ReleaseRequest_UNKNOWN {
		return nil, &Unsettled{"nothing was done"}
	}
	return nil, &Unsettled{fmt.Sprintf("in doubt: %v", err)}
}

// do gives an outcome, or what Release has to say about the effect.
func do(grant *api.Grant, sent, received time.Duration, lease *Lease, durations Durations,
	work Work) (*Outcome, api.ReleaseRequest_Effect, error) {
	const unknown = api.ReleaseRequest_UNKNOWN
	reference := grant.DownstreamIdempotencyKey // the same for every attempt of this key, for ever
	send := func() (*Outcome, api.ReleaseRequest_Effect, error) {
		outcome, err := work.Send(reference)
		return outcome, unknown, err
	}
	if grant.Mode == api.Grant_EXECUTE {
		if !lease.Covers(durations.Timeout) {
			return nil, api.ReleaseRequest_NOT_EXECUTED, nil
		}
		return send()
	}

	// RECOVER: an earlier attempt may have acted. Its own word comes first, however late.
	told := map[Outcome]bool{}
	for _, late := range grant.LateOutcomes {
		if late.Outcome == api.Result_SUCCEEDED {
			told[Outcome{late.Outcome, late.ProviderReference, late.Code}] = true
		}
	}
	for outcome := range told {
		if len(told) > 1 {
			return nil, unknown, errors.New("earlier attempts contradict each other")
		}
		return &outcome, unknown, nil
	}

	windowEnds := sent + grant.DownstreamKeyRemaining.AsDuration()
	if grant.RecoverAction == api.Grant_RESEND_SAME_KEY && now()+durations.Timeout < windowEnds {
		if !lease.Covers(durations.Timeout) {
			return nil, unknown, errors.New("too little of the lease was left")
		}
		return send()
	}

	// QUERY_ONLY: never send. "Nothing" counts once no request can be under way any more.
	certain := received - grant.DoubtAge.AsDuration() + durations.Quarantine
	for {
		asked := now()
		found, err := work.Find(reference)
		if found != nil || err != nil {
			return found, unknown, err
		}
		if asked >= certain {
			return nil, api.ReleaseRequest_RUN_NOT_EXECUTED, nil
		}
		if !lease.Sleep(certain - asked) {
			return nil, unknown, errors.New("the lease was lost")
		}
	}
}

// record repeats itself until the outcome is stored, or something else is.
func record(service api.CoordinationServiceClient, key string, token uint64,
	outcome *Outcome) (*Settled, error) {
	answer, _, err := ask(service.RecordResult, &api.RecordResultRequest{
		Key: key, FencingToken: token, Outcome: outcome.Outcome,
		ProviderReference: outcome.Reference, Code: outcome.Code}, 2*time.Minute)
	if err == nil {
		return &Settled{Result: answer.Result}, nil
	}
	var refused *Refused
	if !errors.As(err, &refused) ||
		(refused.reason != "STALE_FENCING_TOKEN" && refused.reason != "RESULT_CONFLICT") {
		return nil, &Unrecorded{outcome}
	}
	// Somebody was quicker. What they stored is the result; what we did is kept beside it, for
	// people.
	stored, _, err := ask(service.CheckResult,
		&api.CheckResultRequest{Key: key, WaitTimeout: durationpb.New(5 * time.Second)}, 30*time.Second)
	if err != nil {
		return nil, &Unsettled{"superseded, and the result is not to be had: " + err.Error()}
	}
	if stored.State != api.CheckResultResponse_COMPLETED {
		return nil, &Unsettled{"superseded, and whoever came after is still at it"}
	}
	return &Settled{Result: stored.Result, Superseded: outcome}, nil
}

// release needs no answer but to be heard: the key lapses by itself, or is somebody else's by
// now.
func release(service api.CoordinationServiceClient, request *api.ReleaseRequest,
	patience time.Duration) {
	_, _, _ = ask(service.Release, request, patience)
}
