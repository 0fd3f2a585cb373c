package stream

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/waittest"
)

func testConfig() Config {
	return Config{MaxAge: 24 * time.Hour, MaxBytes: 64 << 20, DuplicateWindow: time.Hour, Replicas: 1}
}

// setUp runs Setup and returns what it did, a word a thing.
func setUp(t *testing.T, js jetstream.JetStream, c Config) ([]Change, string) {
	t.Helper()
	done, err := Setup(t.Context(), js, c)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for i, name := range []string{"stream STRIPE_EVENTS", "stream STRIPE_DEAD_LETTERS", "consumer worker"} {
		if done[i].Name != name {
			t.Errorf("thing %d is %s, want %s", i, done[i].Name, name)
		}
		words = append(words, done[i].What)
	}
	return done, strings.Join(words, " ")
}

func configOf(t *testing.T, js jetstream.JetStream, name string) jetstream.StreamConfig {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

func consumerOf(t *testing.T, js jetstream.JetStream) jetstream.ConsumerConfig {
	t.Helper()
	c, err := js.Consumer(t.Context(), Events, Consumer)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo().Config
}

func publish(t *testing.T, js jetstream.JetStream, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := js.Publish(t.Context(), Subject("charge.refunded"), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitPending waits until the workers' consumer has so many messages before it: the server acknowledges them first.
func awaitPending(t *testing.T, js jetstream.JetStream, n uint64) {
	t.Helper()
	waittest.Until(t, patience, "the server counts what it stored", func() error {
		c, err := js.Consumer(t.Context(), Events, Consumer)
		if err == nil && c.CachedInfo().NumPending != n {
			err = fmt.Errorf("%d messages are pending, want %d", c.CachedInfo().NumPending, n)
		}
		return err
	})
}

func TestSetup_CreatesThenFindsThenChangesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	js := jetStream(t)
	if _, words := setUp(t, js, testConfig()); words != "created created created" {
		t.Errorf("first: %s", words)
	}
	publish(t, js, "{}", "{}")
	awaitPending(t, js, 2)
	before := consumerOf(t, js)
	done, words := setUp(t, js, testConfig())
	if words != "found found found" || done[0].Detail != "2 messages" || done[2].Detail != "2 pending, 0 in work" {
		t.Errorf("second: %s %+v", words, done)
	}
	longer := testConfig()
	longer.MaxAge = 48 * time.Hour
	done, words = setUp(t, js, longer)
	if words != "changed found found" || done[0].Detail != "max age 24h0m0s → 48h0m0s" || configOf(t, js, Events).MaxAge != 48*time.Hour {
		t.Errorf("third: %s %+v", words, done)
	}
	if _, words := setUp(t, js, longer); words != "found found found" {
		t.Errorf("fourth: %s", words)
	}
	if after := consumerOf(t, js); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the consumer was %+v and is %+v", before, after)
	}
}

func TestSetup_MakesTheStreamsThatTheDesignWants(t *testing.T) {
	t.Parallel()
	var c Config
	if err := settings.Load(&c, settings.Source{}); err != nil {
		t.Fatal(err)
	}
	js := jetStream(t)
	setUp(t, js, c)
	got := configOf(t, js, Events)
	if !slices.Equal(got.Subjects, []string{"stripe.events.>"}) || got.Storage != jetstream.FileStorage || got.Retention != jetstream.LimitsPolicy ||
		got.Discard != jetstream.DiscardNew || got.DiscardNewPerSubject || got.NoAck || got.Sealed ||
		got.MaxAge != 35*24*time.Hour || got.MaxBytes != 8<<30 || got.MaxMsgs != -1 || got.MaxMsgsPerSubject != -1 || got.MaxMsgSize != -1 ||
		got.Compression != jetstream.NoCompression || !got.AllowDirect || !got.AllowAtomicPublish || got.Duplicates != 24*time.Hour ||
		got.Replicas != 1 || got.PersistMode != jetstream.DefaultPersistMode {
		t.Errorf("%+v", got)
	}
	got = configOf(t, js, DeadLetters)
	if !slices.Equal(got.Subjects, []string{"stripe.dead.>"}) || got.Storage != jetstream.FileStorage || got.Retention != jetstream.LimitsPolicy ||
		got.Discard != jetstream.DiscardNew || got.MaxAge != 0 || got.MaxBytes != 1<<30 || got.Replicas != 1 {
		t.Errorf("%+v", got)
	}
}

func TestSetup_MakesTheConsumerThatTheDesignWants(t *testing.T) {
	t.Parallel()
	js := jetStream(t)
	setUp(t, js, testConfig())
	got := consumerOf(t, js)
	if got.Durable != "worker" || got.AckPolicy != jetstream.AckExplicitPolicy || got.AckWait != 15*time.Second || got.MaxAckPending != 20_000 ||
		got.MaxDeliver != -1 || len(got.BackOff) != 0 || got.FilterSubject != "" || len(got.FilterSubjects) != 0 ||
		got.DeliverPolicy != jetstream.DeliverAllPolicy || got.InactiveThreshold != 0 || got.MemoryStorage || got.HeadersOnly || got.DeliverSubject != "" {
		t.Errorf("%+v", got)
	}
}

func TestSetup_UndoesWhatWouldRefuseEvents(t *testing.T) {
	t.Parallel()
	js := jetStream(t)
	tampered := EventsConfig(testConfig())
	tampered.Discard, tampered.MaxMsgs, tampered.MaxMsgSize = jetstream.DiscardOld, 10, 1000
	tampered.AllowAtomicPublish, tampered.AllowDirect, tampered.Compression = false, false, jetstream.S2Compression
	tampered.Metadata = map[string]string{"owner": "ops"}
	if _, err := js.CreateStream(t.Context(), tampered); err != nil {
		t.Fatal(err)
	}
	publish(t, js, "{}")
	done, words := setUp(t, js, testConfig())
	if words != "changed created created" {
		t.Errorf("%s", words)
	}
	for _, want := range []string{"discard DiscardOld → DiscardNew", "max messages 10 → 0", "max message size 1000 → 0", "atomic publish false → true", "direct get false → true", "compression S2 → None"} {
		if !strings.Contains(done[0].Detail, want) {
			t.Errorf("%q is not in %q", want, done[0].Detail)
		}
	}
	got := configOf(t, js, Events)
	if got.Discard != jetstream.DiscardNew || got.MaxMsgs != -1 || got.MaxMsgSize != -1 || !got.AllowAtomicPublish || got.Metadata["owner"] != "ops" {
		t.Errorf("%+v", got)
	}
}

func TestSetup_KeepsWhatWasStoredCompressed(t *testing.T) {
	t.Parallel()
	const messages = 3000 // 12 MB: one of the store's blocks of 8 MB is full, and so compressed; all may be on their way at once
	dir := t.TempDir()
	server := startNATS(t, localnats.Options{Dir: dir, Lazy: true})
	conn, _ := connect(t, server.URL())
	js := jetStreamOf(t, conn)
	compressed := EventsConfig(testConfig())
	compressed.MaxBytes, compressed.Compression = 1<<30, jetstream.S2Compression
	if _, err := js.CreateStream(t.Context(), compressed); err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("guichet "), 512)
	for range messages {
		if _, err := js.PublishAsync(Subject("charge.refunded"), body); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	c := testConfig()
	c.MaxBytes = 1 << 30
	if done, words := setUp(t, js, c); words != "changed created created" || !strings.Contains(done[0].Detail, "compression S2 → None") {
		t.Errorf("%s: %+v", words, done)
	}
	conn.Close()
	server.Stop()
	conn, _ = connect(t, startNATS(t, localnats.Options{Dir: dir, Lazy: true}).URL())
	s, err := jetStreamOf(t, conn).Stream(t.Context(), Events)
	if err != nil {
		t.Fatal(err)
	}
	for sequence := uint64(1); sequence <= messages; sequence += 100 {
		m, err := s.GetMsg(t.Context(), sequence)
		if err != nil || !bytes.Equal(m.Data, body) {
			t.Fatalf("message %d: %v", sequence, err)
		}
	}
}

func TestSetup_ChangesTheConsumerBack(t *testing.T) {
	t.Parallel()
	js := jetStream(t)
	setUp(t, js, testConfig())
	tampered := ConsumerConfig()
	tampered.MaxDeliver, tampered.AckWait, tampered.MaxAckPending = 3, time.Minute, 1
	tampered.FilterSubject = Subject("charge.refunded")
	tampered.InactiveThreshold = time.Hour
	if _, err := js.UpdateConsumer(t.Context(), Events, tampered); err != nil {
		t.Fatal(err)
	}
	done, words := setUp(t, js, testConfig())
	if words != "found found changed" {
		t.Errorf("%s", words)
	}
	for _, want := range []string{"max deliver 3 → -1", "ack wait 1m0s → 15s", "max ack pending 1 → 20000", "filter stripe.events.charge.refunded → ", "inactive threshold 1h0m0s → 0s"} {
		if !strings.Contains(done[2].Detail, want) {
			t.Errorf("%q is not in %q", want, done[2].Detail)
		}
	}
	if _, words := setUp(t, js, testConfig()); words != "found found found" {
		t.Errorf("then %s", words)
	}
}

func TestSetup_SaysWhatToDoAboutAConsumerThatMissesEvents(t *testing.T) {
	t.Parallel()
	js := jetStream(t)
	setUp(t, js, testConfig())
	if err := js.DeleteConsumer(t.Context(), Events, Consumer); err != nil {
		t.Fatal(err)
	}
	late := ConsumerConfig()
	late.DeliverPolicy = jetstream.DeliverNewPolicy
	if _, err := js.CreateConsumer(t.Context(), Events, late); err != nil {
		t.Fatal(err)
	}
	_, err := Setup(t.Context(), js, testConfig())
	if err == nil || !strings.Contains(err.Error(), "deliver policy new → all") || !strings.Contains(err.Error(), "delete it and set up again") {
		t.Errorf("%v", err)
	}
}

func TestSetup_RefusesAChangeThatWouldLoseEvents(t *testing.T) {
	t.Parallel()
	memory := EventsConfig(testConfig())
	memory.Storage = jetstream.MemoryStorage
	queue := EventsConfig(testConfig())
	queue.Retention, queue.AllowAtomicPublish = jetstream.WorkQueuePolicy, false
	smaller, younger := testConfig(), testConfig()
	smaller.MaxBytes = 1000
	younger.MaxAge, younger.DuplicateWindow = time.Nanosecond, time.Nanosecond
	for name, test := range map[string]struct {
		have jetstream.StreamConfig
		want Config
		hint string
	}{
		"fewer bytes than it holds":     {EventsConfig(testConfig()), smaller, "raise STREAM_MAX_BYTES"},
		"younger than the oldest is":    {EventsConfig(testConfig()), younger, "raise STREAM_MAX_AGE"},
		"another storage":               {memory, testConfig(), "storage Memory → File"},
		"another retention than limits": {queue, testConfig(), "retention WorkQueue → Limits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := jetStream(t)
			if _, err := js.CreateStream(t.Context(), test.have); err != nil {
				t.Fatal(err)
			}
			publish(t, js, strings.Repeat("x", 2000))
			before := configOf(t, js, Events)
			_, err := Setup(t.Context(), js, test.want)
			if err == nil || !strings.Contains(err.Error(), "stream STRIPE_EVENTS is left as it is") || !strings.Contains(err.Error(), test.hint) {
				t.Errorf("%v", err)
			}
			if after := configOf(t, js, Events); fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("it was %+v and is %+v", before, after)
			}
		})
	}
}

