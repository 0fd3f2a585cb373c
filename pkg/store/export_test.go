package store

import "github.com/jmoiron/sqlx"

// DB is the pool with the worker's settings.
func (s *Store) DB() *sqlx.DB { return s.db }
