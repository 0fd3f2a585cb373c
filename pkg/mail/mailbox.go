package mail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Mailbox is a folder that gets each mail as a file, in the place of an SMTP server. Only its owner can
// read it: mails name people.
type Mailbox struct{ dir string }

// NewMailbox makes the folder where it is missing.
func NewMailbox(dir string) (*Mailbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	return &Mailbox{dir: dir}, nil
}

// Path is the file that a message becomes: the same for each try.
func (b *Mailbox) Path(m *Message) string {
	return filepath.Join(b.dir, m.ID+"-"+string(m.Kind)+".eml")
}

// Send writes the message's file whole or not at all; a second Send of the same message replaces it.
func (b *Mailbox) Send(ctx context.Context, m *Message) error {
	if err := ctx.Err(); err != nil {
		return stopped(err)
	}
	if err := b.write(m); err != nil {
		return &Failure{Class: Temporary, Step: StepFile, Reason: "mailbox: " + err.Error()}
	}
	return nil
}

func (b *Mailbox) write(m *Message) (err error) {
	file, err := os.CreateTemp(b.dir, ".incoming-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if _, err := file.Write(m.content); err != nil {
		_ = file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), b.Path(m))
}

// Close does nothing: files need no end.
func (b *Mailbox) Close() error { return nil }
