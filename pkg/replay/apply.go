package replay

import "context"

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

// Apply runs the events through the store as one worker does, in their order, in which places are given: it stores those
// that are missing, and settles the registrations of the others anew. Cut off, it can be run again.
func (r Replay) Apply(ctx context.Context) (Result, error) {
	var result Result
	seen := &recent{}
	refused := func(id string, err error) {
		result.Refused++
		if len(result.Refusals) < mostRefused {
			result.Refusals = append(result.Refusals, Refusal{id, err.Error()})
		}
	}
	batches := newQueue(r.Store, refused)
	err := r.each(ctx, &result.Counts, nil, func(b batch) error { return batches.add(ctx, b.missing, seen.fresh(b.linked)) })
	if last := batches.end(); err == nil {
		err = last
	}
	result.Stored, result.Settled = batches.stored, batches.settled
	return result, err
}
