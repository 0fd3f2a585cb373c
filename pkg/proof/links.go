package proof

import (
	"context"
	"slices"
	"time"

	"github.com/educareschool/guichet/pkg/store"
)

const (
	// linksAtOnce is how many wrong links are looked at, and mended, at once.
	linksAtOnce = 500
	// looks is how often, looksPause apart, something is looked at that workers may just be about to put right.
	looks      = 4
	looksPause = time.Second
)

// links tells of facts that wait although their registration can be told, or are linked to one that is not there.
func (r *run) links(ctx context.Context) error {
	if err := r.pages(ctx, r.linkable, r.stillLinkable); err != nil || r.Scope.Registration != "" {
		return err
	}
	return r.pages(ctx, r.Store.Dangling, nil)
}

// pages goes through a list of wrongly linked facts, tells of them and links them anew. Sure, unless nil, leaves out
// those that are only so for a moment.
func (r *run) pages(ctx context.Context,
	list func(ctx context.Context, after string, limit int) (found []store.Difference, next string, err error),
	sure func(context.Context, []store.Difference) ([]store.Difference, error),
) error {
	for after := ""; ; {
		found, next, err := list(ctx, after, linksAtOnce)
		if err != nil {
			return err
		}
		if sure != nil {
			if found, err = sure(ctx, found); err != nil {
				return err
			}
		}
		if err := r.misplaced(ctx, found); err != nil || next == "" {
			return err
		}
		after = next
	}
}

// misplaced tells of wrongly linked facts and links them anew.
func (r *run) misplaced(ctx context.Context, found []store.Difference) error {
	r.telling.Lock()
	defer r.telling.Unlock()
	r.report.Misplaced += len(found)
	if err := r.found(found...); err != nil || !r.Mend {
		return err
	}
	return r.relink(ctx, idsOf(found))
}

func idsOf(found []store.Difference) []string {
	ids := make([]string, 0, len(found))
	for _, d := range found {
		ids = append(ids, d.ID)
	}
	return ids
}

func (r *run) linkable(ctx context.Context, after string, limit int) (found []store.Difference, next string, err error) {
	return r.Store.Linkable(ctx, nil, after, limit)
}

// stillLinkable looks again: two workers that do not see each other's facts leave one for a moment.
func (r *run) stillLinkable(ctx context.Context, found []store.Difference) ([]store.Difference, error) {
	if r.Scope.Registration != "" {
		found = slices.DeleteFunc(found, func(d store.Difference) bool { return d.ShouldBe != r.Scope.Registration })
	}
	for look := 1; look < looks && len(found) > 0; look++ {
		if !pause(ctx, looksPause) {
			return nil, ctx.Err()
		}
		var err error
		if found, _, err = r.Store.Linkable(ctx, idsOf(found), "", linksAtOnce); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (r *run) relink(ctx context.Context, facts []string) error {
	return r.mend(facts, func(ids []string) error {
		_, err := r.Store.Relink(ctx, ids)
		return err
	})
}

// pause waits, and says whether it waited to the end.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
