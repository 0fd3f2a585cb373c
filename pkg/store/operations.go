package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// Operation is what somebody did with the tool.
type Operation struct {
	ID         int64           `db:"id" json:"id"`
	Command    string          `db:"command" json:"command"`
	By         string          `db:"by_whom" json:"by"`
	Detail     json.RawMessage `db:"detail" json:"detail"`
	StartedAt  time.Time       `db:"started_at" json:"started_at"`
	FinishedAt *time.Time      `db:"finished_at" json:"finished_at,omitempty"` // nil: under way, or cut off
	Result     json.RawMessage `db:"result" json:"result,omitempty"`
	Error      string          `db:"error" json:"error,omitempty"`
}

// BeginOperation notes that somebody begins a command that changes something, and returns the note's number.
// Detail becomes JSON; it holds no personal data.
func (s *Store) BeginOperation(ctx context.Context, command, by string, detail any) (int64, error) {
	const query = `INSERT INTO operations (command, by_whom, detail, started_at) VALUES ($1, $2, $3, $4) RETURNING id`
	text, err := json.Marshal(detail)
	if err != nil {
		return 0, fmt.Errorf("note the operation: %w", err)
	}
	var id int64
	if err := s.db.GetContext(ctx, &id, query, command, by, string(text), s.now()); err != nil {
		return 0, fmt.Errorf("note the operation: %w", err)
	}
	return id, nil
}

// FinishOperation notes how an operation ended; cause is nil where it went well.
func (s *Store) FinishOperation(ctx context.Context, id int64, result any, cause error) error {
	const query = `UPDATE operations SET finished_at = $2, result = $3, error = nullif($4, '') WHERE id = $1`
	text, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("note how the operation ended: %w", err)
	}
	var problem string
	if cause != nil {
		problem = cause.Error()
	}
	if _, err := s.db.ExecContext(ctx, query, id, s.now(), string(text), problem); err != nil {
		return fmt.Errorf("note how the operation ended: %w", err)
	}
	return nil
}

// Operations returns what was done with a command, or with any where it is empty, newest first.
func (s *Store) Operations(ctx context.Context, command string, limit int) ([]Operation, error) {
	const query = `
SELECT id, command, by_whom, detail, started_at, finished_at, coalesce(result, 'null') AS result, coalesce(error, '') AS error
FROM operations
WHERE $1 = '' OR command = $1
ORDER BY id DESC
LIMIT $2`
	var out []Operation
	err := s.report(ctx, func(t *tx) error { return t.SelectContext(ctx, &out, query, command, limit) })
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	return out, nil
}

// DroppedLetters returns which of the events were dead letters that a person has dropped.
func (s *Store) DroppedLetters(ctx context.Context, events []string) (map[string]bool, error) {
	const query = `
SELECT DISTINCT e.id
FROM operations o
CROSS JOIN LATERAL jsonb_array_elements_text(o.result -> 'events') AS e (id)
WHERE o.command = 'dead drop' AND jsonb_typeof(o.result -> 'events') = 'array' AND e.id = ANY ($1)`
	var ids []string
	if err := s.db.SelectContext(ctx, &ids, query, pq.Array(events)); err != nil {
		return nil, fmt.Errorf("look up dropped dead letters: %w", err)
	}
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, nil
}
