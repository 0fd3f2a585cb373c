package doctor

import (
	"context"
	"time"

	"github.com/educareschool/guichet/pkg/store"
)

func (d *doctor) database(ctx context.Context) {
	if d.worker.Database.URL == "" { // which the settings' finding has told
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := store.Inspect(ctx, d.worker.Database.URL, d.Now)
	if found.Server == "" {
		d.fail("PostgreSQL", "check DATABASE_URL, and that the server runs and lets this machine in", "%v", err)
		return
	}
	d.ok("PostgreSQL", "version %s answers", found.Server)
	if !found.Durable {
		d.fail("PostgreSQL durability", "set fsync = on and synchronous_commit = on", "what is committed may be lost with the power")
	}
	d.clock("PostgreSQL clock", "PostgreSQL's", found.Ahead, 2*time.Second, time.Minute)
	switch {
	case err != nil:
		d.fail("schema", "check the rights of DATABASE_URL's user on it", "%v", err)
	case found.Schema == 0:
		d.fail("schema", "run `guichet setup`", "it was never set up in this database and search path")
	case found.Schema < found.Needed:
		d.fail("schema", "run `guichet setup`", "version %d is older than the %d that this program needs", found.Schema, found.Needed)
	case found.Schema > found.Needed:
		d.ok("schema", "version %d, newer than the %d that this program needs", found.Schema, found.Needed)
	default:
		d.ok("schema", "version %d", found.Schema)
	}
}
