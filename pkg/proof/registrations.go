package proof

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/store"
)

const (
	// rangeSize is how many registrations are read in one snapshot, and rangesInWork how many snapshots at once.
	rangeSize    = 500
	rangesInWork = 2
)

// registrations compares every registration with what its facts say.
func (r *run) registrations(ctx context.Context) error {
	if r.Scope.Registration != "" {
		check, err := r.Store.CheckRegistrations(ctx, store.Range{IDs: []string{r.Scope.Registration}})
		if err != nil {
			return err
		}
		if err := r.settled(ctx, check); err != nil {
			return err
		}
		return r.places(ctx)
	}
	total, err := r.total(ctx)
	if err != nil {
		return err
	}
	r.progress(&r.lookedAt.registrations, 0, total)
	group, running := errgroup.WithContext(ctx)
	tickets := make(chan chan store.RegistrationCheck, rangesInWork-1)
	group.Go(func() error {
		defer close(tickets)
		return r.Store.Ranges(running, rangeSize, func(of store.Range) error {
			of.Since = r.Scope.Since
			ticket := make(chan store.RegistrationCheck, 1)
			select {
			case tickets <- ticket:
			case <-running.Done():
				return running.Err()
			}
			group.Go(func() error {
				check, err := r.Store.CheckRegistrations(running, of)
				ticket <- check
				return err
			})
			return nil
		})
	})
	group.Go(func() error {
		for ticket := range tickets {
			if err := r.settled(running, <-ticket); err != nil {
				return err
			}
			r.progress(&r.lookedAt.registrations, uint64(r.report.Registrations), total) // #nosec G115 -- a count
		}
		return running.Err()
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return r.places(ctx)
}

// total is how many registrations there are.
func (r *run) total(ctx context.Context) (uint64, error) {
	counts, err := r.Store.CountRegistrations(ctx)
	var n int64
	for _, c := range counts {
		n += c
	}
	return uint64(n), err // #nosec G115 -- a count
}

// settled counts a range, tells what differs, and mends it.
func (r *run) settled(ctx context.Context, check store.RegistrationCheck) error {
	r.telling.Lock()
	defer r.telling.Unlock()
	r.report.Registrations += check.Checked
	r.report.NotSettled += check.Due
	r.report.Misplaced += len(check.Misplaced)
	r.unseated = append(r.unseated, check.Unseated...)
	var wrong, unreadable []string
	for _, d := range check.Differences {
		switch {
		case d.About != store.AboutRegistration || slices.Contains(wrong, d.ID):
		case d.Field == store.FieldFacts:
			unreadable = append(unreadable, d.ID)
		default:
			wrong = append(wrong, d.ID)
		}
	}
	r.report.Unsettled += len(wrong) + len(unreadable)
	if err := r.found(check.Differences...); err != nil || !r.Mend {
		return err
	}
	for _, id := range unreadable {
		r.leave(id, "a fact of it cannot be read, and its event is not in the stream")
	}
	if err := r.relink(ctx, check.Misplaced); err != nil {
		return err
	}
	return r.mend(wrong, func(ids []string) error {
		_, err := r.Store.Resettle(ctx, ids)
		return err
	})
}
