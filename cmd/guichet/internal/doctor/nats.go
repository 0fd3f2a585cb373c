package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream"
)

// fullAt is from what part of its limit on a stream is told to be filling up.
const fullAt = 0.8

func (d *doctor) nats(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := stream.Dial(bounded, d.worker.NATS.URL, "operator", d.Log)
	if err != nil {
		d.fail("NATS", "check NATS_URL, and that the server runs and lets this machine in", "%v", err)
		return
	}
	defer conn.Close()
	d.ok("NATS", "nats-server %s answers", conn.ConnectedServerVersion())
	if takes, needs := conn.MaxPayload(), d.ingest.MaxBodyBytes+stream.MaxHeaderBytes; takes < needs {
		d.warn("NATS payload", "set max_payload of nats-server to 2MB", "it takes messages of %d bytes, and the largest webhook needs %d", takes, needs)
	} else {
		d.ok("NATS payload", "it takes messages of %d bytes", takes)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		d.fail("JetStream", "check that jetstream is enabled in nats-server's configuration", "%v", err)
		return
	}
	d.account(ctx, js)
	d.streams(ctx, js)
	d.synced(ctx)
}

// account looks at what JetStream allows in all.
func (d *doctor) account(ctx context.Context, js jetstream.JetStream) {
	const check = "JetStream"
	ctx, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	info, err := js.AccountInfo(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrPermissionViolation):
		d.warn(check, "give the operator $JS.API.INFO, as deploy/nats/users.conf does", "this user may not see its limits")
		return
	case err != nil:
		d.fail(check, "check that jetstream is enabled in nats-server's configuration", "%v", err)
		return
	}
	needs := d.stream.MaxBytes + stream.DeadLettersConfig(d.stream).MaxBytes
	if limit := info.Limits.MaxStore; limit >= 0 && limit < needs {
		d.warn(check, "raise the limit, or lower STREAM_MAX_BYTES", "it may store %d bytes, and the streams up to %d", limit, needs)
		return
	}
	d.ok(check, "%d bytes stored in %d streams", info.Store, info.Streams)
}

// streams compares streams and consumer with the design.
func (d *doctor) streams(ctx context.Context, js jetstream.JetStream) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	states, err := stream.Check(ctx, js, d.stream)
	for _, s := range states {
		switch {
		case s.Missing:
			d.fail(s.Name, "run `guichet setup`", "it is not there")
		case s.Differs != "":
			d.fail(s.Name, "run `guichet setup`, with the STREAM_… settings that are meant", "it is not as designed: %s", s.Differs)
		case s.MaxBytes > 0 && float64(s.Bytes) > fullAt*float64(s.MaxBytes):
			d.warn(s.Name, "raise STREAM_MAX_BYTES and run `guichet setup`, before events are refused", "it holds %d of %d bytes", s.Bytes, s.MaxBytes)
		default:
			d.ok(s.Name, "as designed")
		}
	}
	if err != nil {
		d.fail("streams", "check the rights of NATS_URL's user", "%v", err)
	}
}

// synced asks nats-server's monitoring whether each write is on disk before it is acknowledged.
func (d *doctor) synced(ctx context.Context) {
	const check = "JetStream sync"
	const do = "set jetstream { sync_interval: always } in nats-server's configuration"
	if d.Monitor == "" {
		d.warn(check, "name nats-server's monitoring with --monitor http://host:8222, to have it checked", "whether every write is synced cannot be seen from here")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	always, err := syncsAlways(ctx, d.Monitor)
	switch {
	case err != nil:
		d.warn(check, "check --monitor, and that nats-server's configuration has http: 8222", "%v", err)
	case !always:
		d.fail(check, do, "what is acknowledged is not on disk yet, and lost with the power")
	default:
		d.ok(check, "every write is synced before it is acknowledged")
	}
}

func syncsAlways(ctx context.Context, monitor string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(monitor, "/")+"/jsz?config=true", nil)
	if err != nil {
		return false, fmt.Errorf("ask nats-server's monitoring: %w", err)
	}
	response, err := client().Do(request)
	if err != nil {
		return false, fmt.Errorf("ask nats-server's monitoring: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var said struct {
		Config *struct {
			Always bool `json:"sync_always"`
		} `json:"config"`
	}
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil || said.Config == nil {
		return false, errors.New("ask nats-server's monitoring: the answer is not its own")
	}
	return said.Config.Always, nil
}

// client asks once, and follows nowhere.
func client() *http.Client {
	return &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
