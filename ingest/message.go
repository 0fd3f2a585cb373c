package ingest

import (
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/educareschool/guichet/pkg/stream"
)

// maxHeaderFields is the most that the headers of a message take: its fields at their longest, with their names.
const maxHeaderFields = 4 << 10

// message returns the event as it is stored. It is a new one at each call: an atomic batch writes headers into
// its messages that a single publish of the same event must not carry.
func (e event) message() *nats.Msg {
	header := nats.Header{
		stream.HeaderMsgID:       {e.id},
		stream.HeaderEventID:     {e.id},
		stream.HeaderEventType:   {e.kind},
		stream.HeaderLivemode:    {strconv.FormatBool(e.livemode)},
		stream.HeaderReceivedAt:  {e.receivedAt},
		stream.HeaderTraceparent: {e.traceparent},
	}
	for name, value := range map[string]string{
		stream.HeaderCreated:    e.created,
		stream.HeaderAPIVersion: e.apiVersion,
		stream.HeaderAccount:    e.account,
	} {
		if value != "" {
			header[name] = []string{value}
		}
	}
	return &nats.Msg{Subject: stream.Subject(e.kind), Header: header, Data: e.body}
}
