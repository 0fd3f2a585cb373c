package stream

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// Connect opens a connection that survives outages: it is returned even while no server answers, comes
// good by itself, and fails a publish at once rather than keep it for later, when its caller has long
// been told that it failed. Its inbox prefix is "_INBOX_" and the user that the URL names (else name), as least-privilege
// permissions need. Callers ask IsConnected for readiness.
func Connect(servers, name string, log *zap.Logger, more ...nats.Option) (*nats.Conn, error) {
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
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("NATS connection lost", zap.Error(err)) }),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("NATS connection restored") }),
	}
	nc, err := nats.Connect(servers, append(options, more...)...)
	var parse *url.Error
	if errors.As(err, &parse) { // its text repeats the password
		return nil, errors.New("NATS_URL is not a URL such as nats://user:password@host:4222; special characters of a password must be percent-encoded")
	}
	return nc, err
}

func user(servers, fallback string) string {
	first, _, _ := strings.Cut(servers, ",")
	if u, err := url.Parse(strings.TrimSpace(first)); err == nil && u.User != nil && u.User.Username() != "" {
		return u.User.Username()
	}
	return fallback
}
