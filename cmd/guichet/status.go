package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/store"
)

// statusTimeout bounds each half of a look.
const statusTimeout = 5 * time.Second

type statusCommand struct {
	Watch    bool          `short:"w" help:"Look again and again, until Ctrl-C; as JSON one line a look."`
	Interval time.Duration `default:"2s" help:"Between two looks (default ${default})." placeholder:"DURATION"`
	Events   int           `default:"10" help:"Most events whose places are shown, the fullest of the next and the newest (default ${default})." placeholder:"N"`
}

// Help shows examples.
func (statusCommand) Help() string {
	return `What the stream holds, what the workers have left to do, what waits in the database, how full events are, and
what was done last with this tool. A number with ~ is an estimate of PostgreSQL's; all others are counted.

    guichet status
    guichet status --watch --interval 5s
    guichet status --output json

Exit code: 0 both NATS and PostgreSQL were asked, 1 one of them is away (the other half is shown), 2 wrong settings.

Settings (environment): NATS_URL and DATABASE_URL, also as …_FILE or as Docker secrets.`
}

// Run looks once, or until ctx ends.
func (c statusCommand) Run(ctx context.Context, g globals, s surroundings) error {
	if c.Interval <= 0 || c.Events < 0 {
		return usageError{errors.New("--interval must be positive, and --events must not be negative")}
	}
	look := &looking{globals: g, surroundings: s, events: c.Events}
	defer look.close()
	if !c.Watch {
		found := look.once(ctx)
		return errors.Join(found.print(g, s.Stdout), found.problem())
	}
	return c.watch(ctx, g, s, look)
}

// watch shows one look after the other; it ends as the last one did.
func (c statusCommand) watch(ctx context.Context, g globals, s surroundings, look *looking) error {
	var last error
	ticker := time.NewTicker(c.Interval)
	defer ticker.Stop()
	for {
		found := look.once(ctx)
		if ctx.Err() != nil { // it was cut off
			return last
		}
		last = found.problem()
		var usage usageError
		if errors.As(last, &usage) {
			return last
		}
		if err := found.show(g, s); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return last
		case <-ticker.C:
		}
	}
}

// show prints a look over the one before it on a terminal, and else below it.
func (r statusReport) show(g globals, s surroundings) error {
	if g.Output == "json" {
		return json.NewEncoder(s.Stdout).Encode(r)
	}
	if s.Interactive {
		const clear = "\x1b[H\x1b[2J"
		if _, err := io.WriteString(s.Stdout, clear); err != nil {
			return err
		}
	}
	if err := r.print(g, s.Stdout); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.Stdout)
	return err
}

// looking asks NATS and PostgreSQL, on connections that outlive one look.
type looking struct {
	globals
	surroundings
	events int
	conn   *nats.Conn
	stream *streamSource
	store  *store.Store
}

type streamSource struct{ events, dead *archive.Archive }

// once asks both at the same time.
func (l *looking) once(ctx context.Context) statusReport {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	report := statusReport{At: time.Now().UTC()}
	var both sync.WaitGroup
	both.Go(func() {
		report.Stream, report.natsError = l.askStream(ctx)
		report.NATSAway = text(report.natsError)
	})
	both.Go(func() {
		report.Database, report.databaseError = l.askStore(ctx)
		report.DatabaseAway = text(report.databaseError)
	})
	both.Wait()
	return report
}

func (l *looking) askStream(ctx context.Context) (*streamStatus, error) {
	if l.stream == nil {
		conn, js, err := l.dialStream(ctx, l.surroundings)
		if err != nil {
			return nil, err
		}
		l.conn, l.stream = conn, &streamSource{archive.Events(js), archive.DeadLetters(js)}
	}
	if !l.conn.IsConnected() {
		return nil, fmt.Errorf("the connection is lost, and is tried again: %w", cmp.Or(l.conn.LastError(), nats.ErrDisconnected))
	}
	return l.stream.status(ctx)
}

func (l *looking) askStore(ctx context.Context) (*databaseStatus, error) {
	if l.store == nil {
		db, err := l.openStore(ctx, l.surroundings)
		if err != nil {
			return nil, err
		}
		l.store = db
	}
	o, err := l.store.Overview(ctx, l.events, shownOperations)
	if err != nil {
		return nil, err
	}
	return describeDatabase(o), nil
}

func (l *looking) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	if l.store != nil {
		_ = l.store.Close()
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
