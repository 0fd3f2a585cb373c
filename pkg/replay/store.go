package replay

import (
	"context"

	"github.com/educareschool/guichet/pkg/store"
)

// Refusal is an event that PostgreSQL does not take, or a registration that it does not let settle.
type Refusal struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Store processes events as the worker does, and returns how many it stored. Those that PostgreSQL does not take it
// leaves out and tells of.
func Store(ctx context.Context, db *store.Store, events []store.Received, refused func(id string, err error)) (stored int, err error) {
	err = Divide(events, func(events []store.Received) error {
		result, err := db.Process(ctx, events)
		stored += len(result.Stored)
		return err
	}, func(e store.Received, err error) { refused(e.ID, err) })
	return stored, err
}

// Divide has something done with items; where PostgreSQL refuses it, with half of them, until those at fault are left,
// of which it tells.
func Divide[T any](items []T, do func([]T) error, refused func(T, error)) error {
	if len(items) == 0 {
		return nil
	}
	err := do(items)
	switch {
	case !store.IsDataError(err):
		return err
	case len(items) == 1:
		refused(items[0], err)
		return nil
	}
	if err := Divide(items[:len(items)/2], do, refused); err != nil {
		return err
	}
	return Divide(items[len(items)/2:], do, refused)
}
