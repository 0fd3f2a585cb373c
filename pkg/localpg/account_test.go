package localpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStart_AsRootKeepsDataElsewhereWhereItsUserCannotGo(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as another user")
	}
	closed := filepath.Dir(folder(t))
	if err := os.Chmod(closed, 0o700); err != nil { // #nosec G302 -- a folder
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "postgres")
	first := start(t, dir)
	t.Cleanup(func() {
		if err := os.RemoveAll(first.DataDir()); err != nil {
			t.Error(err)
		}
	})
	if !strings.HasPrefix(first.DataDir(), "/var/tmp/guichet-postgres-") {
		t.Errorf("the data are in %s", first.DataDir())
	}
	ask(t, first.URL("postgres"), "CREATE TABLE kept (id text)")
	stop(t, first)

	second := start(t, dir)
	if second.DataDir() != first.DataDir() {
		t.Errorf("the data moved to %s", second.DataDir())
	}
	if got := ask(t, second.URL("postgres"), "SELECT to_regclass('kept')::text"); got != "kept" {
		t.Error("the table is gone after a restart")
	}
	stop(t, second)

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	third := start(t, dir)
	if got := ask(t, third.URL("postgres"), "SELECT coalesce(to_regclass('kept')::text, 'gone')"); got != "gone" {
		t.Error("deleting the folder did not start afresh")
	}
}
