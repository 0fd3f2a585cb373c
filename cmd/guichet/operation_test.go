package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/store"
)

// operator is a person at a terminal who types an answer.
func operator(answer string) (surroundings, *bytes.Buffer) {
	var stderr bytes.Buffer
	return surroundings{Stdin: strings.NewReader(answer), Stdout: io.Discard, Stderr: &stderr, Interactive: true}, &stderr
}

func TestAPersonIsToldWhatWillBeDoneAndAskedForAYes(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]error{
		"y\n": nil, "Yes\n": nil, " o \n": nil, "oui": nil, "n\n": errDeclined, "\n": errDeclined, "": errDeclined, "yesterday\n": errDeclined,
	} {
		s, stderr := operator(answer)
		if err := (consent{}).ask(s, "Three mails go out."); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", answer, err, want)
		}
		if got := stderr.String(); got != "Three mails go out.\nGo on? [y/N] " {
			t.Errorf("asked %q", got)
		}
	}
}

func TestWhoSaysYesBeforehandIsNotAsked(t *testing.T) {
	t.Parallel()
	s, stderr := operator("n\n")
	if err := (consent{Yes: true}).ask(s, "Three mails go out."); err != nil || stderr.Len() > 0 {
		t.Errorf("%v, asked %q", err, stderr)
	}
}

func TestWithoutATerminalOnlyTheFlagSaysYes(t *testing.T) {
	t.Parallel()
	s, stderr := operator("y\n")
	s.Interactive = false
	err := (consent{}).ask(s, "Three mails go out.")
	var usage usageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "Three mails go out.") || !strings.Contains(err.Error(), "--yes") || stderr.Len() > 0 {
		t.Errorf("%v, asked %q", err, stderr)
	}
}

func TestATerminalThatBreaksIsNoYes(t *testing.T) {
	t.Parallel()
	s, _ := operator("")
	s.Stdin = broken{}
	if err := (consent{}).ask(s, "Three mails go out."); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

var errBroken = errors.New("the terminal is gone")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestTheRecordNamesWhoDidIt(t *testing.T) {
	t.Parallel()
	if got := (consent{By: "Ops on call"}).who(); got != "Ops on call" {
		t.Errorf("got %q", got)
	}
	if got := (consent{}).who(); !strings.Contains(got, "@") || strings.HasPrefix(got, "@") {
		t.Errorf("got %q", got)
	}
}

// openDatabase is a store on a migrated database of the test's own.
func openDatabase(t *testing.T) *store.Store {
	t.Helper()
	url := pgtest.Database(t)
	if _, _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestAnOperationIsRecordedBeforeItBeginsAndWithItsEnd(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	detail := map[string]string{"since": "72h"}
	failed := errors.New("the stream is away")
	ctx, cancel := context.WithCancel(t.Context())
	for _, work := range []func() (int, error){
		func() (int, error) {
			under, err := db.Operations(t.Context(), "replay", 1)
			if err != nil || len(under) != 1 || under[0].FinishedAt != nil || string(under[0].Detail) != `{"since": "72h"}` {
				t.Errorf("while it runs: %+v (%v)", under, err)
			}
			return 7, nil
		},
		func() (int, error) { return 3, failed },
		func() (int, error) {
			cancel() // Ctrl-C: its end is noted all the same
			return 1, ctx.Err()
		},
	} {
		if _, err := recorded(ctx, db, "replay", consent{By: "Ada"}, detail, work); err != nil && !errors.Is(err, failed) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	done, err := db.Operations(t.Context(), "replay", 10)
	if err != nil || len(done) != 3 {
		t.Fatalf("%+v (%v)", done, err)
	}
	for i, want := range []struct{ result, problem string }{{"1", "context canceled"}, {"3", "the stream is away"}, {"7", ""}} {
		if o := done[i]; o.By != "Ada" || o.FinishedAt == nil || string(o.Result) != want.result || o.Error != want.problem {
			t.Errorf("%+v, want %+v", o, want)
		}
	}
}

func TestNothingIsDoneThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := recorded(ctx, db, "replay", consent{By: "Ada"}, nil, func() (int, error) {
		t.Error("it was done all the same")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
