package store

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/lib/pq"
)

// verified adds sslmode=verify-full to a DATABASE_URL, of either form, that says nothing of TLS and leads to another
// machine: the driver's own default encrypts, but to whoever answers, or not at all. PGSSLMODE says something too.
func verified(databaseURL string) string {
	if os.Getenv("PGSSLMODE") != "" {
		return databaseURL
	}
	mode, host := says(databaseURL)
	if mode || local(host) {
		return databaseURL
	}
	return with(databaseURL, map[string]string{"sslmode": string(pq.SSLModeVerifyFull)})
}

// says returns whether a DATABASE_URL names an sslmode, and its host.
func says(databaseURL string) (mode bool, host string) {
	if u, err := url.Parse(databaseURL); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		host = u.Hostname()
		if given := u.Query().Get("host"); given != "" {
			host = given
		}
		return u.Query().Has("sslmode"), host
	}
	for _, pair := range strings.Fields(databaseURL) {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "sslmode":
			mode = true
		case "host":
			host = strings.Trim(value, "'")
		}
	}
	return mode, host
}

// local says whether a host is this machine: a socket, or a loopback address.
func local(host string) bool {
	if host == "" {
		host = os.Getenv("PGHOST")
	}
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || ip != nil && ip.IsLoopback()
}

// explained adds to an error of connecting what may be meant.
func explained(err error) error {
	if errors.Is(err, pq.ErrSSLNotSupported) {
		return fmt.Errorf("%w; where its network may be trusted, let DATABASE_URL say sslmode=disable", err)
	}
	return err
}
