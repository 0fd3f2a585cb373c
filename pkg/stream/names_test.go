package stream

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestSubject_KeepsStripesTypesAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, eventType := range []string{"charge.refunded", "checkout.session.async_payment_failed", "v1.billing.meter.no_meter_found", "ping"} {
		if got := Subject(eventType); got != "stripe.events."+eventType {
			t.Errorf("%s is stored under %s", eventType, got)
		}
		if got := DeadSubject(Subject(eventType)); got != "stripe.dead."+eventType {
			t.Errorf("%s is dead under %s", eventType, got)
		}
	}
}

// hostile are types that no Stripe sends, and a NATS subject cannot hold as they are.
func hostile() map[string]string {
	return map[string]string{
		"":                         "_",
		".":                        "_._",
		"charge..refunded":         "charge._.refunded",
		".charge.":                 "_.charge._",
		"*":                        "_",
		">":                        "_",
		"charge.>":                 "charge._",
		"charge.*.x":               "charge._.x",
		"a b\tc\r\nPUB x 1":        "a_b_c__PUB_x_1",
		"nul\x00del\x7f":           "nul_del_",
		"payé.✅":                   "payé.✅",
		"\xff":                     "\uFFFD",
		"$JS.API.STREAM.DELETE.x":  "$JS.API.STREAM.DELETE.x",
		strings.Repeat("long", 60): strings.Repeat("long", 60),
	}
}

func TestSubject_MakesAnyTypeASubjectOfTheStream(t *testing.T) {
	t.Parallel()
	js := jetStream(t)
	if _, err := Setup(t.Context(), js, testConfig()); err != nil {
		t.Fatal(err)
	}
	for eventType, want := range hostile() {
		subject := Subject(eventType)
		if subject != "stripe.events."+want {
			t.Errorf("%q is stored under %q", eventType, subject)
		}
		for stream, subject := range map[string]string{Events: subject, DeadLetters: DeadSubject(subject)} {
			if ack, err := js.Publish(t.Context(), subject, []byte("{}"), jetstream.WithExpectStream(stream)); err != nil || ack.Stream != stream {
				t.Errorf("%q: %v", subject, err)
			}
		}
	}
}

func FuzzSubject(f *testing.F) {
	for eventType := range hostile() {
		f.Add(eventType)
	}
	f.Fuzz(func(t *testing.T, eventType string) {
		rest, ok := strings.CutPrefix(Subject(eventType), "stripe.events.")
		if !ok || strings.ContainsAny(rest, " \t\r\n\f\v\x00*>") {
			t.Errorf("%q is stored under %q", eventType, Subject(eventType))
		}
		for token := range strings.SplitSeq(rest, ".") {
			if token == "" {
				t.Errorf("%q is stored under %q", eventType, Subject(eventType))
			}
		}
	})
}
