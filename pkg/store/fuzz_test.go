package store_test

import (
	"net/url"
	"testing"

	"github.com/educareschool/guichet/pkg/store"
)

// FuzzDatabaseURL looks for a DATABASE_URL of which TLS's default changes more than sslmode.
func FuzzDatabaseURL(f *testing.F) {
	for _, text := range []string{
		"postgres://u:p%40ss@db.example.org:5432/guichet?options=-csearch_path%3Dx", "postgres://db.example.org", "postgres:///x?host=/tmp",
		"host=db.example.org password='p s' user=u", "postgres://[fe80::1%25eth0]/x", "", "=", "sslmode", "postgres://%zz",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		became := store.Verified(text)
		if became == text {
			return
		}
		before, err := url.Parse(text)
		if err != nil || before.Scheme != "postgres" {
			return
		}
		after, err := url.Parse(became)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, became, err)
		}
		query := after.Query()
		query.Del("sslmode")
		if after.Host != before.Host || after.User.String() != before.User.String() || after.Path != before.Path || query.Encode() != before.Query().Encode() {
			t.Errorf("%q became %q", text, became)
		}
	})
}
