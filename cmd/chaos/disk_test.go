//go:build linux

package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
)

// disks are full ones. They are small file systems in memory, which only root may mount.
func disks() []scenario {
	var natsDisk, postgresDisk string
	return []scenario{
		{
			name: "disk full under NATS", times: counts{2, 10}, refuses: true,
			shape: shape{ingesters: 2, workers: 2, maxBytes: 64 << 20, natsDir: func(t testing.TB) string {
				natsDisk = smallDisk(t, "128m")
				return natsDisk
			}},
			fault: func(r *run, _ int) {
				room := fill(r.t, natsDisk)
				pause(r.t, 3*time.Second)
				room()
				// A stream whose file could not be written stays closed until its server starts anew, which is what
				// its health check is for.
				r.nats[0].signal(syscall.SIGTERM)
				r.nats[0].code()
				r.nats[0].start()
				r.nats[0].match(`Server is ready`)
				r.goOn()
			},
		},
		{
			name: "disk full under PostgreSQL", times: counts{1, 10}, mailsTwice: 2, prints: notTaken,
			shape: shape{ingesters: 2, workers: 2, postgresDir: func(t testing.TB) string {
				postgresDisk = smallDisk(t, "400m")
				return postgresDisk
			}},
			fault: func(r *run, _ int) {
				room := fill(r.t, postgresDisk)
				pause(r.t, 3*time.Second)
				room()
				if !r.postgres.alive() { // it ends itself where it cannot write its log; a supervisor starts it again
					if err := r.postgres.restart(); err != nil {
						r.t.Fatal(err)
					}
				}
				r.goOn()
			},
		},
		{
			name: "the stream at its MaxBytes", times: counts{2, 20}, refuses: true, shape: shape{ingesters: 2, workers: 2},
			fault: func(r *run, _ int) {
				s, err := r.js.Stream(r.t.Context(), stream.Events)
				if err != nil {
					r.t.Fatal(err)
				}
				info := s.CachedInfo()
				config := info.Config
				wide := config.MaxBytes
				config.MaxBytes = int64(info.State.Bytes) + 20_000
				if _, err := r.js.UpdateStream(r.t.Context(), config); err != nil {
					r.t.Fatal(err)
				}
				pause(r.t, 3*time.Second)
				config.MaxBytes = wide
				if _, err := r.js.UpdateStream(r.t.Context(), config); err != nil {
					r.t.Fatal(err)
				}
			},
		},
	}
}

// smallDisk mounts a file system of a size that the test's end takes away.
func smallDisk(t testing.TB, size string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "guichet-chaos-disk-") //nolint:usetesting // t.TempDir is closed to PostgreSQL's user
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=711"); err != nil {
		t.Fatalf("mount a small disk, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
		_ = os.Remove(dir)
	})
	return dir
}

// fill takes all the room that a file system has left, and returns what gives it back.
func fill(t testing.TB, disk string) (room func()) {
	t.Helper()
	path := filepath.Join(disk, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 4096, 1} {
		for {
			if _, err = f.Write(make([]byte, size)); err != nil {
				break
			}
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
	}
	return func() {
		if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
}
