package store

import "github.com/jmoiron/sqlx"

// DB is the pool with the worker's settings.
func (s *Store) DB() *sqlx.DB { return s.db }

// FigureQueries are those that Figures runs, by what they count.
func FigureQueries() map[string]string {
	return map[string]string{
		"registrations": statusFigureQuery, "seats": seatsFigureQuery, "attention": attentionFigureQuery, "disputes": disputesFigureQuery,
		"mails": mailsFigureQuery, "failed mails": failedFigureQuery, "unlinked facts": unlinkedFigureQuery,
		"due registrations": dueFigureQuery, "deadlines": deadlinesFigureQuery,
	}
}

// CountWaitingQuery counts those who paid and wait for a place.
const CountWaitingQuery = countWaitingQuery

// Verified is what a DATABASE_URL becomes before it is used.
func Verified(databaseURL string) string { return verified(databaseURL) }
