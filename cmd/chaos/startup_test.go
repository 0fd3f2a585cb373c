//go:build linux

package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// In which order things are started does not matter: who comes too early waits, is not ready, and comes good.
func TestServicesComeGoodWhateverIsStartedFirst(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"services postgres nats setup", "services nats postgres setup", "nats postgres setup services"} {
		t.Run(strings.ReplaceAll(order, " ", ", "), func(t *testing.T) {
			t.Parallel()
			startInOrder(t, strings.Fields(order))
		})
	}
}

func startInOrder(t *testing.T, order []string) {
	dir := t.TempDir()
	k := &stack{t: t, dir: dir, nats: newNATS(t, dir, shape{}), postgres: newPostgres(t, shape{}), mails: newMailServer(t, nil)}
	// Now that addresses and passwords are known, all ends again.
	k.nats[0].kill()
	if err := k.postgres.server.Stop(); err != nil {
		t.Fatal(err)
	}
	inAdmin, wAdmin := freeAddress(t), freeAddress(t)
	var in *ingester
	notReady := func(when string) {
		for _, admin := range []string{inAdmin, wAdmin} {
			if in != nil && ready(t.Context(), admin) == nil {
				t.Errorf("%s is ready %s", admin, when)
			}
		}
	}
	for _, what := range order {
		notReady("before " + what)
		switch what {
		case "services":
			in = &ingester{service: service{program: newProgram(t, dir, "ingester", "ingester", []string{
				"NATS_URL=" + k.natsURL(nil), "STRIPE_WEBHOOK_SECRET=" + newSecret, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=" + inAdmin,
			})}}
			in.start()
			in.open()
			w := newProgram(t, dir, "worker", "worker", []string{
				"NATS_URL=" + k.natsURL(nil), "DATABASE_URL=" + k.postgres.url("guichet", k.postgres.clean), "ADMIN_ADDR=" + wAdmin,
			})
			w.start()
			eventually(t, "the worker's admin port answers", func() error {
				if err := ready(t.Context(), wAdmin); err != nil && !strings.Contains(err.Error(), "not ready") {
					return err
				}
				return nil
			})
		case "nats":
			k.nats[0].start()
			k.nats[0].match(`Server is ready`)
		case "postgres":
			if err := k.postgres.start(); err != nil {
				t.Fatal(err)
			}
		case "setup":
			k.setUp(shape{})
		}
	}
	for _, admin := range []string{inAdmin, wAdmin} {
		eventually(t, admin+" is ready", func() error { return ready(t.Context(), admin) })
	}
	status, answer, err := simulate.Post(t.Context(), &http.Client{Timeout: patience}, in.door, newSecret,
		simulate.New(rand.New(rand.NewPCG(1, 1)), time.Now).Unrelated("customer.created"))
	if err != nil || status != http.StatusOK {
		t.Errorf("an event was answered %d %s (%v)", status, answer, err)
	}
	eventually(t, "it is processed", func() error {
		consumer, err := k.jetStream().Consumer(t.Context(), "STRIPE_EVENTS", "worker")
		if err != nil {
			return err
		}
		if done := consumer.CachedInfo().AckFloor.Stream; done != 1 {
			return fmt.Errorf("%d events are acknowledged", done)
		}
		return nil
	})
}
