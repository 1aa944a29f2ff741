//go:build tools

// Package minio names the object store that tests run against, so that go.mod
// and go.sum pin it with all that it is made of.
package minio

import _ "github.com/minio/minio"
