// Charges an order once, through a provider that speaks HTTP.
//
//	pay [-timeout D] [-lease D] [-window D] [-quarantine D] LATCHKEY PROVIDER ORDER AMOUNT
//
// Exit code 0: the order has its final outcome. 1: not yet, come again. 2: refused. 3: it was
// charged or declined, and Latchkey could not be told; what is printed is the only copy.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	api "latchkey-example/latchkeyv1"
)

// Provider takes our reference as its idempotency key.
type Provider struct {
	url    string
	client http.Client
}

func (p *Provider) charge(amount, reference string) (*Outcome, error) {
	body, _ := json.Marshal(map[string]string{"amount": amount})
	return p.call(http.MethodPost, "/charges", reference, body)
}

func (p *Provider) find(reference string) (*Outcome, error) {
	return p.call(http.MethodGet, "/charges/"+reference, reference, nil)
}

func (p *Provider) call(method, path, reference string, body []byte) (*Outcome, error) {
	request, err := http.NewRequest(method, p.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Idempotency-Key", reference)
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound && method == http.MethodGet {
		return nil, nil
	}
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusPaymentRequired {
		return nil, fmt.Errorf("the provider: %s", answer.Status)
	}
	var said struct{ ID, Code string }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusPaymentRequired {
		return &Outcome{Outcome: api.Result_REJECTED, Code: said.Code}, nil
	}
	return &Outcome{Outcome: api.Result_SUCCEEDED, Reference: said.ID}, nil
}

// fingerprintOf says what the work is. It is keyed, so that nobody who reads records can guess
// amounts from it; a real key comes from where secrets are kept.
func fingerprintOf(order, amount string) []byte {
	digest := hmac.New(sha256.New, []byte("a secret of this service"))
	digest.Write([]byte(order + "\x00" + amount))
	return digest.Sum(nil)
}

// newAttempt names one attempt: in memory only, the same on every retry.
func newAttempt() string {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes)
}

func words(outcome api.Result_Outcome, reference, code string) string {
	return outcome.String() + " " + reference + code
}

func main() {
	var durations Durations
	flag.DurationVar(&durations.Timeout, "timeout", 10*time.Second, "of a call to the provider")
	flag.DurationVar(&durations.Lease, "lease", 30*time.Second, "how long a holder may be silent")
	flag.DurationVar(&durations.Window, "window", 24*time.Hour, "how long the provider deduplicates")
	flag.DurationVar(&durations.Quarantine, "quarantine", 2*time.Minute, "how long a request may act")
	flag.Parse()
	if flag.NArg() != 4 {
		fmt.Fprintln(os.Stderr, "usage: pay [FLAG...] LATCHKEY PROVIDER ORDER AMOUNT; see pay -help")
		os.Exit(2)
	}
	os.Exit(pay(durations, flag.Arg(0), flag.Arg(1), flag.Arg(2), flag.Arg(3)))
}

func pay(durations Durations, latchkey, url, order, amount string) int {
	// Without the parameters a client of a server that was down for long takes minutes to see it
	// again.
	connection, err := grpc.Dial(latchkey, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{
			BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
		}, MinConnectTimeout: time.Second}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer connection.Close()
	// A connection of its own for each request: on one that is kept, Go's client repeats a request
	// with an Idempotency-Key by itself, which is right only where the provider deduplicates.
	provider := &Provider{url, http.Client{Timeout: durations.Timeout,
		Transport: &http.Transport{DisableKeepAlives: true}}}
	host, _ := os.Hostname()

	settled, err := Once(api.NewCoordinationServiceClient(connection), &api.AcquireLockRequest{
		Key: "order:" + order, AttemptId: newAttempt(),
		HolderId:    fmt.Sprintf("%s:%d", host, os.Getpid()),
		Fingerprint: fingerprintOf(order, amount),
	}, durations, Work{
		Send: func(reference string) (*Outcome, error) { return provider.charge(amount, reference) },
		Find: provider.find,
	})
	var refused *Refused
	var unrecorded *Unrecorded
	if errors.As(err, &refused) {
		fmt.Println("REFUSED", refused)
		return 2
	} else if errors.As(err, &unrecorded) {
		ours := unrecorded.outcome
		fmt.Println("UNRECORDED", words(ours.Outcome, ours.Reference, ours.Code))
		return 3
	} else if err != nil {
		fmt.Println("UNSETTLED", err)
		return 1
	}
	result := settled.Result
	fmt.Println(words(result.Outcome, result.ProviderReference, result.Code))
	if ours := settled.Superseded; ours != nil {
		fmt.Fprintln(os.Stderr, "superseded; this call:",
			words(ours.Outcome, ours.Reference, ours.Code))
	}
	return 0
}
