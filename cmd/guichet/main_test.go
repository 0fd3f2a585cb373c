package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/settings"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

type result struct {
	code           int
	stdout, stderr string
}

// guichet runs a command line in an environment of its own, in a folder without a dev.env.
func guichet(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	return guichetIn(t.Context(), t.TempDir(), env, args...)
}

func guichetIn(ctx context.Context, data string, env map[string]string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(ctx, append(args, "--data", data), surroundings{
		Stdout: &stdout, Stderr: &stderr, Settings: settings.Source{Env: env},
	})
	return result{code, stdout.String(), stderr.String()}
}

// guichetAsked runs a command at a terminal where a person answers.
func guichetAsked(t *testing.T, env map[string]string, answer string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append(args, "--data", t.TempDir()), surroundings{
		Stdin: strings.NewReader(answer), Stdout: &stdout, Stderr: &stderr, Interactive: true, Settings: settings.Source{Env: env},
	})
	return result{code, stdout.String(), stderr.String()}
}
