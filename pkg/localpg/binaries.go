package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNotInstalled is returned where no PostgreSQL server is found; its text says what to install.
var ErrNotInstalled = errors.New("no PostgreSQL server is installed here: install one " +
	"(Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; Alpine: apk add postgresql; " +
	"macOS: brew install postgresql@17), or put the folder of its postgres and initdb programs on the PATH")

// binaries are the programs of one PostgreSQL.
type binaries struct {
	dir   string
	major int // 15, 16, …
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// Check returns ErrNotInstalled, wrapped, where Start would find no PostgreSQL.
func Check(ctx context.Context) error {
	_, err := installed(ctx)
	return err
}

// installed returns every PostgreSQL of the machine, at least one: that on the PATH first, then the newest.
func installed(ctx context.Context) ([]binaries, error) {
	var onPath string
	if server, err := exec.LookPath("postgres"); err == nil {
		onPath = filepath.Dir(server)
	}
	return search(ctx, onPath, usualDirs(ctx))
}

func search(ctx context.Context, first string, dirs []string) ([]binaries, error) {
	seen := map[string]bool{}
	var found []binaries
	for _, dir := range dirs {
		if b, ok := inspect(ctx, dir); ok && !seen[b.dir] {
			seen[b.dir] = true
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(a, b binaries) int { return cmp.Compare(b.major, a.major) })
	if preferred, ok := inspect(ctx, first); ok {
		found = slices.DeleteFunc(found, func(b binaries) bool { return b.dir == preferred.dir })
		found = slices.Insert(found, 0, preferred)
	}
	if len(found) == 0 {
		return nil, ErrNotInstalled
	}
	return found, nil
}

// usualDirs are where packagers put the programs, which are seldom on the PATH.
func usualDirs(ctx context.Context) []string {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/libexec/postgresql*",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/usr/local/pgsql/bin",
	} {
		matches, _ := filepath.Glob(pattern) // fails for a malformed pattern only
		dirs = append(dirs, matches...)
	}
	return dirs
}

// inspect says whether a folder has what Start needs. Links are followed: PostgreSQL looks for its other
// files beside the real program.
func inspect(ctx context.Context, dir string) (binaries, bool) {
	if dir == "" {
		return binaries{}, false
	}
	server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return binaries{}, false
	}
	b := binaries{dir: filepath.Dir(server)}
	if _, err := os.Stat(b.path("initdb")); err != nil {
		return binaries{}, false
	}
	out, err := exec.CommandContext(ctx, server, "--version").Output() // #nosec G204 -- a PostgreSQL of this machine
	if err != nil {
		return binaries{}, false
	}
	b.major, err = majorVersion(string(out))
	return b, err == nil
}

// majorVersion reads "postgres (PostgreSQL) 15.18 (Debian …)" and "17beta1" alike.
func majorVersion(out string) (int, error) {
	_, version, ok := strings.Cut(out, "(PostgreSQL) ")
	if !ok {
		return 0, fmt.Errorf("%q is no version of PostgreSQL", out)
	}
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(version)
	}
	return strconv.Atoi(version[:end])
}

// choose returns the first of those found that can open data of a major version; any, for version "".
func choose(found []binaries, version string) (binaries, error) {
	if version == "" {
		return found[0], nil
	}
	for _, b := range found {
		if strconv.Itoa(b.major) == version {
			return b, nil
		}
	}
	return binaries{}, fmt.Errorf("the data were made by PostgreSQL %s and this machine has %d only: install that version, or delete the folder to start afresh",
		version, found[0].major)
}
