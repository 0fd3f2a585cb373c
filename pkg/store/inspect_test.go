package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/store"
)

func TestInspect_TellsWhatTheDatabaseIsWithoutChangingIt(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	before, err := store.Inspect(t.Context(), url, func() time.Time { return time.Now().Add(time.Hour) })
	if err != nil || before.Server == "" || before.Schema != 0 || before.Needed == 0 || before.Ahead < 59*time.Minute || before.Ahead > 61*time.Minute || before.Durable {
		t.Errorf("%+v, %v", before, err)
	}
	if _, _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	after, err := store.Inspect(t.Context(), url, time.Now)
	if err != nil || after.Schema != after.Needed {
		t.Errorf("%+v, %v", after, err)
	}
	if _, err := store.Inspect(t.Context(), "postgres://me:hunter2@127.0.0.1:1/x", time.Now); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
