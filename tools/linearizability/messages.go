package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// Requests, replies and records as the histories have them: Protobuf's JSON form, in which a field
// that has its default value is left out. Each holds the fields of all calls that the model looks
// at; those that a call does not have stay empty.

type request struct {
	Namespace         string   `json:"namespace"`
	Key               string   `json:"key"`
	AttemptID         string   `json:"attempt_id"`
	HolderID          string   `json:"holder_id"`
	Fingerprint       string   `json:"fingerprint"`
	LeaseDuration     duration `json:"lease_duration"`
	WaitTimeout       duration `json:"wait_timeout"`
	OnLapse           string   `json:"on_lapse"`
	AcceptRecover     bool     `json:"accept_recover"`
	FirstSentAt       string   `json:"first_sent_at"`
	FencingToken      uint64   `json:"fencing_token,string"`
	ExpectedToken     uint64   `json:"expected_fencing_token,string"`
	EffectStarted     bool     `json:"effect_started"`
	Checkpoint        *string  `json:"checkpoint"`
	Effect            string   `json:"effect"`
	Outcome           string   `json:"outcome"`
	Code              string   `json:"code"`
	ProviderReference string   `json:"provider_reference"`
	ContentType       string   `json:"content_type"`
	Payload           []byte   `json:"payload"`

	report result // what it reports, if it does
}

type reply struct {
	Grant           *grant          `json:"grant"`
	Completed       *completed      `json:"completed"`
	Contention      *contention     `json:"contention"`
	ServerElapsed   duration        `json:"server_elapsed"`
	LeaseRemaining  duration        `json:"lease_remaining"`
	State           string          `json:"state"`
	HolderID        string          `json:"holder_id"`
	AttemptNumber   int             `json:"attempt_number"`
	AlreadyRecorded bool            `json:"already_recorded"`
	Result          *recordedResult `json:"result"`
	Record          *shownRecord    `json:"record"`
	Records         []shownRecord   `json:"records"`
}

type grant struct {
	FencingToken     uint64   `json:"fencing_token,string"`
	Mode             string   `json:"mode"`
	AttemptNumber    int      `json:"attempt_number"`
	LeaseRemaining   duration `json:"lease_remaining"`
	Checkpoint       string   `json:"checkpoint"`
	PreviousHolderID string   `json:"previous_holder_id"`
	Replayed         bool     `json:"replayed"`
}

type completed struct {
	Result recordedResult `json:"result"`
}

type contention struct {
	HolderID string `json:"holder_id"`
	InDoubt  bool   `json:"in_doubt"`
}

type shownRecord struct {
	Namespace     string          `json:"namespace"`
	Key           string          `json:"key"`
	State         string          `json:"state"`
	FencingToken  uint64          `json:"fencing_token,string"`
	HolderID      string          `json:"holder_id"`
	AttemptID     string          `json:"attempt_id"`
	AttemptNumber int             `json:"attempt_number"`
	Mode          string          `json:"mode"`
	EffectStarted bool            `json:"effect_started"`
	Checkpoint    string          `json:"checkpoint"`
	Result        *recordedResult `json:"result"`
}

type recordedResult struct {
	Outcome           string `json:"outcome"`
	Code              string `json:"code"`
	ProviderReference string `json:"provider_reference"`
	ContentType       string `json:"content_type"`
	Payload           []byte `json:"payload"`
	PayloadDigest     string `json:"payload_digest"`
	FencingToken      uint64 `json:"fencing_token,string"`
	Late              bool   `json:"late"`
	BodyOmitted       bool   `json:"body_omitted"`
	BodyExpired       bool   `json:"body_expired"`
}

// duration is in nanoseconds; in JSON it is a text such as "0.250s".
type duration int64

func (d *duration) UnmarshalJSON(text []byte) error {
	var written string
	if err := json.Unmarshal(text, &written); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(written)
	*d = duration(parsed)
	return err
}

func digest(payload []byte) string {
	sum := sha256.Sum256(payload)
	return base64.StdEncoding.EncodeToString(sum[:])
}
