package replay

import (
	"context"

	"github.com/educareschool/guichet/pkg/store"
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
// registrations of the others anew. Cut off, it can be run again.
func (r Replay) Apply(ctx context.Context) (Result, error) {
	var result Result
	seen := &recent{}
	err := r.each(ctx, &result.Counts, nil, func(b batch) error {
		stored, refused, err := Store(ctx, r.Store, b.missing)
		result.Stored += stored
		result.Refused += len(refused)
		result.Refusals = append(result.Refusals, refused[:min(len(refused), mostRefused-len(result.Refusals))]...)
		if err != nil {
			return err
		}
		return r.resettle(ctx, seen.fresh(b.linked), &result)
	})
	return result, err
}

// resettle settles registrations anew; one that PostgreSQL refuses is named, and no hindrance to the others.
func (r Replay) resettle(ctx context.Context, ids []string, result *Result) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := r.Store.Resettle(ctx, ids)
	switch {
	case err == nil:
		result.Settled += len(ids)
		return nil
	case !store.IsDataError(err):
		return err
	case len(ids) == 1:
		result.Refused++
		if len(result.Refusals) < mostRefused {
			result.Refusals = append(result.Refusals, Refusal{ids[0], err.Error()})
		}
		return nil
	}
	if err := r.resettle(ctx, ids[:len(ids)/2], result); err != nil {
		return err
	}
	return r.resettle(ctx, ids[len(ids)/2:], result)
}
