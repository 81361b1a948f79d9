package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// story tells a history, line by line. Times are in milliseconds; calls are on one key, and in one
// file, unless they say otherwise.
type story struct {
	lines map[string][]string // by file
	calls int
	dump  string // the records of the final dump; none if empty
}

func newStory() *story { return &story{lines: map[string][]string{}} }

// Answers that are none.
const (
	lost = ""                           // nothing came
	away = `"status":14,"reason":""`    // the connection broke
	gone = `"status":4,"reason":""`     // the caller waited no longer
	none = -1                           // as the time of an answer that did not come
	key  = `"key":"k"`                  // of all calls
	more = `,"fingerprint":"RkE="`      // a fingerprint
	late = `,"first_sent_at":"2020-01"` // a time long ago
)

// call is written as it is in a history: the fields of the request, and those of the line with the
// answer.
func (s *story) call(sent, end int, rpc, request, answer string) {
	s.callOf("c1", sent, end, rpc, request, answer)
}

func (s *story) callOf(client string, sent, end int, rpc, request, answer string) {
	s.calls++
	if request != "" {
		request = "," + request
	}
	s.write(client, fmt.Sprintf(`{"t":%d,"id":"%s.%d","call":"%s","request":{%s%s}}`, sent*1e6,
		client, s.calls, rpc, key, request))
	if end != none {
		s.write(client, fmt.Sprintf(`{"t":%d,"id":"%s.%d",%s}`, end*1e6, client, s.calls, answer))
	}
}

func (s *story) event(at int, name, fields string) {
	s.write("run", fmt.Sprintf(`{"t":%d,"event":"%s"%s}`, at*1e6, name, fields))
}

func (s *story) write(file, line string) { s.lines[file] = append(s.lines[file], line) }

// acquire asks for a lease of a second. With more than one fragment the request has further fields.
func (s *story) acquire(sent, end int, attempt, answer string, fields ...string) {
	s.call(sent, end, "AcquireLock", fmt.Sprintf(`"attempt_id":"%s","holder_id":"%s",`+
		`"lease_duration":"1s","accept_recover":true%s`, attempt, attempt,
		strings.Join(fields, "")), answer)
}

// mutex asks for a lock with nothing to remember.
func (s *story) mutex(sent, end int, attempt, answer string) {
	s.acquire(sent, end, attempt, answer, `,"on_lapse":"FORGET"`)
}

func (s *story) renew(sent, end, token int, answer string, fields ...string) {
	s.call(sent, end, "RenewLease",
		fmt.Sprintf(`"fencing_token":"%d"%s`, token, strings.Join(fields, "")), answer)
}

// record reports a success with a reference and an empty payload.
func (s *story) record(sent, end, token int, reference, answer string) {
	s.call(sent, end, "RecordResult", fmt.Sprintf(`"fencing_token":"%d","outcome":"SUCCEEDED",`+
		`"provider_reference":"%s"`, token, reference), answer)
}

func (s *story) release(sent, end, token int, effect, answer string) {
	s.call(sent, end, "Release",
		fmt.Sprintf(`"fencing_token":"%d","effect":"%s"`, token, effect), answer)
}

func (s *story) check(sent, end int, answer string, fields ...string) {
	s.call(sent, end, "CheckResult", strings.Join(fields, ""), answer)
}

func (s *story) get(sent, end int, record string) {
	s.call(sent, end, "GetRecord", "", `"reply":{"record":{`+record+`}}`)
}

func (s *story) admin(sent, end int, rpc string, token int, answer string, fields ...string) {
	s.call(sent, end, rpc,
		fmt.Sprintf(`"expected_fencing_token":"%d"%s`, token, strings.Join(fields, "")), answer)
}

// Answers.

func grantOf(token int) string { return grantWith(token, "EXECUTE", 1, "") }

// recovery is the grant with this number in a run.
func recovery(token, number int, previous string, fields ...string) string {
	return grantWith(token, "RECOVER", number,
		fmt.Sprintf(`,"previous_holder_id":"%s"%s`, previous, strings.Join(fields, "")))
}

func replay(token int, mode string) string { return grantWith(token, mode, 1, `,"replayed":true`) }

func grantWith(token int, mode string, number int, fields string) string {
	return fmt.Sprintf(`"reply":{"grant":{"fencing_token":"%d","mode":"%s","attempt_number":%d,`+
		`"lease_remaining":"1s"%s},"server_elapsed":"0s"}`, token, mode, number, fields)
}

func contentionOf(holder string) string {
	return fmt.Sprintf(`"reply":{"contention":{"holder_id":"%s"}}`, holder)
}

func doubtOf(holder string) string {
	return fmt.Sprintf(`"reply":{"contention":{"holder_id":"%s","in_doubt":true}}`, holder)
}

func refusedAs(reason string) string {
	return fmt.Sprintf(`"status":9,"reason":"%s","message":"no"`, reason)
}

func stateOf(state, holder string, number int) string {
	return fmt.Sprintf(`"reply":{"state":"%s","holder_id":"%s","attempt_number":%d}`, state,
		holder, number)
}

const (
	nothing   = `"reply":{}`
	extended  = `"reply":{"lease_remaining":"1s","server_elapsed":"0s"}`
	isAbsent  = `"reply":{"state":"ABSENT"}`
	isInDoubt = `"reply":{"state":"IN_DOUBT"}`
)

func resultOf(token int, reference string, fields ...string) string {
	return fmt.Sprintf(`{"outcome":"SUCCEEDED","provider_reference":"%s","payload_digest":"%s",`+
		`"fencing_token":"%d"%s}`, reference, digest(nil), token, strings.Join(fields, ""))
}

func recordedAs(token int, reference string, fields ...string) string {
	return fmt.Sprintf(`"reply":{"result":%s%s}`, resultOf(token, reference), strings.Join(fields, ""))
}

// recordOf is a record with the fields that follow from its state, of a first grant.
func recordOf(state string, token int, holder string, fields ...string) string {
	return fmt.Sprintf(`"key":"k","state":"%s","fencing_token":"%d","holder_id":"%s",`+
		`"attempt_id":"%s","attempt_number":1,"mode":"EXECUTE"%s`, state, token, holder,
		holder, strings.Join(fields, ""))
}

const absentRecord = `"key":"k","state":"ABSENT"`

// told writes the story down as a run does.
func (s *story) told(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, lines := range s.lines {
		write(file+".history", strings.Join(lines, "\n")+"\n")
	}
	if s.dump != "" {
		write("dump.json", fmt.Sprintf(`{"begin":%d,"records":[{%s}],"end":%d}`, int64(1e11),
			s.dump, int64(2e11)))
	}
	return directory
}

// judged is the exit code and what was printed.
func (s *story) judged(t *testing.T) (int, string) {
	t.Helper()
	var out bytes.Buffer
	status := run([]string{s.told(t)}, &out, &out)
	return status, out.String()
}
