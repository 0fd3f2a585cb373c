package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/store"
)

// consent is the flag of every command that changes something.
type consent struct {
	Yes bool   `short:"y" help:"Do not ask."`
	By  string `help:"Who does this, for the record; else the user and host that run it." placeholder:"NAME"`
}

// errDeclined is that a person said no.
var errDeclined = errors.New("nothing was changed")

// ask says what will be done and waits for a yes; without a terminal it takes --yes alone.
func (c consent) ask(s surroundings, what string) error {
	if c.Yes {
		return nil
	}
	if !s.Interactive {
		return usageError{fmt.Errorf("%s\nThis asks on a terminal, and there is none: say --yes", what)}
	}
	_, _ = fmt.Fprintf(s.Stderr, "%s\nGo on? [y/N] ", what)
	answer, err := bufio.NewReader(s.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "o", "oui":
		return nil
	}
	return errDeclined
}

// who is who runs the command.
func (c consent) who() string {
	if c.By != "" {
		return c.By
	}
	name := "somebody"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// noteTimeout bounds the note of how an operation ended, which is made even when the command is interrupted.
const noteTimeout = 5 * time.Second

// recorded does something that changes data, with a row in operations that says who did it, with what and how it
// ended; a row without an end is of one that was cut off. Detail and result hold no personal data.
func recorded[R any](ctx context.Context, db *store.Store, command string, c consent, detail any, work func() (R, error)) (R, error) {
	var result R
	id, err := db.BeginOperation(ctx, command, c.who(), detail)
	if err != nil {
		return result, err
	}
	result, err = work()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	return result, errors.Join(err, db.FinishOperation(ctx, id, result, err))
}
