package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/educareschool/guichet/pkg/store"
)

type ctx = context.Context

func TestOneOfTwoRunsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.open(store.Options{})
	alone := func(s *store.Store, lock store.Lock) (ran bool) {
		ran, err := s.Alone(t.Context(), lock, func(ctx) error { return nil })
		if err != nil {
			t.Error(err)
		}
		return ran
	}
	failure := errors.New("it failed")
	canceled, cancel := context.WithCancel(t.Context())
	for name, work := range map[string]func() error{
		"work that ends":       func() error { return nil },
		"work that fails":      func() error { return failure },
		"work that is ended":   func() error { cancel(); return canceled.Err() },
		"work that was ended":  func() error { return context.Canceled },
		"a connection is lost": func() error { f.killOthers(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			on := t.Context()
			if name == "work that is ended" {
				on = canceled
			}
			want := error(nil)
			ran, err := f.store.Alone(on, store.CleanupLock, func(ctx) error {
				for _, s := range []*store.Store{f.store, other} {
					if alone(s, store.CleanupLock) {
						t.Error("two run at once")
					}
					if !alone(s, store.SweepLock) {
						t.Error("another lock is taken too")
					}
				}
				want = work()
				return want
			})
			if !ran || !errors.Is(err, want) {
				t.Errorf("ran %t, %v, want %v", ran, err, want)
			}
			for _, s := range []*store.Store{other, f.store} {
				if !alone(s, store.CleanupLock) {
					t.Error("the lock was not given back")
				}
			}
		})
	}
}

// killOthers ends every other connection to the database.
func (f *fixture) killOthers() {
	f.t.Helper()
	f.exec(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
}

func TestWorkThatRunsAloneHasConnectionsOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.open(store.Options{MaxConnections: 1})
	ran, err := s.Alone(t.Context(), store.CleanupLock, func(on ctx) error {
		_, err := s.Alone(on, store.SweepLock, func(on ctx) error {
			_, err := s.Process(on, []store.Received{paidFor(1, "reg-1")})
			return err
		})
		return err
	})
	if !ran || err != nil {
		t.Errorf("%t, %v", ran, err)
	}
}
