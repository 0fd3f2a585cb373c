// Package localnats runs a nats-server with JetStream inside this process: for `guichet dev` and for tests.
package localnats

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyTimeout bounds the start, which replays what the store holds.
const readyTimeout = time.Minute

// maxPayload holds the largest webhook, 1 MiB, and its headers; NATS's own default is 1 MiB in all.
const maxPayload = 2 << 20

// Options says where the server keeps its streams and how it syncs them.
type Options struct {
	Dir  string // made if missing; one server at a time
	Port int    // 0 picks a free one
	// Lazy leaves syncing to the server's two-minute default: for benchmarks only.
	Lazy bool
	// Adjust may change the server's own options before it starts.
	Adjust func(*server.Options)
}

// Server is a running nats-server.
type Server struct {
	nats *server.Server
	lock *os.File
}

// Start runs a server that listens on loopback and syncs every write before it acknowledges it.
func Start(o Options) (*Server, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("NATS store: %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	options := &server.Options{
		ServerName: "guichet-local", Host: "127.0.0.1", Port: o.Port,
		JetStream: true, StoreDir: o.Dir, SyncAlways: !o.Lazy,
		JetStreamMaxStore: math.MaxInt64 >> 1,
		MaxPayload:        maxPayload,
		NoSigs:            true, NoLog: true,
	}
	if o.Port == 0 {
		options.Port = server.RANDOM_PORT
	}
	if o.Adjust != nil {
		o.Adjust(options)
	}
	s, err := server.NewServer(options)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("start nats-server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(readyTimeout) {
		s.Shutdown()
		_ = lock.Close()
		return nil, fmt.Errorf("nats-server was not ready within %s", readyTimeout)
	}
	return &Server{nats: s, lock: lock}, nil
}

// lockDir keeps a second server off the same store: nats-server itself would start and damage it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "guichet.lock"), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- our own folder
	if err != nil {
		return nil, fmt.Errorf("NATS store: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is in use by another nats-server of Guichet: stop that one, or choose another folder", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// URL is what a client connects to.
func (s *Server) URL() string { return s.nats.ClientURL() }

// Stop ends the server and waits for it; stored messages stay. A second call does nothing.
func (s *Server) Stop() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	_ = s.lock.Close()
}
