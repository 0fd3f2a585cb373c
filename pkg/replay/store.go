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

// Store processes events as the worker does: where PostgreSQL refuses a batch, it finds the events at fault, leaves
// them out and names them.
func Store(ctx context.Context, db *store.Store, events []store.Received) (stored int, refused []Refusal, err error) {
	if len(events) == 0 {
		return 0, nil, nil
	}
	result, err := db.Process(ctx, events)
	switch {
	case err == nil:
		return len(result.Stored), nil, nil
	case !store.IsDataError(err):
		return 0, nil, err
	case len(events) == 1:
		return 0, []Refusal{{events[0].ID, err.Error()}}, nil
	}
	for _, half := range [][]store.Received{events[:len(events)/2], events[len(events)/2:]} {
		n, more, err := Store(ctx, db, half)
		stored += n
		refused = append(refused, more...)
		if err != nil {
			return stored, refused, err
		}
	}
	return stored, refused, nil
}
