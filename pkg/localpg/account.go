package localpg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that PostgreSQL runs as: this process's own, unless that is root.
type account struct {
	name     string
	uid, gid int
	other    bool // another than this process's
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil && uid > 0 {
			return account{name: name, uid: uid, gid: gid, other: true}, nil
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as: make one of them, or run this as an ordinary user")
}

// credential is what a child process takes on; nil for this process's own.
func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} // #nosec G115 -- ids of /etc/passwd
}

// own gives a file or folder to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// dataDir is where the account can keep the data of dir: in dir itself if it can reach that. Where it cannot
// (below /root, say) it is a folder of /var/tmp, always the same one for the same dir.
func (a account) dataDir(ctx context.Context, dir string, b binaries) (string, error) {
	inside := filepath.Join(dir, "data")
	if _, err := os.Lstat(inside); err == nil || !a.other {
		return inside, nil
	}
	sum := sha256.Sum256([]byte(dir))
	outside := filepath.Join("/var/tmp", "guichet-postgres-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Lstat(outside); err == nil {
		return outside, nil
	}
	switch err := a.enter(ctx, dir, b); {
	case err == nil:
		return inside, nil
	case errors.Is(err, fs.ErrPermission):
		return outside, nil
	default:
		return "", fmt.Errorf("run PostgreSQL as the user %s: %w", a.name, err)
	}
}

// enter tries whether the account can work in a folder, by doing it.
func (a account) enter(ctx context.Context, dir string, b binaries) error {
	cmd := exec.CommandContext(ctx, b.path("postgres"), "--version") // #nosec G204 -- found by installed
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential()}
	return cmd.Run()
}
