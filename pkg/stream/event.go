package stream

import (
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/educareschool/guichet/pkg/stripeevent"
)

// MaxHeaderBytes is the most that the headers of a stored event take: its fields at their longest, with their names.
const MaxHeaderBytes = 4 << 10

// Event is an event of Stripe's as it is stored: its exact body, and in the headers what its envelope says.
type Event struct {
	stripeevent.Envelope
	Body        []byte
	ReceivedAt  string // in TimeFormat
	Traceparent string
}

// Message returns what is published. It is a new one at each call: an atomic batch writes headers into its
// messages that a single publish of the same event must not carry.
func (e Event) Message() *nats.Msg {
	header := nats.Header{
		HeaderMsgID:       {e.ID},
		HeaderEventID:     {e.ID},
		HeaderEventType:   {e.Type},
		HeaderLivemode:    {strconv.FormatBool(e.Livemode)},
		HeaderReceivedAt:  {e.ReceivedAt},
		HeaderTraceparent: {e.Traceparent},
	}
	for name, value := range map[string]string{
		HeaderCreated:    e.Created,
		HeaderAPIVersion: e.APIVersion,
		HeaderAccount:    e.Account,
	} {
		if value != "" {
			header[name] = []string{value}
		}
	}
	return &nats.Msg{Subject: Subject(e.Type), Header: header, Data: e.Body}
}
