package mail

import "context"

// Sender hands messages over. An error is a *Failure; nil means that the message is out of our hands. The
// context bounds the whole attempt: a lease on the mail must outlast it.
type Sender interface {
	Send(ctx context.Context, m *Message) error
	// Close ends what Send keeps open; a Send after it fails.
	Close() error
}
