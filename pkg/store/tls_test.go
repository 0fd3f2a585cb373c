package store_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/tlstest"
)

func TestADatabaseOnAnotherMachineIsVerifiedUnlessItsURLSaysOtherwise(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"postgres://u:p@db.example.org/guichet":                           "postgres://u:p@db.example.org/guichet?sslmode=verify-full",
		"postgres://u:p@db.example.org/guichet?options=-csearch_path%3Dx": "postgres://u:p@db.example.org/guichet?options=-csearch_path%3Dx&sslmode=verify-full",
		"postgres://u:p@10.0.0.7:5433/guichet":                            "postgres://u:p@10.0.0.7:5433/guichet?sslmode=verify-full",
		"postgres:///guichet?host=db.example.org":                         "postgres:///guichet?host=db.example.org&sslmode=verify-full",
		"postgres://u:p@db.example.org/guichet?sslmode=disable":           "postgres://u:p@db.example.org/guichet?sslmode=disable",
		"postgres://u:p@db.example.org/guichet?sslmode=require":           "postgres://u:p@db.example.org/guichet?sslmode=require",
		"postgres://u:p@127.0.0.1/guichet":                                "postgres://u:p@127.0.0.1/guichet",
		"postgres://u:p@[::1]:5432/guichet":                               "postgres://u:p@[::1]:5432/guichet",
		"postgres://u:p@localhost/guichet":                                "postgres://u:p@localhost/guichet",
		"postgres:///guichet?host=/var/run/postgresql":                    "postgres:///guichet?host=/var/run/postgresql",
		"host=db.example.org user=u password=p dbname=guichet":            "host=db.example.org user=u password=p dbname=guichet sslmode='verify-full'",
		"host='db.example.org' user=u":                                    "host='db.example.org' user=u sslmode='verify-full'",
		"host=db.example.org user=u sslmode=verify-ca":                    "host=db.example.org user=u sslmode=verify-ca",
		"host=/var/run/postgresql user=u":                                 "host=/var/run/postgresql user=u",
	} {
		if got := store.Verified(given); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", given, got, want)
		}
	}
}

func TestADatabaseIsReachedByTLSOnlyWithACertificateThatHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	front, authority := tlsFront(t, f.url, "127.0.0.1")
	elsewhere, _ := tlsFront(t, f.url, "127.0.0.1") // of another authority
	misnamed, misnamedAuthority := tlsFront(t, f.url, "db.example.org")
	open := func(host, root string) error {
		u, err := url.Parse(f.url)
		if err != nil {
			t.Fatal(err)
		}
		u.Host, u.RawQuery = host, url.Values{"sslmode": {"verify-full"}, "sslrootcert": {root}}.Encode()
		s, err := store.Open(t.Context(), u.String(), store.Options{})
		if err == nil {
			_ = s.Close()
		}
		return err
	}
	if err := open(front, authority); err != nil {
		t.Errorf("a certificate that holds: %v", err)
	}
	for name, c := range map[string]struct{ host, root string }{
		"another authority":        {elsewhere, authority},
		"another machine's name":   {misnamed, misnamedAuthority},
		"the system's authorities": {front, "system"},
	} {
		if err := open(c.host, c.root); err == nil || !strings.Contains(err.Error(), "x509") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADatabaseWithoutTLSIsExplained(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	plain, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	plain.RawQuery = "sslmode=verify-full"
	if _, err := store.Open(t.Context(), plain.String(), store.Options{}); err == nil || !strings.Contains(err.Error(), "sslmode=disable") {
		t.Errorf("open: %v", err)
	}
	if _, _, err := store.Migrate(t.Context(), plain.String()); err == nil || !strings.Contains(err.Error(), "sslmode=disable") {
		t.Errorf("migrate: %v", err)
	}
}

// tlsFront speaks TLS before a database, as PostgreSQL does, with a certificate for a name. It returns its address
// and a file with the authority of its certificate.
func tlsFront(t *testing.T, databaseURL, name string) (address, authority string) {
	t.Helper()
	certificate, root := tlstest.SelfSigned(t, name)
	authority = filepath.Join(t.TempDir(), "root.crt")
	if err := os.WriteFile(authority, root, 0o600); err != nil {
		t.Fatal(err)
	}
	network, server := serverOf(t, databaseURL)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(open.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer func() { _ = client.Close() }()
				if _, err := io.ReadFull(client, make([]byte, 8)); err != nil { // SSLRequest
					return
				}
				if _, err := client.Write([]byte("S")); err != nil {
					return
				}
				private := tls.Server(client, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
				if private.Handshake() != nil {
					return
				}
				behind, err := net.Dial(network, server)
				if err != nil {
					t.Error(err)
					return
				}
				open.Go(func() {
					_, _ = io.Copy(behind, private)
					_ = behind.Close()
				})
				_, _ = io.Copy(private, behind)
			})
		}
	})
	return listener.Addr().String(), authority
}
