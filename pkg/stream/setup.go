package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Config is what may be chosen about the streams; the rest is fixed by the design.
type Config struct {
	MaxAge          time.Duration `env:"STREAM_MAX_AGE" envDefault:"840h" help:"how long events are kept; longer than the 30 days in which Stripe can resend one"`
	MaxBytes        int64         `env:"STREAM_MAX_BYTES" envDefault:"8589934592" help:"bytes the event stream may hold; when full, Stripe is told to retry and nothing is dropped"`
	DuplicateWindow time.Duration `env:"STREAM_DUPLICATE_WINDOW" envDefault:"24h" help:"how long JetStream itself remembers event ids"`
	Replicas        int           `env:"STREAM_REPLICAS" envDefault:"1" help:"1, or 3 on a cluster"`
}

// Validate refuses values that JetStream would, in words of the settings.
func (c Config) Validate() error {
	var problems []error
	if c.MaxAge <= 0 {
		problems = append(problems, errors.New("STREAM_MAX_AGE must be positive"))
	}
	if c.MaxBytes <= 0 {
		problems = append(problems, errors.New("STREAM_MAX_BYTES must be positive: the stream's limit is explicit"))
	}
	if c.DuplicateWindow <= 0 || c.DuplicateWindow > c.MaxAge {
		problems = append(problems, errors.New("STREAM_DUPLICATE_WINDOW must be positive and at most STREAM_MAX_AGE"))
	}
	if c.Replicas != 1 && c.Replicas != 3 {
		problems = append(problems, errors.New("STREAM_REPLICAS must be 1 or 3"))
	}
	return errors.Join(problems...)
}

// ConsumerConfig is the worker's durable pull consumer. Dead-lettering is the worker's decision, so
// deliveries are unlimited, and delays are the worker's too, so there is no server BackOff.
func ConsumerConfig() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       Consumer,
		Description:   "Settles registrations; shared by all workers",
		AckPolicy:     jetstream.AckExplicitPolicy,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait:       15 * time.Second,
		MaxAckPending: 20_000,
		MaxDeliver:    -1,
	}
}

// EventsConfig is the stream of raw events: full means refused, never dropped. Neither stream is compressed: verify reads a
// tenth faster, and nats-server 2.15.2 at times cannot read the last block of a compressed one after a kill ("smb.truncate:
// error reading compression reader").
func EventsConfig(c Config) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               Events,
		Description:        "Stripe events, byte for byte as they were signed",
		Subjects:           []string{SubjectPrefix + ">"},
		Storage:            jetstream.FileStorage,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		MaxAge:             c.MaxAge,
		MaxBytes:           c.MaxBytes,
		Duplicates:         c.DuplicateWindow,
		Replicas:           c.Replicas,
		AllowDirect:        true,
		AllowAtomicPublish: true,
	}
}

// DeadLettersConfig is the stream of events that no worker could use. They never expire: a person decides.
func DeadLettersConfig(c Config) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        DeadLetters,
		Description: "Events that could not be settled, with the reason",
		Subjects:    []string{DeadSubjectPrefix + ">"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    max(c.MaxBytes/8, 1<<20),
		Duplicates:  c.DuplicateWindow,
		Replicas:    c.Replicas,
		AllowDirect: true,
	}
}

// Change says what Setup did about one thing: "created", "changed" or "found".
type Change struct {
	What   string `json:"what"`
	Name   string `json:"name"`
	Detail string `json:"detail,omitempty"`
}

// Setup makes the streams and the consumer what they must be. It is idempotent, and refuses a change
// that would lose stored events.
func Setup(ctx context.Context, js jetstream.JetStream, c Config) ([]Change, error) {
	var done []Change
	for _, step := range []func(context.Context) (Change, error){
		func(ctx context.Context) (Change, error) { return setupStream(ctx, js, EventsConfig(c)) },
		func(ctx context.Context) (Change, error) { return setupStream(ctx, js, DeadLettersConfig(c)) },
		func(ctx context.Context) (Change, error) { return setupConsumer(ctx, js) },
	} {
		change, err := patiently(ctx, step)
		if err != nil {
			return done, err
		}
		done = append(done, change)
	}
	return done, nil
}

const (
	// clusterPatience is how long each step of Setup waits for a cluster that is starting, tryTime how long one try
	// takes, and tryPause what separates two.
	clusterPatience = 10 * time.Second
	tryTime         = 2 * time.Second
	tryPause        = 100 * time.Millisecond
)

