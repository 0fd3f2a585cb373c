package dev

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestWriteEnv_IsReadByAShellAndByUsAlike(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"plain", "", "it's", `a'\''b`, "a b$c`d\"e\\f", "p&q;r#s", "~*?[x]", "é"} {
		s := &stack{Options: Options{Dir: t.TempDir()}, at: Address{
			URL: "http://127.0.0.1:8080", DatabaseURL: "postgres://me:" + password + "@localhost/d?a=b&c=d", WebhookSecret: password,
		}}
		if err := s.writeEnv(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(s.at.EnvFile)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		got, err := exec.CommandContext(t.Context(), "sh", "-euc", `. "$0"; printf '%s\n%s' "$DATABASE_URL" "$STRIPE_WEBHOOK_SECRET"`, s.at.EnvFile).CombinedOutput()
		if want := s.at.DatabaseURL + "\n" + password; err != nil || string(got) != want {
			t.Errorf("a shell reads %q, %v; want %q", got, err, want)
		}
		if got := Unquote(Quote(password)); got != password {
			t.Errorf("%q is read as %q", password, got)
		}
		for range 2 { // it may be gone
			if err := s.removeEnv(); err != nil {
				t.Error(err)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(s.Dir, "*")); len(left) > 0 {
			t.Errorf("%v stay", left)
		}
	}
}
