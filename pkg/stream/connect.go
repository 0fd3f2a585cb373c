package stream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// Connect opens a connection that survives outages, for a service: it is returned even while no server
// answers, comes good by itself, and fails a publish at once rather than keep it for later, when its caller
// has long been told that it failed. Its inbox prefix is "_INBOX_" and the user that the URL names (else
// name), as least-privilege permissions need. Callers ask IsConnected for readiness.
func Connect(servers, name string, log *zap.Logger, more ...nats.Option) (*nats.Conn, error) {
	unreached := &lastReason{}
	options := []nats.Option{
		nats.Name("guichet " + name),
		nats.CustomInboxPrefix("_INBOX_" + user(servers, name)),
		nats.ReconnectBufSize(-1),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 250*time.Millisecond),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.Timeout(3 * time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Error("NATS reported an error", zap.Error(err)) // a refused permission is told here only
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil is our own end of it
				log.Warn("NATS connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { unreached.tell(log, err) }),
		nats.ReconnectHandler(func(*nats.Conn) {
			unreached.forget()
			log.Info("NATS connection restored")
		}),
	}
	conn, err := nats.Connect(servers, append(options, more...)...)
	var parse *url.Error
	if errors.As(err, &parse) { // its text repeats the password
		return nil, errors.New("NATS_URL is not a URL such as nats://user:password@host:4222; special characters of a password must be percent-encoded")
	}
	if err == nil && !conn.IsConnected() {
		log.Warn("NATS is not reached yet, it is tried again and again", zap.Strings("servers", conn.Servers()), zap.Error(conn.LastError()))
	}
	return conn, err
}

// lastReason is why NATS is not reached. It is told when it is another than before, not at each try.
type lastReason struct {
	mu   sync.Mutex
	last string
}

func (r *lastReason) tell(log *zap.Logger, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := err.Error(); text != r.last {
		r.last = text
		log.Warn("NATS is not reached", zap.Error(err))
	}
}

func (r *lastReason) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = ""
}

// Dial connects as Connect does, for a command that cannot go on without: it tries until ctx ends, and then
// says what it did not reach. A refusal of the user is final.
func Dial(ctx context.Context, servers, name string, log *zap.Logger) (*nats.Conn, error) {
	for {
		conn, err := Connect(servers, name, log, nats.RetryOnFailedConnect(false))
		if err == nil {
			return conn, nil
		}
		refused := errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired)
		if !refused && pause(ctx, dialPause) {
			continue
		}
		return nil, fmt.Errorf("reach NATS at %s: %w", hosts(servers), err)
	}
}

const dialPause = 250 * time.Millisecond

// pause waits, and says whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// hosts is a list of servers without users and passwords.
func hosts(servers string) string {
	var out []string
	for server := range strings.SplitSeq(servers, ",") {
		host := server[strings.LastIndexAny(server, "@/")+1:]
		out = append(out, strings.TrimSpace(host))
	}
	return strings.Join(out, ", ")
}

// user is the user of the first server. One without a password is a token, which is a secret.
func user(servers, fallback string) string {
	first, _, _ := strings.Cut(servers, ",")
	u, err := url.Parse(strings.TrimSpace(first))
	if err != nil || u.User == nil {
		return fallback
	}
	if _, ok := u.User.Password(); !ok || u.User.Username() == "" {
		return fallback
	}
	return u.User.Username()
}
