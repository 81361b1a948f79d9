package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

func lastLine(printed string) string {
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	return lines[len(lines)-1]
}

func TestCountsWhatItJudged(t *testing.T) {
	s := newStory()
	s.acquire(0, 1, "a", grantOf(1))
	s.release(10, none, 1, "NOT_EXECUTED", lost)
	s.check(20, 30, away)
	s.event(40, "faults_end", "")
	s.dump = `"namespace":"default","key":"k","state":"ABSENT"},{"namespace":"other",` + absentRecord
	_, printed := s.judged(t)
	want := "histories=2 keys=2 operations=3 unknown=1 violations=0 timeouts=0"
	if lastLine(printed) != want {
		t.Errorf("%s\nwant %s", printed, want)
	}
}

func TestShowsAViolationInOrderOfTimeAndAsAPicture(t *testing.T) {
	s := newStory()
	s.acquire(0, 1, "a", grantOf(1))
	s.renew(10, none, 1, lost)
	s.check(20, 21, isAbsent)
	status, printed := s.judged(t)
	if status != 1 || !strings.HasSuffix(lastLine(printed), "violations=1 timeouts=0") {
		t.Error(printed)
	}
	order := regexp.MustCompile(`(?s)violation: S4 default/k: .*CheckResult of c1\.3.*` +
		`the key is HELD token 1 .*AcquireLock a -> grant token 1.*\? .*RenewLease token 1.*` +
		`!! .*CheckResult -> state ABSENT`)
	if !order.MatchString(printed) {
		t.Error(printed)
	}
	path := regexp.MustCompile(`picture: (\S+\.html)`).FindStringSubmatch(printed)
	if path == nil {
		t.Fatal(printed)
	}
	picture, err := os.ReadFile(path[1])
	if err != nil || !bytes.Contains(picture, []byte("without an answer")) {
		t.Errorf("%v: no picture of the unanswered call", err)
	}
}

// Nothing explains the last read, and to know that every order of what went before has to be tried.
func TestRunningOutOfTimeIsAFailure(t *testing.T) {
	s := newStory()
	s.acquire(0, 1, "a", grantOf(1))
	for i := 0; i < 30; i++ {
		s.renew(10, 20, 1, extended, fmt.Sprintf(`,"checkpoint":"%d"`, i))
	}
	s.get(30, 31, recordOf("HELD", 1, "a", `,"checkpoint":"never saved"`))
	var out bytes.Buffer
	status := run([]string{"--timeout=50ms", s.told(t)}, &out, &out)
	if status != 1 || !strings.Contains(out.String(), "TIMEOUT default/k: ") ||
		!strings.HasSuffix(lastLine(out.String()), "timeouts=1") {
		t.Error(out.String())
	}
}

func TestRefusesWhatItCannotJudge(t *testing.T) {
	silent := newStory()
	silent.acquire(0, none, "a", lost)
	broken := newStory()
	broken.write("c1", "not JSON")
	broken.acquire(0, 1, "a", grantOf(1))
	stray := newStory()
	stray.write("c1", `{"t":1,"id":"c1.1","reply":{}}`)
	for name, arguments := range map[string][]string{
		"no directory":       {},
		"nothing there":      {t.TempDir()},
		"nothing answered":   {silent.told(t)},
		"a line of no JSON":  {broken.told(t)},
		"an answer too many": {stray.told(t)},
	} {
		var out bytes.Buffer
		if status := run(arguments, &out, &out); status != 2 || out.Len() == 0 {
			t.Errorf("%s: exit code %d: %s", name, status, out.String())
		}
	}
}
