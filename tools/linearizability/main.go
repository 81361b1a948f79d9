// Judges by linearizability what clients saw of a server: whether for each key there is one order
// of all operations, none of them before it was called or after it was answered, in which every
// answer is right.
//
//	linearizability [--timeout DURATION] DIRECTORY
//
// DIRECTORY is what a run of the crash tests leaves: histories and a dump. The last line is
// `histories=N keys=N operations=N unknown=N violations=N timeouts=N`. Exits with 0 if everything
// is linearizable, 1 if something is not or could not be judged in time, 2 if there is nothing to
// judge.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(arguments []string, out, errors io.Writer) int {
	flags := flag.NewFlagSet("linearizability", flag.ContinueOnError)
	flags.SetOutput(errors)
	patience := flags.Duration("timeout", time.Minute, "how long one key may take")
	if err := flags.Parse(arguments); err != nil {
		return 2
	}
	if flags.NArg() != 1 {
		fmt.Fprintln(errors, "usage: linearizability [--timeout DURATION] DIRECTORY")
		return 2
	}
	directory := flags.Arg(0)
	h, err := readHistory(directory)
	if err != nil {
		fmt.Fprintf(errors, "linearizability: %v\n", err)
		return 2
	}
	v, err := judge(h, directory, *patience, out)
	if err != nil {
		fmt.Fprintf(errors, "linearizability: %v\n", err)
		return 2
	}
	if v.operations == 0 {
		fmt.Fprintln(errors, "linearizability: no call of the histories was answered")
		return 2
	}
	fmt.Fprintf(out, "histories=%d keys=%d operations=%d unknown=%d violations=%d timeouts=%d\n",
		v.histories, v.keys, v.operations, v.unknown, v.violations, v.timeouts)
	if v.violations+v.timeouts > 0 {
		return 1
	}
	return 0
}
