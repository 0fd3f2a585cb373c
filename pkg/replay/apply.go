package replay

import (
	"context"
	"sync"
)

// mostRefused bounds how many refused events a result names.
const mostRefused = 100

// Result is what a replay did.
type Result struct {
	Counts
	Stored   int       `json:"stored"`
	Settled  int       `json:"settled"` // registrations whose events were stored before, settled anew
	Refused  int       `json:"refused"`
	Refusals []Refusal `json:"refusals,omitempty"` // the first of them
}

// Apply runs the events through the store as the worker does: it stores those that are missing, and settles the
// registrations of the others anew. Several batches are in their transactions at once, as those of several workers are.
// Cut off, it can be run again; the result counts what is known to be committed.
func (r Replay) Apply(ctx context.Context) (Result, error) {
	var mu sync.Mutex
	var result Result // Counts but for, under mu
	seen := &recent{}
	refused := func(id string, err error) {
		mu.Lock()
		defer mu.Unlock()
		result.Refused++
		if len(result.Refusals) < mostRefused {
			result.Refusals = append(result.Refusals, Refusal{id, err.Error()})
		}
	}
	err := r.each(ctx, &result.Counts, func(ctx context.Context, b *batch) error {
		stored, err := Store(ctx, r.Store, b.missing, refused)
		mu.Lock()
		result.Stored += stored
		mu.Unlock()
		if err != nil {
			return err
		}
		return Divide(seen.fresh(b.linked), func(ids []string) error {
			_, err := r.Store.Resettle(ctx, ids)
			if err == nil {
				mu.Lock()
				result.Settled += len(ids)
				mu.Unlock()
			}
			return err
		}, refused)
	}, nil)
	return result, err
}
