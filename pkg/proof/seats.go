package proof

import (
	"context"

	"github.com/educareschool/guichet/pkg/store"
)

// seats tells of events whose count of places is not that of their rows, and counts anew.
func (r *run) seats(ctx context.Context) error {
	events, found, err := r.Store.CheckSeats(ctx, r.Scope.Registration)
	if err != nil {
		return err
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	r.report.Seats, r.report.Miscounted = events, len(found)
	if err := r.found(found...); err != nil || !r.Mend {
		return err
	}
	return r.mend(idsOf(found), func(ids []string) error { return r.Store.RecountSeats(ctx, ids) })
}

// places tells who paid and has no place although one is free, and gives it to them. A place may have come free this
// moment, so it looks again.
func (r *run) places(ctx context.Context) error {
	lasting := r.unseated
	for look := 1; look < looks && len(lasting) > 0; look++ {
		if !pause(ctx, looksPause) {
			return ctx.Err()
		}
		check, err := r.Store.CheckRegistrations(ctx, store.Range{IDs: lasting})
		if err != nil {
			return err
		}
		lasting = check.Unseated
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	for _, id := range lasting {
		if err := r.found(store.Unseated(id)); err != nil {
			return err
		}
	}
	r.report.Unsettled += len(lasting)
	if len(lasting) == 0 || !r.Mend {
		return nil
	}
	return r.Store.MarkSeatable(ctx)
}