func TestSetup_ShrinksAStreamThatHasRoom(t *testing.T) {
	t.Parallel()
	js := jetStream(t)
	setUp(t, js, testConfig())
	publish(t, js, "{}")
	c := testConfig()
	c.MaxBytes, c.MaxAge = 10<<20, 2*time.Hour
	if _, words := setUp(t, js, c); words != "changed changed found" {
		t.Errorf("%s", words)
	}
	if s, err := js.Stream(t.Context(), Events); err != nil || s.CachedInfo().State.Msgs != 1 {
		t.Errorf("%v", err)
	}
}

func TestSetup_NamesTheRightThatItLacks(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Lazy: true, Adjust: withUsers(map[string][]string{"ingester": {"stripe.events.>"}})})
	conn, _ := connect(t, strings.Replace(s.URL(), "//", "//ingester:ingester@", 1))
	_, err := Setup(t.Context(), jetStreamOf(t, conn), testConfig())
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), `permissions violation for publish to "$js.api.stream.info.stripe_events"`) {
		t.Errorf("%v", err)
	}
}

func TestConfig_RefusesWhatJetStreamWould(t *testing.T) {
	t.Parallel()
	var c Config
	err := settings.Load(&c, settings.Source{Env: map[string]string{
		"STREAM_MAX_AGE": "1h", "STREAM_DUPLICATE_WINDOW": "2h", "STREAM_MAX_BYTES": "-1", "STREAM_REPLICAS": "2",
	}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Fatalf("%v", err)
	}
	if err := (Config{}).Validate(); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v", err)
	}
}
