package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// mailing says how the mails that settling wants go into the outbox. With mails off they are suppressed: their
// slots are taken, so that no later settling mails them either. Whoever settles with mails off makes good what is
// past, so the mails go with it that its past states wanted, not only those that the present one does.
type mailing struct {
	actionDelay time.Duration
	status      MailStatus // of new mails: pending, or suppressed
}

func (m mailing) off() bool { return m.status == MailSuppressed }

// hush adds to the rows to which facts were linked the mails of their past states.
func (t *tx) hush(rows []*row, linked []string, p registration.Policy) {
	touched := make(map[string]bool, len(linked))
	for _, id := range linked {
		touched[id] = true
	}
	for _, r := range rows {
		if !touched[r.ID] {
			continue
		}
		r.mails = registration.Distinct(slices.Concat(registration.Told(r.Registration, r.facts, p, t.now), r.mails))
	}
}

const hushUnlinkedQuery = `
INSERT INTO notifications (fact_id, kind, slot, status, created_at, send_after)
SELECT f.id, 'attention', 'attention:' || CASE f.kind WHEN 'disputed' THEN 'unlinked_dispute' ELSE 'unknown_registration' END || ':' || f.id,
       'suppressed', $1::timestamptz, $1::timestamptz
FROM stripe_events f
WHERE f.id = ANY ($2) AND f.kind IN ('disputed', 'paid', 'payment_processing', 'intent_succeeded')
ON CONFLICT DO NOTHING`

// hushUnlinked takes the slots of the mails that tell of facts which stay without a registration: see raiseUnlinkedQuery.
func (t *tx) hushUnlinked(ctx context.Context, waiting []Received) error {
	if len(waiting) == 0 {
		return nil
	}
	ids := make([]string, 0, len(waiting))
	for _, e := range waiting {
		ids = append(ids, e.ID)
	}
	if _, err := t.on(ctx, t.statements.hushUnlinked).ExecContext(ctx, t.now, pq.Array(ids)); err != nil {
		return fmt.Errorf("suppress mails about unlinked facts: %w", err)
	}
	return nil
}