// patiently takes a step, which is idempotent, again while the servers are starting.
func patiently(ctx context.Context, step func(context.Context) (Change, error)) (Change, error) {
	began := time.Now()
	for {
		try, cancel := context.WithTimeout(ctx, tryTime)
		change, err := step(try)
		cancel()
		if err == nil || !starting(err) || time.Since(began) > clusterPatience {
			return change, err
		}
		select {
		case <-ctx.Done():
			return change, err
		case <-time.After(tryPause):
		}
	}
}

// starting says that servers of a cluster may not be together yet: until one leads them none answers, and until that one
// has heard from all it finds no place for copies.
func starting(err error) bool {
	const noPeers, notAvailable jetstream.ErrorCode = 10005, 10008
	var refused *jetstream.APIError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &refused) && (refused.ErrorCode == noPeers || refused.ErrorCode == notAvailable)
}

func setupStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (Change, error) {
	name := "stream " + want.Name
	existing, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if _, err := js.CreateStream(ctx, want); err != nil {
			return Change{}, fmt.Errorf("create %s: %w", name, reason(js, err))
		}
		return Change{"created", name, ""}, nil
	}
	if err != nil {
		return Change{}, fmt.Errorf("look up %s: %w", name, reason(js, err))
	}
	info := existing.CachedInfo()
	detail := differences(info.Config, want)
	if detail == "" {
		return Change{"found", name, fmt.Sprintf("%d messages", info.State.Msgs)}, nil
	}
	if err := wouldLose(info, want, time.Now()); err != nil {
		return Change{}, fmt.Errorf("%s is left as it is: %w", name, err)
	}
	want.Metadata, want.Placement = info.Config.Metadata, info.Config.Placement
	if _, err := js.UpdateStream(ctx, want); err != nil {
		return Change{}, fmt.Errorf("change %s (%s): %w", name, detail, reason(js, err))
	}
	return Change{"changed", name, detail}, nil
}

// wouldLose returns why changing a stream to what is wanted would drop messages that it holds.
func wouldLose(have *jetstream.StreamInfo, want jetstream.StreamConfig, now time.Time) error {
	state := have.State
	switch {
	case have.Config.Storage != want.Storage || have.Config.Retention != want.Retention || have.Config.PersistMode != want.PersistMode:
		return fmt.Errorf("only a new stream can change its storage, retention or persist mode (%s); move its messages first", differences(have.Config, want))
	case state.Bytes > uint64(max(want.MaxBytes, 0)):
		return fmt.Errorf("it holds %d bytes, more than the %d wanted; raise STREAM_MAX_BYTES", state.Bytes, want.MaxBytes)
	case want.MaxAge > 0 && state.Msgs > 0 && now.Sub(state.FirstTime) > want.MaxAge:
		return fmt.Errorf("its oldest message, of %s, is older than the %s wanted; raise STREAM_MAX_AGE",
			state.FirstTime.UTC().Format(time.RFC3339), want.MaxAge)
	}
	return nil
}

func setupConsumer(ctx context.Context, js jetstream.JetStream) (Change, error) {
	name := "consumer " + Consumer
	want := ConsumerConfig()
	existing, err := js.Consumer(ctx, Events, Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if _, err := js.CreateConsumer(ctx, Events, want); err != nil {
			return Change{}, fmt.Errorf("create %s: %w", name, reason(js, err))
		}
		return Change{"created", name, ""}, nil
	}
	if err != nil {
		return Change{}, fmt.Errorf("look up %s: %w", name, reason(js, err))
	}
	info := existing.CachedInfo()
	detail := consumerDifferences(info.Config, want)
	if detail == "" {
		return Change{"found", name, fmt.Sprintf("%d pending, %d in work", info.NumPending, info.NumAckPending)}, nil
	}
	want.Metadata, want.PauseUntil = info.Config.Metadata, info.Config.PauseUntil
	_, err = js.UpdateConsumer(ctx, Events, want)
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		return Change{}, fmt.Errorf("change %s (%s): %w; delete it and set up again: every event is then delivered once more, which changes nothing", name, detail, err)
	}
	if err != nil {
		return Change{}, fmt.Errorf("change %s (%s): %w", name, detail, reason(js, err))
	}
	return Change{"changed", name, detail}, nil
}

// reason returns why a request to JetStream got no answer: the server tells of a refused permission apart.
func reason(js jetstream.JetStream, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if last := js.Conn().LastError(); errors.Is(last, nats.ErrPermissionViolation) {
		return last
	}
	return fmt.Errorf("JetStream does not answer (a cluster needs most of its servers): %w", err)
}
