// Package admin serves a program's own port: liveness, readiness and metrics, never on the public address.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one readiness check.
const checkTimeout = 2 * time.Second

// Check says whether one thing the program needs is there; its error is shown to whoever asks for ?verbose.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Server answers /livez, /readyz, /healthz (the same as /livez) and /metrics.
type Server struct {
	http     http.Server
	listener net.Listener
	checks   []Check
	draining atomic.Bool
}

// Listen binds the address at once, so that a taken port is an error of the start; a port of 0 picks a free one.
func Listen(address string, metrics prometheus.Gatherer, checks ...Check) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("admin port, at ADMIN_ADDR: %w", err)
	}
	s := &Server{listener: listener, checks: checks}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", live)
	mux.HandleFunc("GET /healthz", live)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	s.http = http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	return s, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Serve answers until Close; it returns nil then.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin server: %w", err)
	}
	return nil
}

// Drain makes /readyz fail from now on, so that no new work is sent here.
func (s *Server) Drain() { s.draining.Store(true) }

// Close stops at once, also a server that never served.
func (s *Server) Close() error {
	err := s.http.Close()
	_ = s.listener.Close() // which http has closed already, had it served
	return err
}

func live(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") }

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	var lines []string
	ok := !s.draining.Load()
	if !ok {
		lines = append(lines, "[-] shutting down")
	}
	for _, c := range s.checks {
		if err := c.Run(ctx); err != nil {
			ok = false
			lines = append(lines, fmt.Sprintf("[-] %s: %v", c.Name, err))
			continue
		}
		lines = append(lines, "[+] "+c.Name)
	}
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if _, verbose := r.URL.Query()["verbose"]; !verbose {
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "[+]") })
	}
	if ok {
		lines = append(lines, "ready")
	}
	_, _ = fmt.Fprintln(w, strings.Join(lines, "\n"))
}
