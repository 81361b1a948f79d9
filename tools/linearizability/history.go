package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
)

const forever = math.MaxInt64

// call is one call of a history: sent once, and answered, refused, or of unknown outcome. Times
// are in nanoseconds of the monotonic clock.
type call struct {
	id      string
	client  string // whose history it is in
	rpc     string
	request request
	sent    int64
	end     int64  // when its answer came; forever if none did
	until   int64  // when at the latest it took effect, if it did and was not answered
	reply   *reply // nil unless answered OK
	status  int
	reason  string
}

// line is one line of a history: a call, an answer, or an event of the run.
type line struct {
	T       int64   `json:"t"`
	ID      string  `json:"id"`
	Call    string  `json:"call"`
	Request request `json:"request"`
	Reply   *reply  `json:"reply"`
	Status  int     `json:"status"`
	Reason  string  `json:"reason"`
	Event   string  `json:"event"`
	Name    string  `json:"name"`
}

type dump struct {
	Begin   int64         `json:"begin"`
	Records []shownRecord `json:"records"`
	End     int64         `json:"end"`
}

// history is all that a run wrote down.
type history struct {
	files  int
	calls  []*call // by when they were sent
	events []line  // by time
	// several servers share a store: what one has decided takes effect a while later, if it does
	shared bool
}

// readHistory reads the files *.history of a directory, and dump.json if there is one: its records
// become a call that was answered with them.
func readHistory(directory string) (*history, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*.history"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there are no histories in %s", directory)
	}
	h := &history{files: len(paths)}
	for _, path := range paths {
		if err := h.readFile(path); err != nil {
			return nil, err
		}
	}
	if err := h.readDump(filepath.Join(directory, "dump.json")); err != nil {
		return nil, err
	}
	sort.SliceStable(h.calls, func(i, j int) bool { return h.calls[i].sent < h.calls[j].sent })
	sort.SliceStable(h.events, func(i, j int) bool { return h.events[i].T < h.events[j].T })
	h.boundUnanswered()
	return h, nil
}

func (h *history) readFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	client := name[:len(name)-len(filepath.Ext(name))]
	calls := make(map[string]*call)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for number := 1; lines.Scan(); number++ {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			if !lines.Scan() {
				break // cut off: its writer was killed
			}
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
		switch {
		case l.Event != "":
			h.events = append(h.events, l)
		case l.Call != "":
			l.Request.report = reportOf(&l.Request)
			c := &call{id: l.ID, client: client, rpc: l.Call, request: l.Request, sent: l.T,
				end: forever}
			calls[l.ID] = c
			h.calls = append(h.calls, c)
		case calls[l.ID] == nil:
			return fmt.Errorf("%s:%d answers a call that was not sent", path, number)
		default:
			c := calls[l.ID]
			c.end, c.reply, c.status, c.reason = l.T, l.Reply, l.Status, l.Reason
		}
	}
	return lines.Err()
}

func (h *history) readDump(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var d dump
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	h.calls = append(h.calls, &call{id: "dump", client: "dump", rpc: "ListRecords", sent: d.Begin,
		end: d.End, reply: &reply{Records: d.Records}})
	return nil
}

// boundUnanswered says until when a call without an answer may act: it is with the server that was
// alive when its caller stopped waiting or was killed, and gone with it.
func (h *history) boundUnanswered() {
	gone := make(map[string]int64) // when a killed client was surely dead
	var kills []int64
	dying := ""
	for _, event := range h.events {
		switch event.Event {
		case "killed":
			kills = append(kills, event.T)
		case "client_kill":
			dying = event.Name
		case "shared_store":
			h.shared = true
		case "client_start":
			if dying != "" {
				gone[dying], dying = event.T, ""
			}
		}
	}
	for _, c := range h.calls {
		c.until = c.end
		if at, killed := gone[c.client]; killed && c.end == forever {
			c.until = at
		}
		next := sort.Search(len(kills), func(i int) bool { return kills[i] >= c.until })
		if c.until = forever; next < len(kills) {
			c.until = kills[next]
		}
	}
}

// What became of a call.
type outcome int

const (
	irrelevant outcome = iota // it did nothing, and says nothing of a key
	answered
	unknown // it may have acted
)

// gRPC statuses with which the service, if it gives a reason, has refused a call.
const (
	invalidArgument    = 3
	notFound           = 5
	failedPrecondition = 9
	aborted            = 10 // its retry took its place
)

func (c *call) outcome() outcome {
	refused := c.reply == nil && c.reason != ""
	switch {
	case c.reply != nil, refused && (c.status == notFound || c.status == failedPrecondition):
		return answered
	case refused && (c.status == invalidArgument || c.status == aborted):
		return irrelevant
	}
	switch c.rpc {
	case "AcquireLock", "RenewLease", "RecordResult", "Release", "ResolveOutcome", "ForceRelease",
		"DeleteRecord":
		return unknown
	}
	return irrelevant
}
