package localpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake makes a folder with programs that only tell a version.
func fake(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
	for _, program := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o700); err != nil { // #nosec G306 -- a program
			t.Fatal(err)
		}
	}
	return dir
}

// Not parallel: a program just written cannot be run while a fork elsewhere still holds its file open.
func TestSearch_PrefersThePATHThenTheNewest(t *testing.T) {
	old, newer, newest := fake(t, "9.6.24"), fake(t, "15.18 (Debian 15.18-0+deb12u1)"), fake(t, "18beta1")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(newer, link); err != nil {
		t.Fatal(err)
	}
	found, err := search(t.Context(), newer, []string{old, link, newest, t.TempDir(), "/none"})
	if err != nil {
		t.Fatal(err)
	}
	var majors []int
	for _, b := range found {
		majors = append(majors, b.major)
	}
	if fmt.Sprint(majors) != "[15 18 9]" {
		t.Errorf("found %v, want the PATH's 15, then 18, then 9, each once", majors)
	}
}

func TestSearch_SaysWhatToInstall(t *testing.T) {
	t.Parallel()
	_, err := search(t.Context(), "", []string{t.TempDir()})
	if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("got %v", err)
	}
}

func TestChoose_OpensDataWithTheVersionThatMadeThem(t *testing.T) {
	t.Parallel()
	found := []binaries{{"/a", 18}, {"/b", 15}}
	tests := map[string]struct{ version, want string }{
		"new data":           {"", "/a"},
		"data of the second": {"15", "/b"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := choose(found, test.version); err != nil || got.dir != test.want {
				t.Errorf("chose %v (%v), want %s", got, err, test.want)
			}
		})
	}
	if _, err := choose(found, "12"); err == nil || !strings.Contains(err.Error(), "12") {
		t.Errorf("data of a version that is not installed gave %v", err)
	}
}
