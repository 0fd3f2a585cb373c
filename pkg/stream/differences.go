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
	d.add("duplicate window", have.Duplicates, want.Duplicates)
	d.add("replicas", have.Replicas, want.Replicas)
	d.add("compression", have.Compression, want.Compression)
	d.add("direct get", have.AllowDirect, want.AllowDirect)
	d.add("atomic publish", have.AllowAtomicPublish, want.AllowAtomicPublish)
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
	return d.String()
}

type diff []string

func (d *diff) add(field string, have, want any) {
	if h, w := fmt.Sprint(have), fmt.Sprint(want); h != w {
		*d = append(*d, fmt.Sprintf("%s %s → %s", field, h, w))
	}
}

func (d diff) String() string { return strings.Join(d, ", ") }
