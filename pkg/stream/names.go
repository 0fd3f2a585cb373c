// Package stream holds what the programs share about JetStream: the names, the headers, how to connect,
// and what the streams and the consumer must look like.
package stream

import "strings"

// Streams, consumer and subjects.
const (
	Events            = "STRIPE_EVENTS"
	DeadLetters       = "STRIPE_DEAD_LETTERS"
	Consumer          = "worker"
	SubjectPrefix     = "stripe.events." // of stored events
	DeadSubjectPrefix = "stripe.dead."   // of dead letters
)

// Headers of a stored event. nats.Header is case-sensitive.
const (
	HeaderMsgID       = "Nats-Msg-Id"
	HeaderEventID     = "Stripe-Event-Id"
	HeaderEventType   = "Stripe-Event-Type"
	HeaderCreated     = "Stripe-Event-Created" // as Stripe wrote it: Unix seconds, or RFC 3339 in a v2 event
	HeaderAPIVersion  = "Stripe-Api-Version"
	HeaderLivemode    = "Stripe-Livemode"
	HeaderAccount     = "Stripe-Account" // Connect events only
	HeaderReceivedAt  = "Received-At"    // RFC 3339, milliseconds
	HeaderTraceparent = "traceparent"
)

// Headers that a dead letter has beside the event's own, all with one prefix.
const (
	HeaderDeadPrefix     = "Dead-Letter-"
	HeaderDeadReason     = HeaderDeadPrefix + "Reason"
	HeaderDeadSequence   = HeaderDeadPrefix + "Stream-Sequence"
	HeaderDeadDeliveries = HeaderDeadPrefix + "Deliveries"
	HeaderDeadAt         = HeaderDeadPrefix + "At"
)

// TimeFormat is the form of every time in a header. time.RFC3339 reads it, milliseconds included, and does so three times as fast.
const TimeFormat = "2006-01-02T15:04:05.000Z07:00"

// Subject is the subject under which an event of this type is stored.
func Subject(eventType string) string { return SubjectPrefix + Token(eventType) }

// DeadSubject is the subject under which the dead letter of an event stored under subject is stored.
func DeadSubject(subject string) string {
	return DeadSubjectPrefix + strings.TrimPrefix(subject, SubjectPrefix)
}

// Token keeps a type's dots and replaces what a NATS subject may not hold, so that any signed type can be stored.
func Token(eventType string) string {
	safe := strings.Map(func(r rune) rune {
		if r <= ' ' || r == '*' || r == '>' || r == 0x7f {
			return '_'
		}
		return r
	}, eventType)
	parts := strings.Split(safe, ".")
	for i, p := range parts {
		if p == "" {
			parts[i] = "_"
		}
	}
	return strings.Join(parts, ".")
}
