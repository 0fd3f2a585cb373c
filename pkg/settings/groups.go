package settings

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Production is the value of GUICHET_ENV that turns off everything meant for development.
const Production = "production"

// Logging is how a program logs and where it runs.
type Logging struct {
	Level       string `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	Format      string `env:"LOG_FORMAT" envDefault:"json" help:"json, or console for people"`
	Environment string `env:"GUICHET_ENV" envDefault:"development" help:"production refuses to run without a webhook secret and ignores test-mode events"`
}

// Validate names the values that are none of the known ones.
func (l Logging) Validate() error {
	return errors.Join(
		oneOf("LOG_LEVEL", l.Level, "debug", "info", "warn", "error"),
		oneOf("LOG_FORMAT", l.Format, "json", "console"),
		oneOf("GUICHET_ENV", l.Environment, "development", Production),
	)
}

// NATS is how to reach JetStream.
type NATS struct {
	URL string `env:"NATS_URL" envDefault:"nats://127.0.0.1:4222" secret:"true" help:"NATS servers, separated by commas; may hold user and password"`
}

// Validate refuses what the client would, without repeating it.
func (n NATS) Validate() error {
	for server := range strings.SplitSeq(n.URL, ",") {
		if server = strings.TrimSpace(server); !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		if !isURL(server, "nats", "tls", "ws", "wss") {
			return errors.New("NATS_URL is not a URL such as nats://user:password@host:4222; special characters of a password must be percent-encoded")
		}
	}
	return nil
}

// Database is how to reach PostgreSQL.
type Database struct {
	URL string `env:"DATABASE_URL,required" secret:"true" help:"postgres://user:password@host:port/database; options=-csearch_path=… picks a schema"`
}

// Validate refuses what the driver would, without repeating it; PostgreSQL's form of key=value is fine too.
func (d Database) Validate() error {
	key, _, found := strings.Cut(d.URL, "=")
	pairs := found && !strings.Contains(key, "/")
	if d.URL == "" || pairs || isURL(d.URL, "postgres", "postgresql") {
		return nil
	}
	return errors.New("DATABASE_URL is not a URL such as postgres://user:password@host:5432/database; special characters of a password must be percent-encoded")
}

func isURL(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return err == nil && slices.Contains(schemes, u.Scheme)
}

func oneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is %q: it must be one of %q", name, value, allowed)
}
