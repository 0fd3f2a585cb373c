package store_test

import (
	"encoding/json"
	"testing"

	"github.com/educareschool/guichet/pkg/store"
)

// Whoever paid and has no place is few; whoever paid is everybody. The tables were analyzed before anybody had
// paid, as in the first hours of a sale.
func TestWhoWaitsForAPlaceIsFoundWithoutReadingAllWhoPaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(fill + `ANALYZE`)
	f.exec(`UPDATE registrations SET status = 'PAID', paid_at = now()`)
	var events string
	if err := f.db.Get(&events, `SELECT quote_literal(array_agg(id)::text) FROM events`); err != nil {
		t.Fatal(err)
	}
	db := f.open(store.Options{MaxConnections: 1}).DB() // with the worker's settings
	for what, query := range map[string]string{
		"for the places that come free": `SELECT guichet_seat_waiting(array_agg(id)) FROM events`,
		"before a batch's own wishes":   `EXECUTE waiting(` + events + `, '{}')`,
	} {
		conn, err := db.Connx(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), `PREPARE waiting (text[], text[]) AS `+store.CountWaitingQuery); err != nil {
			t.Fatal(err)
		}
		var text string
		if err := conn.GetContext(t.Context(), &text, `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) `+query); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), `DEALLOCATE waiting`); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		var plans []struct {
			Plan struct {
				Pages int `json:"Shared Hit Blocks"`
				Read  int `json:"Shared Read Blocks"`
			}
		}
		if err := json.Unmarshal([]byte(text), &plans); err != nil {
			t.Fatal(err)
		}
		if pages := plans[0].Plan.Pages + plans[0].Plan.Read; pages > 1000 {
			t.Errorf("%s: %d pages are read for 50 events and 5,000 who paid and have a place", what, pages)
		}
	}
}
