package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/service"
)

// shippedUsers are NATS users with the rights that are deployed; each one's password is its name.
func shippedUsers(t *testing.T) []*server.User {
	t.Helper()
	users, err := os.ReadFile(filepath.Join("..", "..", "deploy", "nats", "users.conf"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var passwords strings.Builder
	for _, user := range []string{"setup", "ingester", "worker", "operator"} {
		passwords.WriteString("NATS_" + strings.ToUpper(user) + "_PASSWORD: " + user + "\n")
	}
	write(t, filepath.Join(dir, "users.conf"), string(users))
	write(t, filepath.Join(dir, "passwords.conf"), passwords.String())
	o, err := server.ProcessConfigFile(filepath.Join(dir, "users.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return o.Users
}

// guarded is a workshop whose NATS server gives each user the rights that are deployed, and no more; commands run
// as the operator.
func guarded(t *testing.T) (w *workshop, as func(user string) string) {
	t.Helper()
	users := shippedUsers(t)
	s, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Lazy: true, Adjust: func(o *server.Options) { o.Users = users }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	as = func(user string) string { return strings.Replace(s.URL(), "nats://", "nats://"+user+":"+user+"@", 1) }
	w = workshopOn(t, map[string]string{"NATS_URL": as("setup"), "DATABASE_URL": pgtest.Database(t)})
	w.env["NATS_URL"] = as("operator")
	return w, as
}

func TestVerify_NeedsNoMoreThanTheOperatorsRights(t *testing.T) {
	t.Parallel()
	w, as := guarded(t)
	w.register("reg-1")
	w.publish(w.stripe.Payment("reg-1").Completed())
	stop := w.work("NATS_URL", as("worker"))
	w.processed()
	stop()
	if got := w.guichet("verify"); got.code != service.ExitOK || !strings.Contains(got.stdout, "1 have the fact") {
		t.Errorf("%+v", got)
	}
}
