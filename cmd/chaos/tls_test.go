//go:build linux

package chaos

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/tlstest"
)

// authority is a certificate for this machine that is its own authority, as files.
type authority struct {
	certificate, key string
	pair             tls.Certificate
}

func newAuthority(t testing.TB, dir, name string) authority {
	t.Helper()
	pair, certificate := tlstest.SelfSigned(t, "localhost", "127.0.0.1")
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"), pair}
	for path, content := range map[string][]byte{a.certificate: certificate, a.key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// encrypt has a PostgreSQL speak TLS with a certificate.
func (p *postgres) encrypt(t testing.TB, with authority) {
	t.Helper()
	data := p.server.DataDir()
	owner, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"server.crt": with.certificate, "server.key": with.key} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(data, name)
		if err := os.WriteFile(to, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if who := owner.Sys().(*syscall.Stat_t); os.Geteuid() == 0 {
			if err := os.Chown(to, int(who.Uid), int(who.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	db := sqlx.MustConnect("postgres", p.url("postgres", p.clean))
	defer func() { _ = db.Close() }()
	db.MustExec(`ALTER SYSTEM SET ssl = on`)
	db.MustExec(`SELECT pg_reload_conf()`)
	verified := strings.Replace(p.url("postgres", p.clean), "sslmode=disable", "sslmode=require", 1)
	eventually(t, "PostgreSQL speaks TLS", func() error {
		encrypted, err := sqlx.Connect("postgres", verified)
		if err == nil {
			_ = encrypted.Close()
		}
		return err
	})
}

func TestEverythingIsEncryptedAndOnlyATrustedCertificateIsBelieved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trusted, foreign := newAuthority(t, dir, "trusted"), newAuthority(t, dir, "foreign")

	n := &natsServer{address: freeAddress(t)}
	config := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("listen: %s\nmax_payload: 2MB\njetstream { store_dir: %q, sync_interval: always }\ntls { cert_file: %q, key_file: %q }\n",
		n.address, filepath.Join(dir, "nats"), trusted.certificate, trusted.key)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.program = newProgram(t, dir, "nats", "nats-server", nil, "-c", config)
	n.start()
	n.match(`Server is ready`)
	database := newPostgres(t, shape{})
	database.encrypt(t, trusted)
	mails := newMailServer(t, &tls.Config{Certificates: []tls.Certificate{trusted.pair}, MinVersion: tls.VersionTLS12})

	env := func(believes authority) []string {
		return []string{
			"SSL_CERT_FILE=" + believes.certificate, "SSL_CERT_DIR=" + filepath.Join(dir, "none"), "NATS_URL=tls://" + n.address,
			"DATABASE_URL=" + strings.Replace(database.url("guichet", database.clean), "sslmode=disable", "sslmode=verify-full", 1),
			"STRIPE_WEBHOOK_SECRET=" + newSecret, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "ACTION_REQUIRED_DELAY=0s",
			"SMTP_URL=smtp://" + mails.address + "?tls=required", "MAIL_FROM=tickets@example.org", "ADMIN_EMAIL=admin@example.org",
		}
	}
	setup := newProgram(t, dir, "setup", "guichet", env(trusted), "setup")
	setup.start()
	if code := setup.code(); code != 0 {
		t.Fatalf("guichet setup ended with %d: %s", code, setup.output())
	}
	in := &ingester{service: service{program: newProgram(t, dir, "ingester", "ingester", env(trusted))}}
	in.start()
	in.open()
	w := newProgram(t, dir, "worker", "worker", env(trusted))
	w.start()
	db := sqlx.MustConnect("postgres", database.url("guichet", database.clean))
	defer func() { _ = db.Close() }()
	db.MustExec(`INSERT INTO events (id, title) VALUES ('e', 'Gala')`)
	db.MustExec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'e', 'ada@participants.example.org')`)
	paid := simulate.New(mathrand.New(mathrand.NewPCG(1, 1)), time.Now).Payment("reg-1").Completed()
	eventually(t, "a payment is accepted", func() error {
		status, answer, err := simulate.Post(t.Context(), &http.Client{Timeout: patience}, in.door, newSecret, paid)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("answered %d %s", status, answer)
		}
		return err
	})
	eventually(t, "its mail goes out encrypted", func() error {
		if len(mails.counts()) == 0 {
			return fmt.Errorf("no mail yet")
		}
		return nil
	})
	if clear := mails.inTheClear(); clear > 0 {
		t.Errorf("%d mails came in the clear", clear)
	}

	// Whoever believes another authority speaks to none of them.
	for _, name := range []string{"ingester", "worker"} {
		p := newProgram(t, dir, name+"-foreign", name, env(foreign))
		p.start()
		p.match(`(certificate signed by unknown authority)`)
		if name == "ingester" {
			stranger := &ingester{service: service{program: p}}
			if ready(t.Context(), stranger.admin()) == nil {
				t.Error("an ingester that must not believe NATS is ready")
			}
		}
		p.terminate()
	}
}
