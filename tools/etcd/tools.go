//go:build tools

// Package tools names the program that is pinned here, so that `go mod tidy` keeps it.
package tools

import _ "go.etcd.io/etcd/server/v3"
