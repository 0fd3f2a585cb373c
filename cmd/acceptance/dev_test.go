package acceptance

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
)

func TestDev_ServesAndStopsAsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	p := startWith(t, func(cmd *exec.Cmd) {
		cmd.Dir = data
		if os.Geteuid() != 0 {
			return
		}
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		if err := os.Chown(data, uid, gid); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}, "guichet", nil, "dev", "--no-demo", "--listen", "127.0.0.1:0") // in .guichet, below the folder it is started in
	d := serving(p, filepath.Join(data, ".guichet"))
	info, err := os.Stat(filepath.Join(d.data, "dev.env"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("dev.env: %v, %v", info, err)
	}
	if !strings.HasPrefix(d.postgres, d.data) {
		t.Errorf("PostgreSQL's data are in %s", d.postgres)
	}
	if strings.Contains(d.out.String(), "▸") {
		t.Error("the demo was played")
	}
	if code, body := d.get("/readyz?verbose"); code != http.StatusOK || body != "[+] ingester\n[+] worker\nready\n" {
		t.Errorf("%d %s", code, body)
	}
	d.interrupt()
}

func TestDev_RefusesASecondOneOnTheSameData(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	first := dev(t, data, nil, "--no-demo")
	second := start(t, "guichet", nil, "dev", "--data", data)
	if code := second.code(); code != 1 || !strings.Contains(second.out.String(), "guichet: guichet dev runs already on "+data+": stop that one, or give another folder with --data") {
		t.Errorf("it ended with %d", code)
	}
	if code, _ := first.get("/readyz"); code != http.StatusOK {
		t.Errorf("the first is unready: %d", code)
	}
	first.interrupt()
}

func TestDev_TakesAnotherPortWhereTheUsualOneIsTaken(t *testing.T) {
	t.Parallel()
	if taken, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil {
		t.Cleanup(func() { _ = taken.Close() })
	} // else somebody else has it, which is as good
	data := dataFolder(t)
	d := serving(start(t, "guichet", nil, "dev", "--data", data, "--no-demo"), data)
	if !strings.Contains(d.out.String(), "port 8080 is taken, another one is used") || strings.HasSuffix(d.env["GUICHET_URL"], ":8080") {
		t.Errorf("webhooks at %s", d.env["GUICHET_URL"])
	}
	third := start(t, "guichet", nil, "dev", "--data", dataFolder(t), "--no-demo", "--listen", strings.TrimPrefix(d.env["GUICHET_URL"], "http://"))
	if code := third.code(); code != 1 || !strings.Contains(third.out.String(), "choose another address with --listen") {
		t.Errorf("with a taken address asked for, it ended with %d", code)
	}
	d.interrupt()
}

func TestDev_UsesTheServersThatAreGiven(t *testing.T) {
	t.Parallel()
	natsURL, databaseURL := natsServer(t), pgtest.Database(t)
	data := dataFolder(t)
	d := dev(t, data, []string{"NATS_URL=" + natsURL, "DATABASE_URL=" + databaseURL, "STRIPE_WEBHOOK_SECRET=whsec_given_first,whsec_given_second", "ADMIN_ADDR=127.0.0.1:0"})
	if d.env["NATS_URL"] != natsURL || d.env["DATABASE_URL"] != databaseURL || d.env["STRIPE_WEBHOOK_SECRET"] != "whsec_given_first" {
		t.Errorf("%v", d.env)
	}
	for _, own := range []string{"nats", "postgres", "webhook_secret"} {
		if _, err := os.Stat(filepath.Join(data, own)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it made %s of its own (%v)", own, err)
		}
	}
	var paid int
	if err := d.database().Get(&paid, `SELECT count(*) FROM registrations WHERE status = 'PAID'`); err != nil || paid != len(slices.DeleteFunc(demoCases(), func(c demoCase) bool { return c.status != "PAID" })) {
		t.Errorf("%d registrations are paid (%v)", paid, err)
	}
	d.interrupt()
}

func TestDev_SaysWhatItCannotUse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  []string
		code int
		want string
	}{
		"a NATS that is not there":     {[]string{"NATS_URL=nats://me:hunter2@127.0.0.1:1", "DATABASE_URL=" + pgtest.Database(t)}, 1, "reach NATS at 127.0.0.1:1"},
		"a database that is not there": {[]string{"NATS_URL=" + natsServer(t), "DATABASE_URL=postgres://me:hunter2@127.0.0.1:1/d"}, 1, "reach PostgreSQL at 127.0.0.1:1/d"},
		"settings":                     {[]string{"FAILED_HOLD=-1s", "LOG_LEVEL=loud"}, 2, "LOG_LEVEL is \"loud\": it must be one of [\"debug\" \"info\" \"warn\" \"error\"]\n  FAILED_HOLD must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "guichet", test.env, "dev", "--data", dataFolder(t), "--listen", "127.0.0.1:0")
			if code := p.code(); code != test.code || !strings.Contains(p.out.String(), test.want) || strings.Contains(p.out.String(), "hunter2") {
				t.Errorf("it ended with %d", code)
			}
		})
	}
}

func TestDev_StopsInOrderWheneverItIsInterrupted(t *testing.T) {
	t.Parallel()
	for name, moment := range map[string]string{"as it starts": `(Guichet keeps everything)`, "as it sets up": `(created      stream)`, "in the demo": `(▸ declined)`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := dataFolder(t)
			p := start(t, "guichet", nil, "dev", "--data", data, "--listen", "127.0.0.1:0")
			p.match(moment)
			_ = p.cmd.Process.Signal(os.Interrupt)
			if code := p.code(); code != 0 || !strings.Contains(p.out.String(), "Everything has stopped") || strings.Contains(p.out.String(), "context canceled") {
				t.Errorf("it ended with %d", code)
			}
			for _, dir := range []string{"data", "data.new"} {
				if left := processesIn(t, filepath.Join(data, "postgres", dir)); len(left) > 0 {
					t.Errorf("processes %v of PostgreSQL are left", left)
				}
			}
		})
	}
}

func TestDev_LeavesNoPostgreSQLBehindWhenItIsKilled(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	d := dev(t, data, nil, "--no-demo")
	if len(processesIn(t, d.postgres)) == 0 {
		t.Skip("only Linux shows which processes work in a folder")
	}
	d.exec(`INSERT INTO events (id, title) VALUES ('kept', 'kept')`)
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL ends", func() error {
		if left := processesIn(t, d.postgres); len(left) > 0 {
			return fmt.Errorf("processes %v are left", left)
		}
		return nil
	})
	again := dev(t, data, nil, "--no-demo")
	var kept int
	if err := again.database().Get(&kept, `SELECT count(*) FROM events WHERE id = 'kept'`); err != nil || kept != 1 {
		t.Errorf("what was committed is not there (%v)", err)
	}
	again.interrupt()
}

func TestDev_EndsWithItsPostgreSQL(t *testing.T) {
	t.Parallel()
	d := dev(t, dataFolder(t), nil, "--no-demo")
	content, err := os.ReadFile(filepath.Join(d.postgres, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if code := d.code(); code != 1 || !strings.Contains(d.out.String(), "PostgreSQL ended by itself") {
		t.Errorf("it ended with %d", code)
	}
}
