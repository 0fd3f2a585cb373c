package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// statements are prepared once and then on each connection at its first use: unprepared, a batch takes
// twice the round trips and is planned anew each time.
type statements struct {
	resolve, resolveBefore                    *sqlx.Stmt
	insert, found, adopt                      *sqlx.Stmt
	lockRegistrations, loadFacts              *sqlx.Stmt
	lockEvents, countWaiting, write, clearDue *sqlx.Stmt
	syncAttention, clearUnlinked              *sqlx.Stmt
	selectDue, selectStrays, selectOverdue    *sqlx.Stmt
	markSeatable                              *sqlx.Stmt
	claimMails, recipient, finishMail         *sqlx.Stmt
	hushUnlinked, suspectFacts                *sqlx.Stmt
	loadRegistrations                         *sqlx.Stmt
}

func prepare(ctx context.Context, db *sqlx.DB) (statements, error) {
	var s statements
	var problems []error
	for _, p := range []struct {
		into  **sqlx.Stmt
		query string
	}{
		{&s.resolve, resolveQuery},
		{&s.resolveBefore, resolveBeforeQuery},
		{&s.insert, insertQuery()},
		{&s.found, waitingFor(1, keyColumns()...)},
		{&s.adopt, adoptQuery},
		{&s.lockRegistrations, lockRegistrationsQuery},
		{&s.loadRegistrations, loadRegistrationsQuery},
		{&s.loadFacts, loadFactsQuery},
		{&s.lockEvents, lockEventsQuery},
		{&s.countWaiting, countWaitingQuery},
		{&s.write, writeQuery},
		{&s.clearDue, clearDueQuery},
		{&s.syncAttention, syncAttentionQuery},
		{&s.clearUnlinked, clearUnlinkedQuery},
		{&s.selectDue, selectDueQuery},
		{&s.selectStrays, selectStraysQuery},
		{&s.selectOverdue, selectOverdueQuery},
		{&s.markSeatable, markSeatableQuery},
		{&s.claimMails, claimMailsQuery},
		{&s.recipient, recipientQuery},
		{&s.finishMail, finishMailQuery},
		{&s.hushUnlinked, hushUnlinkedQuery},
		{&s.suspectFacts, suspectFactsQuery},
	} {
		stmt, err := db.PreparexContext(ctx, p.query) //nolint:sqlclosecheck // it lives as long as the pool
		if err != nil {
			problems = append(problems, fmt.Errorf("prepare %.60q: %w", p.query, err))
			continue
		}
		*p.into = stmt
	}
	return s, errors.Join(problems...)
}
