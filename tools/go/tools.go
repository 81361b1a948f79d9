//go:build tools

// Package tools names the programs that are pinned here, so that `go mod tidy` keeps them.
package tools

import _ "github.com/fullstorydev/grpcurl/cmd/grpcurl"
