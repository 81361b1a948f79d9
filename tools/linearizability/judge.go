package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// verdict counts what was judged.
type verdict struct {
	histories, keys, operations, unknown, violations, timeouts int
}

// judge puts one key after the other through Porcupine, and writes to `out` what is wrong. A
// picture of every violation goes into the directory.
func judge(h *history, directory string, patience time.Duration, out io.Writer) (verdict, error) {
	v := verdict{histories: h.files}
	for _, key := range partition(h) {
		v.keys++
		v.operations += len(key.operations)
		v.unknown += len(key.open.calls)
		switch porcupine.CheckOperationsTimeout(model(), key.porcupine(), patience) {
		case porcupine.Unknown:
			v.timeouts++
			fmt.Fprintf(out, "TIMEOUT %s: not judged within %s: %d operations, %d without an answer\n",
				key.name, patience, len(key.operations), len(key.open.calls))
		case porcupine.Illegal:
			v.violations++
			path := filepath.Join(directory, fmt.Sprintf("violation-%d.html", v.violations))
			if err := key.explain(path, patience, out); err != nil {
				return v, err
			}
		}
		key.operations = nil // and all that they remember
	}
	return v, nil
}

// porcupine is the history in Porcupine's form. Calls without an answer are part of the model.
func (key *keyHistory) porcupine() []porcupine.Operation {
	var operations []porcupine.Operation
	var busyUntil []int64 // rows of a picture, in which operations do not overlap
	all := key.operations
	sort.SliceStable(all, func(i, j int) bool { return all[i].from < all[j].from })
	for _, o := range all {
		row := 0
		for row < len(busyUntil) && busyUntil[row] >= o.from {
			row++
		}
		if row == len(busyUntil) {
			busyUntil = append(busyUntil, 0)
		}
		busyUntil[row] = o.to
		operations = append(operations, porcupine.Operation{ClientId: row, Input: o, Call: o.from,
			Output: o.answer, Return: o.to})
	}
	return operations
}

// explain shows where the history of a key cannot go on.
func (key *keyHistory) explain(path string, patience time.Duration, out io.Writer) error {
	_, info := porcupine.CheckOperationsVerbose(model(), key.porcupine(), patience)
	var longest []*operation
	for _, part := range info.PartialLinearizationsOperations()[0] {
		if len(part) > len(longest) {
			longest = longest[:0]
			for _, o := range part {
				longest = append(longest, o.Input.(*operation))
			}
		}
	}
	key.printWindow(longest, out)
	var annotations []porcupine.Annotation
	for _, c := range key.open.calls {
		annotations = append(annotations, porcupine.Annotation{Tag: "without an answer",
			Start: c.sent, End: key.lastSeen(c), Description: describe(c), Details: c.id})
	}
	info.AddAnnotations(annotations)
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := porcupine.Visualize(model(), info, file); err != nil {
		return err
	}
	fmt.Fprintf(out, "    picture: %s\n", path)
	return file.Close()
}

const contextBefore = 8 // operations that are shown before the one that does not fit

// printWindow prints the operations around the first that does not fit behind those that do, in
// order of time.
func (key *keyHistory) printWindow(fitting []*operation, out io.Writer) {
	fits := make(map[*operation]bool)
	for _, o := range fitting {
		fits[o] = true
	}
	var stuck *operation
	for _, o := range key.operations {
		if !fits[o] && (stuck == nil || o.to < stuck.to) {
			stuck = o
		}
	}
	begin := stuck.from
	for i := len(fitting) - 1; i >= 0 && i >= len(fitting)-contextBefore; i-- {
		if fitting[i].from < begin {
			begin = fitting[i].from
		}
	}
	fmt.Fprintf(out, "violation: S4 %s: no order of its operations explains %s of %s\n", key.name,
		stuck.call.rpc, stuck.call.id)
	fmt.Fprintf(out, "    before it the key is %s\n", key.situationAfter(fitting))
	for _, line := range key.window(begin, stuck, fits) {
		fmt.Fprintf(out, "    %s\n", line)
	}
}

// window describes what was under way between `begin` and the end of the operation that does not
// fit; that one is marked `!!`, what Porcupine could not place either `! `, and calls without an
// answer `? `.
func (key *keyHistory) window(begin int64, stuck *operation, fits map[*operation]bool) []string {
	type entry struct {
		at   int64
		text string
	}
	var entries []entry
	add := func(mark string, from, to int64, what, id string) {
		entries = append(entries, entry{from, fmt.Sprintf("%s %10.3f %s ms  %s  (%s)", mark,
			millis(from-begin), ending(to, begin), what, id)})
	}
	for _, o := range key.operations {
		if o.to < begin || o.from > stuck.to {
			continue
		}
		mark := "  "
		if o == stuck {
			mark = "!!"
		} else if !fits[o] {
			mark = "! "
		}
		add(mark, o.from, o.to, o.String(), o.call.id)
	}
	for _, c := range key.open.calls {
		if c.sent <= stuck.to && c.until >= begin {
			add("? ", c.sent, c.until, describe(c), c.id)
		}
	}
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].at < entries[j].at })
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.text)
	}
	return lines
}

// situationAfter says what the key may be after these operations in this order.
func (key *keyHistory) situationAfter(order []*operation) string {
	m := model()
	state := m.Init()
	for _, o := range order {
		_, state = m.Step(state, o, o.answer)
	}
	return m.DescribeState(state)
}

// lastSeen is when a call without an answer is over, as far as a picture of the operations is
// concerned.
func (key *keyHistory) lastSeen(c *call) int64 {
	last := c.sent
	for _, o := range key.operations {
		last = later(last, o.to)
	}
	if c.until < last {
		return c.until
	}
	return last
}

func millis(nanoseconds int64) float64 { return float64(nanoseconds) / 1e6 }

func ending(to, begin int64) string {
	if to == forever {
		return "to        end"
	}
	return fmt.Sprintf("to %10.3f", millis(to-begin))
}
