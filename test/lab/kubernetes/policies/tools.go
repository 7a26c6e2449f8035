//go:build tools

// Package tools names the program that is built as its module has it, so that go.mod keeps what it needs.
package tools

import (
	_ "sigs.k8s.io/kube-network-policies/cmd"
)
