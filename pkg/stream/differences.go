package stream

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// differences names, field by field, how a stream departs from what is wanted; empty when it does not.
func differences(have, want jetstream.StreamConfig) string {
	var d diff
	d.add("subjects", have.Subjects, want.Subjects)
	d.add("storage", have.Storage, want.Storage)
	d.add("retention", have.Retention, want.Retention)
	d.add("discard", have.Discard, want.Discard)
	d.add("max age", have.MaxAge, want.MaxAge)
	d.add("max bytes", have.MaxBytes, want.MaxBytes)
	d.add("max messages", max(have.MaxMsgs, 0), want.MaxMsgs) // the server writes -1 for no limit
	d.add("max messages per subject", max(have.MaxMsgsPerSubject, 0), want.MaxMsgsPerSubject)
	d.add("max message size", max(have.MaxMsgSize, 0), want.MaxMsgSize)
	d.add("duplicate window", have.Duplicates, want.Duplicates)
	d.add("replicas", have.Replicas, want.Replicas)
	d.add("compression", have.Compression, want.Compression)
	d.add("direct get", have.AllowDirect, want.AllowDirect)
	d.add("atomic publish", have.AllowAtomicPublish, want.AllowAtomicPublish)
	d.add("no ack", have.NoAck, want.NoAck)
	d.add("persist mode", have.PersistMode, want.PersistMode)
	return d.String()
}

func consumerDifferences(have, want jetstream.ConsumerConfig) string {
	var d diff
	d.add("ack policy", have.AckPolicy, want.AckPolicy)
	d.add("ack wait", have.AckWait, want.AckWait)
	d.add("max ack pending", have.MaxAckPending, want.MaxAckPending)
	d.add("max deliver", have.MaxDeliver, want.MaxDeliver)
	d.add("filter", have.FilterSubject+strings.Join(have.FilterSubjects, " "), "")
	d.add("backoff", len(have.BackOff), 0)
	d.add("deliver policy", have.DeliverPolicy, want.DeliverPolicy)
	d.add("replay policy", have.ReplayPolicy, want.ReplayPolicy)
	d.add("rate limit", have.RateLimit, want.RateLimit)
	d.add("headers only", have.HeadersOnly, want.HeadersOnly)
	d.add("inactive threshold", have.InactiveThreshold, want.InactiveThreshold)
	d.add("memory storage", have.MemoryStorage, want.MemoryStorage)
	d.add("max batch", have.MaxRequestBatch, want.MaxRequestBatch)
	d.add("max bytes", have.MaxRequestMaxBytes, want.MaxRequestMaxBytes)
	d.add("max expires", have.MaxRequestExpires, want.MaxRequestExpires)
	return d.String()
}

type diff []string

func (d *diff) add(field string, have, want any) {
	if h, w := fmt.Sprint(have), fmt.Sprint(want); h != w {
		*d = append(*d, fmt.Sprintf("%s %s → %s", field, h, w))
	}
}

func (d diff) String() string { return strings.Join(d, ", ") }
